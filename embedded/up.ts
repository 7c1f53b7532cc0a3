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
import { settlePorts } from './ports.ts'
import { RoleLog } from './role-log.ts'
import { RoleProcess } from './role-process.ts'

export interface UpOptions {
  readonly home: Home
  readonly log: Log
  /** By flag; 0 takes any free port. */
  readonly ports: Readonly<Record<PortFlag, number>>
  /** Called as each step begins. */
  readonly onStep?: (text: string) => void
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
  readonly token: string
  /** True when the administrator's password was made by this start. */
  readonly isNewAccount: boolean
  /** The processes of the roles, by name. */
  readonly roles: Readonly<Record<string, RoleProcess>>
}

/** `localhost` and all names under it are this machine's own (RFC 6761 §6.3). */
const PLATFORM_DOMAIN = 'localhost'
const API_HOST = `drycc.${PLATFORM_DOMAIN}`
const ROOT = join(import.meta.dirname, '..')

/**
 * Starts the platform as a cluster would run it: each role a process of its own, with an API server, controllers and a node agent in the
 * place of the cluster.
 *
 * @throws {PortError} for a taken port, or an `Error` that tells which role did not start and its last words; nothing is left running
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

async function start({ home, log, ports: wanted, onStep = () => {} }: UpOptions, stack: Stack): Promise<Platform> {
  // A copy that was killed leaves this mark, and roles that end within moments.
  const ports = await settlePorts(wanted, home.read('running') === undefined ? 0 : 10_000)
  home.write('running', String(process.pid))
  stack.add('mark', { stop: () => home.remove('running') })
  const inner = await settlePorts({
    'control-plane': 0,
    'builder-http': 0,
    'builder-ssh': 0,
    'builder-health': 0,
    logger: 0,
    'router-health': 0,
    'router-admin': 0,
  })
  const kubeconfig = join(home.path, 'kubeconfig')
  const kubeletToken = home.secretFile('kubelet-token')
  const builderKey = home.secretFile('builder-key')
  const roles: Record<string, RoleProcess> = {}

  async function role(
    name: string,
    file: string,
    env: Readonly<Record<string, string>>,
    onReady?: (ports: Readonly<Record<string, number>>) => void,
  ) {
    const output = new RoleLog(join(home.folder('logs'), `${name}.log`))
    stack.add(`${name} log`, { stop: () => output.close() })
    const started = await RoleProcess.start({
      name,
      file: join(ROOT, file),
      env: { ...baseEnvironment(home), KUBECONFIG: kubeconfig, POD_NAMESPACE: PLATFORM_NAMESPACE, ...env },
      output,
      log,
      ...(onReady ? { onReady } : {}),
    })
    roles[name] = stack.add(name, started.role)
    return started.ports
  }

  onStep('Starting the Kubernetes API')
  await role('api-server', 'embedded/api-server/main.ts', {
    APISERVER_PORT: String(ports['kube-port']),
    APISERVER_BIND: '127.0.0.1',
    APISERVER_HOME: home.path,
    APISERVER_KUBELET_TOKEN_FILE: kubeletToken,
  })
  const kubernetes = connectKubernetes(await readCredentials({ KUBECONFIG: kubeconfig }))
  stack.add('Kubernetes client', { stop: () => kubernetes.close() })
  await applyPlatform(kubernetes, PLATFORM_DOMAIN)

  /** A role that came back may have other ports: its EndpointSlice is written again, and the router follows. */
  const publish = (served: ServedRole) => (bound: Readonly<Record<string, number>>) => {
    applyEndpoints(kubernetes, served, bound).catch(error => log.error('endpoints not written', { role: served, error }))
  }

  onStep('Starting router, control plane, builder and logger')
  const certificate = startPlatformCertificate(kubernetes, { authority: openAuthority(home), platformDomain: PLATFORM_DOMAIN, log })
  const bind = '127.0.0.1'
  await settleAll([
    certificate.then(running => void stack.add('platform certificate', running)),
    role('controllers', 'embedded/controllers/main.ts', {}),
    role('kubelet', 'embedded/kubelet/main.ts', {
      KUBELET_HOME: home.folder('pods'),
      KUBELET_IMAGES: home.folder('images'),
      KUBELET_NODE_NAME: 'local',
      KUBELET_TOKEN_FILE: kubeletToken,
      KUBELET_PORT: '0',
    }),
    role(
      'logger',
      'logger/main.ts',
      {
        LOGGER_PORT: String(inner.logger),
        LOGGER_BIND: bind,
        LOGGER_HOME: home.folder('logger'),
        STORAGE_ADAPTER: 'file',
        LOGGER_ADMIN_PORT: '0',
      },
      publish('logger'),
    ),
    role(
      'control-plane',
      'control-plane/main.ts',
      {
        CONTROLLER_PORT: String(inner['control-plane']),
        CONTROLLER_BIND: bind,
        CONTROLLER_ADMIN_PORT: '0',
        CONTROLLER_PLATFORM_DOMAIN: PLATFORM_DOMAIN,
        CONTROLLER_BUILDER_KEY_FILE: builderKey,
        CONTROLLER_LOGGER_URL: `http://${bind}:${inner.logger}`,
        CONTROLLER_REGISTRATION: 'enabled',
        CONTROLLER_PUBLIC_HTTP_PORT: String(ports['http-port']),
        CONTROLLER_PUBLIC_HTTPS_PORT: String(ports['https-port']),
      },
      publish('control-plane'),
    ),
    role(
      'builder',
      'builder/main.ts',
      {
        BUILDER_BIND: bind,
        BUILDER_SSH_PORT: String(inner['builder-ssh']),
        BUILDER_HTTP_PORT: String(inner['builder-http']),
        BUILDER_HEALTH_PORT: String(inner['builder-health']),
        BUILDER_KEY_FILE: builderKey,
        BUILDER_CONTROLLER_URL: `http://${bind}:${inner['control-plane']}`,
        BUILDER_HOME: home.folder('builder'),
        BUILDER_RUN_COMMAND: JSON.stringify([
          process.execPath,
          join(ROOT, 'embedded/build-runner/main.ts'),
          '--images',
          home.folder('images'),
          '--cache',
          home.folder('build-cache'),
        ]),
      },
      publish('builder'),
    ),
    role('router', 'router/main.ts', {
      ROUTER_BIND: bind,
      ROUTER_HTTP_PORT: String(ports['http-port']),
      ROUTER_HTTPS_PORT: String(ports['https-port']),
      ROUTER_GIT_PORT: String(ports['git-port']),
      ROUTER_HEALTH_PORT: String(inner['router-health']),
      ROUTER_ADMIN_PORT: String(inner['router-admin']),
      ROUTER_PUBLIC_HTTPS_PORT: String(ports['https-port']),
      ROUTER_WORKERS: '1',
      ROUTER_STATE: home.folder('router'),
    }),
  ])

  onStep('Waiting for the API behind the router')
  const api = platformApi(ports['http-port'], API_HOST)
  stack.add('API client', { stop: () => api.close() })
  await routed(api)
  const { account, token, isNew } = await ensureAdministrator(home, api)
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
    isNewAccount: isNew,
    roles,
    stop: () => stack.stop(),
  }
}

/** The router learns of the control plane by a watch: until then it answers 404 or 503 for it. */
async function routed(api: HttpClient): Promise<void> {
  const deadline = AbortSignal.timeout(30_000)
  for (;;) {
    const { status } = await api.json('GET', '/v2/', undefined, { signal: deadline }).catch(error => {
      if (deadline.aborted)
        throw new Error('The API did not answer through the router in 30 s: see the log of the router', { cause: error })
      return { status: 0 }
    })
    if (status === 401) return
    await new Promise(resolve => setTimeout(resolve, 20))
  }
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

/** As `Promise.all`, but waits for the others when one fails: what has started must be on the stack before that is stopped. */
async function settleAll(starts: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(starts)).find(outcome => outcome.status === 'rejected')
  if (failed) throw failed.reason
}
