import { spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { createAuthority, issueCertificate } from '../../kernel/x509.ts'
import { Api } from './api.ts'
import type { Target } from './target.ts'

/** A folder beside a checkout may hold a Kubernetes that starts with one command. */
const SHARED = resolve(import.meta.dirname, '../../../shared/kubernetes/start.mjs')

const START_WAIT_MS = 120_000

/** Runs a command until the standard input ends, which it does even when this process is killed: nothing is left running. */
const TIED = '"$@" < /dev/null & cat > /dev/null; kill -9 $!; wait'

/** Where a real kube-apiserver can be had, or why none can. */
export type Source = { readonly kind: 'assets' | 'shared'; readonly path: string } | { readonly kind: 'none'; readonly why: string }

/** A real API server, and the folder of the binaries that it comes from. */
export interface RealTarget extends Target {
  readonly bin: string
}

/** Looks for a real Kubernetes: the folder of envtest first, then one beside the checkout. */
export function findReal(env: NodeJS.ProcessEnv = process.env): Source {
  if (env['DRYCC_TEST_REAL_KUBERNETES'] === '0') return { kind: 'none', why: 'DRYCC_TEST_REAL_KUBERNETES is 0' }
  const assets = env['KUBEBUILDER_ASSETS']
  if (assets && has(assets, 'kube-apiserver', 'etcd')) return { kind: 'assets', path: assets }
  if (existsSync(SHARED) && process.platform === 'linux' && process.arch === 'x64') return { kind: 'shared', path: SHARED }
  return { kind: 'none', why: 'no real Kubernetes is at hand: set KUBEBUILDER_ASSETS to a folder with kube-apiserver and etcd' }
}

/** Starts a real API server without controllers on loopback and waits until it answers. */
export function startReal(source: Exclude<Source, { kind: 'none' }>): Promise<RealTarget> {
  return source.kind === 'shared' ? startShared(source.path) : startBinaries(source.path, false)
}

/** True where a folder also has what {@link startRealControllers} needs; envtest's has not. */
export function hasControllers(bin: string): boolean {
  return has(bin, 'kube-controller-manager')
}

/** Starts a real API server with kube-controller-manager beside it. */
export function startRealControllers(bin: string): Promise<RealTarget> {
  return startBinaries(bin, true)
}

function has(folder: string, ...names: string[]): boolean {
  return names.every(name => existsSync(join(folder, name)))
}

async function startShared(script: string): Promise<RealTarget> {
  const child = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'] })
  const gone = once(child, 'exit')
  const line = await new Promise<string>((fulfil, reject) => {
    createInterface({ input: child.stdout }).once('line', fulfil)
    gone.then(() => reject(new Error(`${script} ended before Kubernetes was ready`)), reject)
  })
  const { url, ca, kubeconfig, ports, bin } = JSON.parse(line)
  const { user } = JSON.parse(readFileSync(kubeconfig, 'utf8')).users[0]
  const decode = (field: string) => Buffer.from(user[field], 'base64').toString()
  const api = new Api({
    server: url,
    ca: readFileSync(ca, 'utf8'),
    cert: decode('client-certificate-data'),
    key: decode('client-key-data'),
  })
  return {
    api,
    bin,
    forget: () => compact(api, ports.etcd),
    async stop() {
      api.close()
      child.stdin.end()
      await gone
    },
  }
}

/** The same from bare binaries, with keys of our own and a token for the administrator. */
async function startBinaries(bin: string, controllers: boolean): Promise<RealTarget> {
  const home = await mkdtemp(join(tmpdir(), 'kubernetes-'))
  const file = (name: string) => join(home, name)
  const authority = createAuthority('test')
  const serving = issueCertificate(authority, { names: ['127.0.0.1', 'localhost'], days: 2 })
  const account = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const token = 'administrator'
  const [etcd, peer, port] = [await freePort(), await freePort(), await freePort()]
  const server = `https://127.0.0.1:${port}`
  const files: Record<string, string> = {
    'ca.pem': authority.certificate,
    'serving.pem': serving.certificate,
    'serving.key': serving.key,
    'account.key': account.privateKey,
    tokens: `${token},admin,1,"system:masters"\n`,
    kubeconfig: JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      clusters: [{ name: 'test', cluster: { server, 'certificate-authority': file('ca.pem') } }],
      users: [{ name: 'admin', user: { token } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
    }),
  }
  for (const [name, content] of Object.entries(files)) await writeFile(file(name), content, { mode: 0o600 })

  const running: { child: ReturnType<typeof spawn>; gone: Promise<unknown> }[] = []
  const run = (name: string, args: readonly string[]) => {
    const log = openSync(file(`${name}.log`), 'a')
    const child = spawn('sh', ['-c', TIED, 'sh', join(bin, name), ...args], { cwd: home, stdio: ['pipe', log, log] })
    closeSync(log)
    running.unshift({ child, gone: once(child, 'exit') })
  }
  const api = new Api({ server, ca: authority.certificate, token }, { awaitAccounts: controllers })
  const stop = async () => {
    api.close()
    for (const { child, gone } of running) {
      child.stdin?.end()
      await gone
    }
    await rm(home, { recursive: true, force: true })
  }
  const [client, peers] = [`http://127.0.0.1:${etcd}`, `http://127.0.0.1:${peer}`]
  run('etcd', [
    ...['--data-dir', file('etcd'), '--listen-client-urls', client, '--advertise-client-urls', client, '--listen-peer-urls', peers],
    ...['--initial-advertise-peer-urls', peers, '--initial-cluster', `default=${peers}`, '--unsafe-no-fsync', '--log-level', 'warn'],
  ])
  run('kube-apiserver', [
    ...[`--etcd-servers=${client}`, '--bind-address=127.0.0.1', '--advertise-address=127.0.0.1', `--secure-port=${port}`],
    ...['--endpoint-reconciler-type=none', '--service-cluster-ip-range=10.96.0.0/16', '--authorization-mode=Node,RBAC'],
    ...[`--token-auth-file=${file('tokens')}`, `--tls-cert-file=${file('serving.pem')}`, `--tls-private-key-file=${file('serving.key')}`],
    ...[`--service-account-key-file=${file('account.key')}`, `--service-account-signing-key-file=${file('account.key')}`],
    ...['--service-account-issuer=https://kubernetes.default.svc', ...(controllers ? [] : ['--disable-admission-plugins=ServiceAccount'])],
  ])
  if (controllers) {
    run('kube-controller-manager', [
      ...[`--kubeconfig=${file('kubeconfig')}`, '--leader-elect=false', '--secure-port=0'],
      // Its own limits, 20 calls a second, are for large clusters: here they would only make the cases wait.
      ...['--kube-api-qps=1000', '--kube-api-burst=2000'],
      ...[
        '--use-service-account-credentials',
        `--service-account-private-key-file=${file('account.key')}`,
        `--root-ca-file=${file('ca.pem')}`,
      ],
    ])
  }
  try {
    await untilReady(api)
  } catch (error) {
    await stop()
    throw error
  }
  return { api, bin, forget: () => compact(api, etcd), stop }
}

/** There is nothing to wait on: before it listens, a server can only be asked again. */
async function untilReady(api: Api): Promise<void> {
  for (const until = Date.now() + START_WAIT_MS; ; ) {
    const status = await api.get('/readyz').then(
      answer => answer.status,
      () => 0,
    )
    if (status === 200) return
    if (Date.now() > until) throw new Error('kube-apiserver was not ready in time')
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

/** etcd drops every version before the newest. */
async function compact(api: Api, etcdPort: number): Promise<void> {
  const { metadata } = await api.must('GET', '/api/v1/events', undefined, { limit: 1 })
  const answer = await fetch(`http://127.0.0.1:${etcdPort}/v3/kv/compaction`, {
    method: 'POST',
    body: JSON.stringify({ revision: metadata.resourceVersion, physical: true }),
  })
  if (!answer.ok) throw new Error(`Cannot compact etcd: ${await answer.text()}`)
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  return typeof address === 'object' && address ? address.port : 0
}
