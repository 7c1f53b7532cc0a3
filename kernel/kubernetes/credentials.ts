import { readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parse } from 'yaml'

/** How to reach an API server and as whom. */
export interface Credentials {
  /** Base URL, no trailing slash. */
  readonly server: string
  /** PEM of the authority to trust; the system's where absent. */
  readonly ca?: string
  /** False only where the kubeconfig says `insecure-skip-tls-verify`. */
  readonly verify: boolean
  readonly certificate?: string
  readonly key?: string
  /** The name to check the server's certificate against where it is not that of {@link server}. */
  readonly serverName?: string
  /** Read for each request: projected tokens are replaced on disk while the process runs. */
  readonly token?: () => string | Promise<string>
  readonly namespace: string
}

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'
const TOKEN_FRESH_MS = 60_000

/**
 * Finds credentials as every Kubernetes client does: the kubeconfig that `KUBECONFIG` names, else the pod's service account, else
 * `~/.kube/config`. Exec and auth-provider plug-ins are run by @kubernetes/client-node, which is loaded for them only.
 *
 * @throws {Error} when there are none, or when they are unreadable; the message names the file
 */
export async function readCredentials(env: NodeJS.ProcessEnv): Promise<Credentials> {
  const path = env['KUBECONFIG']?.split(':').find(Boolean)
  if (path) return readKubeconfig(path)
  const host = env['KUBERNETES_SERVICE_HOST']
  if (host) {
    const address = host.includes(':') ? `[${host}]` : host
    return {
      server: `https://${address}:${env['KUBERNETES_SERVICE_PORT'] ?? '443'}`,
      ca: readFileSync(`${SERVICE_ACCOUNT}/ca.crt`, 'utf8'),
      verify: true,
      token: tokenFile(`${SERVICE_ACCOUNT}/token`),
      namespace: readFileSync(`${SERVICE_ACCOUNT}/namespace`, 'utf8').trim(),
    }
  }
  const home = resolve(env['HOME'] ?? '/', '.kube/config')
  if (statSync(home, { throwIfNoEntry: false })) return readKubeconfig(home)
  throw new Error('Cannot find a Kubernetes API server: set KUBECONFIG to a kubeconfig file, or run in a pod with a service account')
}

interface Kubeconfig {
  readonly 'current-context'?: string
  readonly clusters?: readonly { name: string; cluster: Readonly<Record<string, string | boolean>> }[]
  readonly users?: readonly { name: string; user: Readonly<Record<string, unknown>> }[]
  readonly contexts?: readonly { name: string; context: Readonly<Record<string, string>> }[]
}

async function readKubeconfig(path: string): Promise<Credentials> {
  const config = parseKubeconfig(path)
  const context = config.contexts?.find(({ name }) => name === config['current-context'])?.context
  const cluster = config.clusters?.find(({ name }) => name === context?.['cluster'])?.cluster
  const user = config.users?.find(({ name }) => name === context?.['user'])?.user ?? {}
  if (!context || typeof cluster?.['server'] !== 'string')
    throw new Error(`Cannot use kubeconfig "${path}": its current-context names no cluster`)
  const material = (holder: Readonly<Record<string, unknown>>, name: string) => pem(holder, name, dirname(path))
  const ca = material(cluster, 'certificate-authority')
  const certificate = material(user, 'client-certificate')
  const key = material(user, 'client-key')
  const token = await bearer(user, path)
  const serverName = cluster['tls-server-name']
  return {
    server: cluster['server'].replace(/\/+$/, ''),
    verify: cluster['insecure-skip-tls-verify'] !== true,
    namespace: context['namespace'] ?? 'default',
    ...(ca ? { ca } : {}),
    ...(certificate ? { certificate } : {}),
    ...(key ? { key } : {}),
    ...(token ? { token } : {}),
    ...(typeof serverName === 'string' ? { serverName } : {}),
  }
}

function parseKubeconfig(path: string): Kubeconfig {
  try {
    return (parse(readFileSync(path, 'utf8')) ?? {}) as Kubeconfig
  } catch (error) {
    throw new Error(`Cannot read kubeconfig "${path}": ${(error as Error).message}`)
  }
}

/** PEM from the `…-data` field, or from the file that the plain field names, relative to the kubeconfig. */
function pem(holder: Readonly<Record<string, unknown>>, name: string, folder: string): string | undefined {
  const inline = holder[`${name}-data`]
  if (typeof inline === 'string') return Buffer.from(inline, 'base64').toString()
  const file = holder[name]
  return typeof file === 'string' && file ? readFileSync(resolve(folder, file), 'utf8') : undefined
}

async function bearer(user: Readonly<Record<string, unknown>>, path: string): Promise<Credentials['token'] | undefined> {
  const { token, tokenFile: file } = user
  if (typeof file === 'string') return tokenFile(resolve(dirname(path), file))
  if (typeof token === 'string') return () => token
  return user['exec'] || user['auth-provider'] ? pluginToken(path) : undefined
}

function tokenFile(path: string): () => string {
  let token = ''
  let readAt = Number.NEGATIVE_INFINITY
  return () => {
    if (performance.now() - readAt > TOKEN_FRESH_MS) {
      token = readFileSync(path, 'utf8').trim()
      readAt = performance.now()
    }
    return token
  }
}

async function pluginToken(path: string): Promise<() => Promise<string>> {
  const { KubeConfig } = await import('@kubernetes/client-node')
  const config = new KubeConfig()
  config.loadFromFile(path)
  return async () => {
    const options: { headers?: Record<string, unknown> } = {}
    await config.applyToHTTPSOptions(options)
    const header = String(options.headers?.['Authorization'] ?? '')
    return header.replace(/^Bearer /, '')
  }
}
