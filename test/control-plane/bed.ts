import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Pod } from 'kubernetes-types/core/v1'
import type { IssuerTimes } from '../../control-plane/acme/issuer.ts'
import { controlPlaneConfig } from '../../control-plane/config.ts'
import { type RunningControlPlane, startControlPlane } from '../../control-plane/start.ts'
import { startApiServer } from '../../embedded/api-server/server.ts'
import { startControllers } from '../../embedded/controllers/start.ts'
import type { PlatformLine } from '../../kernel/contract.ts'
import { type KubernetesApi, remove } from '../../kernel/kubernetes/api.ts'
import { connectKubernetes } from '../../kernel/kubernetes/client.ts'
import { readCredentials } from '../../kernel/kubernetes/credentials.ts'
import { RESOURCES, type Stored } from '../../kernel/kubernetes/objects.ts'
import { createLog, silentLog } from '../../kernel/log.ts'
import { type FakeNode, type Fate, startFakeNode } from './node.ts'

export const BUILDER_KEY = 'the-builder-key'

export interface Answer {
  readonly status: number
  readonly headers: Headers
  /** Whatever JSON came; tests look into it freely. */
  // biome-ignore lint/suspicious/noExplicitAny: a test that asks for the wrong thing fails all the same
  readonly body: any
  readonly text: string
}

/** A control plane over the emulator, its controllers, and a node whose pods do what the test says. */
export interface Bed {
  readonly api: KubernetesApi
  readonly node: FakeNode
  readonly url: string
  /** What the platform said about apps. */
  readonly lines: PlatformLine[]
  /** Decides what becomes of each pod; all come up by default. */
  fate: (pod: Stored<Pod>) => Fate
  /** What the control plane's call of Kubernetes comes to instead of an answer, if anything. */
  fault: (method: string) => Error | undefined
  /** What a pod is said to have written. */
  logOf: (pod: string) => string
  call(
    method: string,
    path: string,
    options?: { token?: string; body?: unknown; headers?: Record<string, string>; raw?: string },
  ): Promise<Answer>
  /** Registers a user; the first is superuser. @returns his token */
  register(username: string): Promise<string>
  hook(method: string, path: string, body?: unknown): Promise<Answer>
  /** Deploys an image as the builder would. */
  push(username: string, app: string, build?: { image?: string; sha?: string; procfile?: Record<string, string> }): Promise<Answer>
  /** Lets the follower of a log see one more line, and its stream end. */
  tail(line: string): void
  /** Asks again and again until the answer is yes; fails after ten seconds. */
  until(condition: () => boolean | Promise<boolean>): Promise<void>
  /** Ends the control plane and starts another over the same state. */
  restart(): Promise<void>
  stop(): Promise<void>
}

export async function startBed(
  env: Record<string, string> = {},
  acmeTimes: Partial<IssuerTimes> = { publishedMs: 500, settleMs: 0, leaseMs: 1_000 },
): Promise<Bed> {
  const { api, stop: stopKubernetes } = await startKubernetes()
  const lines: PlatformLine[] = []
  const logger = await startLogger(lines)
  const bed = { fate: (_: Stored<Pod>): Fate => 'up', logOf: (_: string) => '', fault: (_: string): Error | undefined => undefined }
  const node = await startFakeNode(
    api,
    pod => bed.fate(pod),
    pod => bed.logOf(pod),
  )
  const config = controlPlaneConfig({
    CONTROLLER_PORT: '0',
    CONTROLLER_BIND: '127.0.0.1',
    CONTROLLER_BUILDER_KEY: BUILDER_KEY,
    CONTROLLER_LOGGER_URL: logger.url,
    CONTROLLER_REGISTRATION: 'enabled',
    ...env,
  })
  const log = process.env['DEBUG'] ? createLog({ role: 'test', level: 'debug' }) : silentLog
  let controlPlane: RunningControlPlane = await startControlPlane({ api: faulty(api, method => bed.fault(method)), config, log, acmeTimes })

  async function call(method: string, path: string, options: Parameters<Bed['call']>[2] = {}): Promise<Answer> {
    const body = options.raw ?? (options.body === undefined ? undefined : JSON.stringify(options.body))
    const response = await fetch(`http://127.0.0.1:${controlPlane.port}${path}`, {
      method,
      redirect: 'manual',
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(options.token ? { authorization: `token ${options.token}` } : {}),
        ...options.headers,
      },
      ...(body === undefined ? {} : { body }),
    })
    const text = await response.text()
    let parsed: unknown
    try {
      parsed = JSON.parse(text)
    } catch {
      parsed = undefined
    }
    return { status: response.status, headers: response.headers, body: parsed, text }
  }

  return Object.assign(bed, {
    api,
    node,
    get url() {
      return `http://127.0.0.1:${controlPlane.port}`
    },
    lines,
    call,
    async register(username: string) {
      const credentials = { username, password: `${username}-password` }
      const registered = await call('POST', '/v2/auth/register/', { body: { ...credentials, email: `${username}@example.com` } })
      if (registered.status !== 201) throw new Error(`Cannot register ${username}: ${registered.text}`)
      return (await call('POST', '/v2/auth/login/', { body: credentials })).body.token as string
    },
    hook: (method: string, path: string, body?: unknown) =>
      call(method, `/v2/hooks${path}`, { body, headers: { 'X-Deis-Builder-Auth': BUILDER_KEY } }),
    push(username: string, app: string, build: { image?: string; sha?: string; procfile?: Record<string, string> } = {}) {
      const { image = `embedded/${app}:git-12345678`, sha = '12345678', procfile = { web: 'node server.js' } } = build
      const body = { receive_user: username, receive_repo: app, image, sha, procfile, dockerfile: '' }
      return call('POST', '/v2/hooks/build/', { body, headers: { 'X-Deis-Builder-Auth': BUILDER_KEY } })
    },
    tail: logger.tail,
    async until(condition: () => boolean | Promise<boolean>) {
      const late = AbortSignal.timeout(10_000)
      while (!(await condition())) {
        late.throwIfAborted()
        await new Promise(resolve => setTimeout(resolve, 10))
      }
    },
    async restart() {
      await controlPlane.stop()
      controlPlane = await startControlPlane({ api: faulty(api, method => bed.fault(method)), config, log, acmeTimes })
    },
    async stop() {
      await controlPlane.stop()
      await node.stop()
      await stopKubernetes()
      await logger.stop()
    },
  })
}

/** The same port, save that calls may fail; watches go on, as an informer knows how to come by without. */
function faulty(api: KubernetesApi, faultOf: (method: string) => Error | undefined): KubernetesApi {
  return new Proxy(api, {
    get(target, method: keyof KubernetesApi) {
      return (...parameters: unknown[]) => {
        const fault = method === 'watch' ? undefined : faultOf(method)
        if (fault) return Promise.reject(fault)
        return (target[method] as (...parameters: unknown[]) => unknown).apply(target, parameters)
      }
    },
  })
}

/** The emulator with its controllers, or the cluster (without nodes) whose kubeconfig `TEST_KUBECONFIG` names, swept clean. */
async function startKubernetes(): Promise<{ api: KubernetesApi; stop(): Promise<void> }> {
  const kubeconfig = process.env['TEST_KUBECONFIG']
  if (kubeconfig) {
    const api = connectKubernetes(await readCredentials({ KUBECONFIG: kubeconfig }))
    await sweep(api)
    return { api, stop: () => api.close() }
  }
  const server = await startApiServer()
  const { token, authority } = server.credentials
  const credentials = { server: server.url, ca: authority.certificate, verify: true, token: () => token, namespace: 'default' }
  const api = connectKubernetes(credentials)
  const controllers = await startControllers(api, { log: silentLog })
  return {
    api,
    async stop() {
      await controllers.stop()
      await api.close()
      await server.stop()
    },
  }
}

/** Removes what earlier tests left, which no node is there to finish. */
async function sweep(api: KubernetesApi): Promise<void> {
  const kept = ['default', 'kube-system', 'kube-public', 'kube-node-lease']
  for (const { metadata } of (await api.list(RESOURCES.namespaces)).items)
    if (!kept.includes(metadata.name)) await remove(api, RESOURCES.namespaces, '', metadata.name)
  await remove(api, RESOURCES.nodes, '', 'node-1')
  for (;;) {
    for (const { metadata } of (await api.list(RESOURCES.pods)).items)
      await remove(api, RESOURCES.pods, metadata.namespace ?? '', metadata.name, { gracePeriodSeconds: 0 })
    if ((await api.list(RESOURCES.namespaces)).items.every(({ metadata }) => kept.includes(metadata.name))) return
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

/** A logger that remembers what it is told and answers with it. */
async function startLogger(lines: PlatformLine[]): Promise<{ url: string; tail(line: string): void; stop(): Promise<void> }> {
  const server = createServer(async (request, response) => {
    const app = /^\/logs\/([^/?]+)/.exec(request.url ?? '')?.[1] ?? ''
    if (request.method === 'POST') {
      let text = ''
      for await (const chunk of request) text += chunk
      for (const line of text.split('\n').filter(Boolean)) lines.push(JSON.parse(line) as PlatformLine)
      response.writeHead(202).end()
    } else if (request.method === 'DELETE') {
      lines.splice(0, lines.length, ...lines.filter(line => line.app !== app))
      response.writeHead(200).end()
    } else {
      const text = lines.filter(line => line.app === app).map(line => `${line.ts} deis[controller]: ${line.level} ${line.text}\n`)
      if (text.length === 0) response.writeHead(204).end()
      else {
        response.writeHead(200, { 'content-type': 'text/plain' }).write(text.join(''))
        if (request.url?.includes('follow=true')) server.once('tail', (line: string) => response.end(line))
        else response.end()
      }
    }
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    tail: line => void server.emit('tail', line),
    async stop() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
