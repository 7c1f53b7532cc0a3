import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { httpClient } from '../../kernel/http.ts'
import { createAuthority, issueCertificate } from '../../kernel/x509.ts'

/** The ACME server of Let's Encrypt for tests, as its own process. */
export interface Pebble extends AsyncDisposable {
  /** Of its directory. */
  readonly url: string
  /** A file with what to trust for its directory. */
  readonly ca: string
  /** What it says. */
  readonly lines: string[]
  /** PEM of what its certificates are signed with, anew at each of its starts. */
  root(): Promise<string>
}

export interface PebbleOptions {
  /** Where it looks for challenges. */
  readonly httpPort: number
  readonly tlsPort: number
  /** A name server on this machine. */
  readonly dnsPort: number
  readonly externalAccounts?: Readonly<Record<string, string>>
  /** Refuses so many good nonces in a hundred. */
  readonly nonceRefusals?: number
}

/** Why there is no pebble; `undefined` where there is one. */
export function whyNoPebble(): string | undefined {
  return spawnSync('pebble', ['-h']).error ? 'pebble is not installed' : undefined
}

export async function startPebble(options: PebbleOptions): Promise<Pebble> {
  const folder = mkdtempSync(join(tmpdir(), 'pebble-'))
  const authority = createAuthority('Pebble of a test')
  const own = issueCertificate(authority, { names: ['127.0.0.1', 'localhost'], days: 1 })
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const [port, managementPort] = [await freePort(), await freePort()]
  const { httpPort, tlsPort, externalAccounts } = options
  const pebble = {
    ...{ listenAddress: `127.0.0.1:${port}`, managementListenAddress: `127.0.0.1:${managementPort}`, httpPort, tlsPort },
    ...{ certificate: file('cert.pem', own.certificate), privateKey: file('key.pem', own.key), ocspResponderURL: '' },
    externalAccountBindingRequired: externalAccounts !== undefined,
    ...(externalAccounts && { externalAccountMACKeys: externalAccounts }),
  }
  const child = spawn(
    'pebble',
    ['-config', file('config.json', JSON.stringify({ pebble })), '-dnsserver', `127.0.0.1:${options.dnsPort}`],
    {
      env: { ...process.env, PEBBLE_VA_NOSLEEP: '1', PEBBLE_AUTHZREUSE: '0', PEBBLE_WFE_NONCEREJECT: String(options.nonceRefusals ?? 20) },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  const lines: string[] = []
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', line => lines.push(line))
  const client = httpClient({ ca: authority.certificate })
  const url = `https://127.0.0.1:${port}/dir`
  const stop = async () => {
    await client.close()
    await end(child)
    rmSync(folder, { recursive: true, force: true })
  }
  const late = AbortSignal.timeout(10_000)
  while (!(await client.json('GET', url).catch(() => undefined))) {
    if (late.aborted || child.exitCode !== null) {
      await stop()
      throw new Error(`pebble did not start:\n${lines.slice(-10).join('\n')}`)
    }
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  return {
    ...{ url, ca: file('ca.pem', authority.certificate), lines },
    root: async () => (await client.json<string>('GET', `https://127.0.0.1:${managementPort}/roots/0`)).body,
    [Symbol.asyncDispose]: stop,
  }
}

/** A port that was free a moment ago, for programs that cannot be told to take any. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}
