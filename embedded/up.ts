import { join } from 'node:path'
import { PLATFORM_NAMESPACE } from '../kernel/contract.ts'
import type { HttpClient } from '../kernel/http.ts'
import type { KubernetesApi } from '../kernel/kubernetes/api.ts'
import { connectKubernetes } from '../kernel/kubernetes/client.ts'
import { readCredentials } from '../kernel/kubernetes/credentials.ts'
import { type Running, Stack } from '../kernel/lifecycle.ts'
import type { Log } from '../kernel/log.ts'
import { type Administrator, ensureAdministrator, platformApi } from './first-run.ts'
import type { Home } from './home.ts'
import { openAuthority, startPlatformCertificate } from './platform-certificate.ts'
import { applyEndpoints, applyPlatform, type ServedRole } from './platform-objects.ts'
import { checkPorts } from './ports.ts'
import { RoleLog } from './role-log.ts'
import { RoleProcess } from './role-process.ts'

export interface UpOptions {
  readonly home: Home
  readonly log: Log
  /** By flag; 0 takes any free port. */
  readonly ports: Readonly<Record<PortFlag, number>>
  /** Called as each step begins. */
  readonly onStep?: (text: string) => void
  /** Ends a start that is no longer wanted. */
  readonly signal?: AbortSignal
}

export type PortFlag = 'http-port' | 'https-port' | 'git-port' | 'kube-port'

/** The whole platform, running. */
export interface Platform extends Running {
  readonly ports: Readonly<Record<PortFlag, number>>
  readonly platformDomain: string
  readonly apiHost: string
  readonly kubeconfig: string
  /** The certificate to trust for HTTPS. */
  readonly authorityFile: string
  readonly api: HttpClient
  readonly kubernetes: KubernetesApi
  readonly account: Administrator
  /** The administrator's; `undefined` when he has changed his password, which `account` then does not have. */
  readonly token: string | undefined
  /** The processes of the roles, by name. */
  readonly roles: Readonly<Record<string, RoleProcess>>
}

/** `localhost` and all names under it are this machine's own (RFC 6761 §6.3). */
const PLATFORM_DOMAIN = 'localhost'
const API_HOST = `drycc.${PLATFORM_DOMAIN}`
const LOOPBACK = '127.0.0.1'
const ROOT = join(import.meta.dirname, '..')

/** Ports that a role bound, by what they serve. */
type Bound = Readonly<Record<string, number>>
type RoleEnvironment = (bound: Bound) => Readonly<Record<string, string>>

/**
 * Starts the platform as a cluster would run it: each role a process of its own, with an API server, controllers and a node agent in the
 * place of the cluster.
 *
 * @throws {PortError} for a taken port, or an `Error` that tells which role did not start and its last words, or the
 *   signal's reason; nothing is left running
 */
export async function startPlatform(options: UpOptions): Promise<Platform> {
  const stack = new Stack(options.log)
  try {
    return await start(options, stack)
  } catch (error) {
    await stack.stop()
    throw error
  }
}

async function start({ home, log, ports: wanted, onStep = () => {}, signal }: UpOptions, stack: Stack): Promise<Platform> {
  // A copy that was killed leaves this mark, and roles that end within moments.
  await checkPorts(wanted, home.read('running') === undefined ? 0 : 10_000)
  home.write('running', String(process.pid))
  stack.add('mark', { stop: () => home.remove('running') })
  const kubeconfig = join(home.path, 'kubeconfig')
  const kubeletToken = home.secretFile('kubelet-token')
  const builderKey = home.secretFile('builder-key')
  const roles: Record<string, RoleProcess> = {}

  async function role(name: string, file: string, env: RoleEnvironment, onReady?: (bound: Bound) => void): Promise<Bound> {
    const output = new RoleLog(join(home.folder('logs'), `${name}.log`))
    stack.add(`${name} log`, { stop: () => output.close() })
    const base = { ...baseEnvironment(home), KUBECONFIG: kubeconfig, POD_NAMESPACE: PLATFORM_NAMESPACE }
    const started = await RoleProcess.start({
      name,
      file: join(ROOT, file),
      env: bound => ({ ...base, ...env(bound) }),
      output,
      log,
      ...(onReady ? { onReady } : {}),
      ...(signal ? { signal } : {}),
    })
    roles[name] = stack.add(name, started.role)
    return started.ports
  }

  onStep('Starting the Kubernetes API')
  const apiServer = await role('api-server', 'embedded/api-server/main.ts', bound => ({
    APISERVER_PORT: at(bound, 'https', wanted['kube-port']),
    APISERVER_BIND: LOOPBACK,
    APISERVER_HOME: home.path,
    APISERVER_KUBELET_TOKEN_FILE: kubeletToken,
  }))
  const kubernetes = connectKubernetes(await readCredentials({ KUBECONFIG: kubeconfig }))
  stack.add('Kubernetes client', { stop: () => kubernetes.close() })
  await applyPlatform(kubernetes, PLATFORM_DOMAIN)

  /** Where a role listens goes into its EndpointSlice each time that it is ready, and the router follows. */
  const publish = (served: ServedRole) => (bound: Bound) => {
    applyEndpoints(kubernetes, served, bound).catch(error => log.error('endpoints not written', { role: served, error }))
  }

  onStep('Starting router, control plane, builder and logger')
  const router = role('router', 'router/main.ts', bound => ({
    ROUTER_BIND: `${LOOPBACK},::1`,
    ROUTER_HTTP_PORT: at(bound, 'http', wanted['http-port']),
    ROUTER_HTTPS_PORT: at(bound, 'https', wanted['https-port']),
    ROUTER_GIT_PORT: at(bound, 'git', wanted['git-port']),
    ROUTER_HEALTH_PORT: '0',
    ROUTER_ADMIN_PORT: at(bound, 'admin'),
    ROUTER_PUBLIC_HTTPS_PORT: '0',
    ROUTER_WORKERS: '1',
    ROUTER_STATE: home.folder('router'),
  }))
  const logger = role(
    'logger',
    'logger/main.ts',
    bound => ({
      LOGGER_PORT: at(bound, 'http'),
      LOGGER_BIND: LOOPBACK,
      LOGGER_HOME: home.folder('logger'),
      STORAGE_ADAPTER: 'file',
      LOGGER_ADMIN_PORT: '0',
    }),
    publish('logger'),
  )
  const controlPlane = Promise.all([router, logger]).then(([public_, { http: loggerPort }]) =>
    role(
      'control-plane',
      'control-plane/main.ts',
      bound => ({
        CONTROLLER_PORT: at(bound, 'http'),
        CONTROLLER_BIND: LOOPBACK,
        CONTROLLER_ADMIN_PORT: '0',
        CONTROLLER_PLATFORM_DOMAIN: PLATFORM_DOMAIN,
        CONTROLLER_BUILDER_KEY_FILE: builderKey,
        CONTROLLER_LOGGER_URL: `http://${LOOPBACK}:${loggerPort}`,
        CONTROLLER_ROUTER_URL: `http://${LOOPBACK}:${public_['http']}`,
        CONTROLLER_ROUTER_ADMIN_URL: `http://${LOOPBACK}:${public_['admin']}`,
        CONTROLLER_REGISTRATION: 'enabled',
        // One router beside its API server hears of an endpoint in milliseconds.
        CONTROLLER_STOP_DELAY: '1s',
        CONTROLLER_PUBLIC_HTTP_PORT: String(public_['http']),
        CONTROLLER_PUBLIC_HTTPS_PORT: String(public_['https']),
      }),
      publish('control-plane'),
    ),
  )
  const builder = controlPlane.then(({ http }) =>
    role(
      'builder',
      'builder/main.ts',
      bound => ({
        BUILDER_BIND: LOOPBACK,
        BUILDER_SSH_PORT: at(bound, 'ssh'),
        BUILDER_HTTP_PORT: at(bound, 'http'),
        BUILDER_HEALTH_PORT: '0',
        BUILDER_KEY_FILE: builderKey,
        BUILDER_CONTROLLER_URL: `http://${LOOPBACK}:${http}`,
        BUILDER_HOME: home.folder('builder'),
        BUILDER_RUN_COMMAND: buildCommand(home),
        BUILDER_CACHE: home.folder('build-cache'),
        ...proxyEnvironment(),
      }),
      publish('builder'),
    ),
  )
  const kubelet = role('kubelet', 'embedded/kubelet/main.ts', () => ({
    KUBELET_HOME: home.folder('pods'),
    KUBELET_IMAGES: home.folder('images'),
    KUBELET_NODE_NAME: 'local',
    KUBELET_TOKEN_FILE: kubeletToken,
    KUBELET_PORT: '0',
  }))
  const controllers = role('controllers', 'embedded/controllers/main.ts', () => ({}))
  const certificate = startPlatformCertificate(kubernetes, { authority: openAuthority(home), platformDomain: PLATFORM_DOMAIN, log })
  await settleAll([
    certificate.then(running => void stack.add('platform certificate', running)),
    router,
    logger,
    controlPlane,
    builder,
    kubelet,
    controllers,
  ])

  const public_ = await router
  const ports = {
    'http-port': public_['http']!,
    'https-port': public_['https']!,
    'git-port': public_['git'] ?? wanted['git-port'],
    'kube-port': apiServer['https']!,
  }
  onStep('Waiting for the API behind the router')
  const api = platformApi(ports['http-port'], API_HOST)
  stack.add('API client', { stop: () => api.close() })
  await routed(api, signal)
  const { account, token } = await ensureAdministrator(home, api)
  return {
    ports,
    platformDomain: PLATFORM_DOMAIN,
    apiHost: API_HOST,
    kubeconfig,
    authorityFile: join(home.path, 'ca.pem'),
    api,
    kubernetes,
    account,
    token,
    roles,
    stop: () => stack.stop(),
  }
}

/** The router learns of the control plane by a watch: until then it answers 404 or 503 for it. */
async function routed(api: HttpClient, signal?: AbortSignal): Promise<void> {
  const deadline = AbortSignal.timeout(30_000)
  for (;;) {
    signal?.throwIfAborted()
    const { status } = await api.json('GET', '/v2/', undefined, { signal: deadline }).catch(error => {
      if (deadline.aborted)
        throw new Error('The API did not answer through the router in 30 s: see the log of the router', { cause: error })
      return { status: 0 }
    })
    if (status === 401) return
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

/** The port to listen on: the one of last time, so that others find the role again, else what was asked for. */
function at(bound: Bound, name: string, wanted = 0): string {
  return String(bound[name] ?? wanted)
}

function buildCommand(home: Home): string {
  const runner = join(ROOT, 'embedded/build-runner/main.ts')
  return JSON.stringify([process.execPath, runner, '--images', home.folder('images'), '--cache', home.folder('build-cache')])
}

/** What every role is given; a person's own variables and secrets stay out of it. */
function baseEnvironment(home: Home): Record<string, string> {
  const env: Record<string, string> = { HOME: home.path }
  for (const name of ['PATH', 'LANG', 'TZ', 'TMPDIR', 'NODE_COMPILE_CACHE', 'LOG_LEVEL', 'NODE_EXTRA_CA_CERTS']) {
    const value = process.env[name]
    if (value !== undefined) env[name] = value
  }
  return env
}

/** How builds reach package registries from this machine; nothing else of the platform leaves it. */
function proxyEnvironment(): Record<string, string> {
  const names = /^(https?_proxy|no_proxy|all_proxy|ssl_cert_(file|dir)|pip_\w+|npm_config_\w+|goproxy|gonosumdb|goflags)$/i
  const found = Object.entries(process.env).filter(([name, value]) => names.test(name) && value !== undefined)
  // npm start adds settings of its own, which are about this project.
  return Object.fromEntries(found.filter(([name]) => !/^npm_config_(?!registry|proxy|https|cafile)/.test(name))) as Record<string, string>
}

/** As `Promise.all`, but waits for the others when one fails: what has started must be on the stack before that is stopped. */
async function settleAll(starts: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(starts)).find(outcome => outcome.status === 'rejected')
  if (failed) throw failed.reason
}
