import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'

/** What `npm start` was told. */
export interface Flags {
  readonly home: string
  readonly httpPort: number
  readonly httpsPort: number
  readonly gitPort: number
  readonly kubePort: number
  readonly sample: boolean
  readonly help: boolean
}

/** A command line that cannot be followed; its message is for the person who typed it. */
export class FlagError extends Error {
  override readonly name = 'FlagError'
}

const PORTS = { 'http-port': '8080', 'https-port': '8443', 'git-port': '2222', 'kube-port': '6443' } as const

export const USAGE = `Starts the platform on this machine: API server, router, control plane, builder, logger.

  npm start -- [--home DIR] [--http-port N] [--https-port N] [--git-port N] [--kube-port N] [--no-sample]

  --home DIR       where apps, repositories, logs and keys are kept (~/.local/share/drycc)
  --http-port N    apps, API and git over HTTP (8080); 0 takes any free port, here and below
  --https-port N   the same over TLS (8443)
  --git-port N     git over SSH (2222)
  --kube-port N    the Kubernetes API, for kubectl (6443)
  --no-sample      do not deploy the sample app on the first start

Each is also a variable: DRYCC_HOME, DRYCC_HTTP_PORT, …, DRYCC_NO_SAMPLE=1.
`

/**
 * Reads the command line, then the environment (`DRYCC_HTTP_PORT` for `--http-port`), then defaults.
 *
 * @throws {FlagError} for what cannot be followed
 */
export function parseFlags(args: readonly string[], env: NodeJS.ProcessEnv): Flags {
  const text = { type: 'string' } as const
  const options = {
    home: text,
    'http-port': text,
    'https-port': text,
    'git-port': text,
    'kube-port': text,
    'no-sample': { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  } as const
  const { values } = attempt(() => parseArgs({ args: [...args], options, strict: true }))
  const port = (name: keyof typeof PORTS) => parsePort(name, values[name] ?? (env[variable(name)] || PORTS[name]))
  if (values.home === '') throw new FlagError('Cannot use an empty --home: name a folder, or leave the flag out')
  const dataHome = env['XDG_DATA_HOME'] || join(env['HOME'] || homedir(), '.local', 'share')
  const ports = {
    'http-port': port('http-port'),
    'https-port': port('https-port'),
    'git-port': port('git-port'),
    'kube-port': port('kube-port'),
  }
  requireDistinct(ports)
  return {
    home: resolve(values.home ?? (env['DRYCC_HOME'] || join(dataHome, 'drycc'))),
    httpPort: ports['http-port'],
    httpsPort: ports['https-port'],
    gitPort: ports['git-port'],
    kubePort: ports['kube-port'],
    sample: !(values['no-sample'] ?? /^(1|true|yes)$/i.test(env['DRYCC_NO_SAMPLE'] ?? '')),
    help: values.help ?? false,
  }
}

function attempt<T>(parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    throw new FlagError(`${(error as Error).message.split('\n')[0]}\n\n${USAGE}`)
  }
}

function parsePort(name: string, text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (!(port <= 65_535)) throw new FlagError(`Cannot read port "${text}" of --${name}: write a number from 0 to 65535`)
  return port
}

function requireDistinct(ports: Readonly<Record<string, number>>): void {
  const byPort = Map.groupBy(Object.entries(ports), ([, port]) => port)
  for (const [port, flags] of byPort) {
    if (port !== 0 && flags.length > 1)
      throw new FlagError(`Cannot use port ${port} for ${flags.map(([flag]) => `--${flag}`).join(' and ')}: choose two`)
  }
}

function variable(flag: string): string {
  return `DRYCC_${flag.toUpperCase().replaceAll('-', '_')}`
}
