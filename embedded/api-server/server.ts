import { chmodSync, mkdirSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type Log, silentLog } from '../../kernel/log.ts'
import { ObjectStore } from '../store/object-store.ts'
import { Api } from './api.ts'
import { ensureBuiltIns } from './built-ins.ts'
import { openCredentials, type ServerCredentials, writeKubeconfig } from './credentials.ts'
import { startEventExpiry } from './event-expiry.ts'
import { startQuotaStatus } from './quota/quota-status.ts'

export interface ApiServerOptions {
  /** Where keys, kubeconfig and state are kept. Absent: nothing is kept, and there is no kubeconfig. */
  readonly home?: string
  /** 0, the default, is any free port. */
  readonly port?: number
  readonly bind?: string
  readonly log?: Log
  /** The bearer token for kubelets. */
  readonly kubeletToken?: string | undefined
  /** How many changes a watch can go back over. */
  readonly historyMax?: number
  readonly watchMax?: number
  readonly bookmarkMs?: number
  /** How long a client may take for its request's head; six times that for all of it. */
  readonly headersTimeoutMs?: number
  /** What may wait for a slow watcher before it is cut off. */
  readonly watchBufferBytesMax?: number
}

export interface ApiServer {
  /** `https://127.0.0.1:6443` */
  readonly url: string
  readonly port: number
  readonly credentials: ServerCredentials
  /** The administrator's kubeconfig; `''` without a home. */
  readonly kubeconfig: string
  readonly store: ObjectStore
  /** Forgets the history: every watch from an older version ends with 410. */
  compact(): void
  /** Ends all watches in good order, then the listener and the store. */
  stop(): Promise<void>
}

/** 10 s for a request's head, 60 s for all of it: slower clients are attacks, since all of them are on this machine. */
const HEADERS_TIMEOUT_MS = 10_000
const STOP_TIMEOUT_MS = 5_000
/** Each watch of a client without HTTP/2 takes a connection of its own. */
const CONNECTIONS_MAX = 10_000

/**
 * Starts the Kubernetes API emulator: HTTPS on loopback over a store in SQLite.
 *
 * @throws when the port is taken, the home cannot be written, or another process uses its state
 */
export async function startApiServer(options: ApiServerOptions = {}): Promise<ApiServer> {
  const { home, log = silentLog, bind = '127.0.0.1', headersTimeoutMs = HEADERS_TIMEOUT_MS } = options
  const folder = home ? join(home, 'kubernetes') : undefined
  if (folder) {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    chmodSync(folder, 0o700)
  }
  const credentials = openCredentials(folder)
  const store = new ObjectStore({
    path: folder ? join(folder, 'state.db') : ':memory:',
    ...(options.historyMax && { historyMax: options.historyMax }),
  })
  ensureBuiltIns(store)
  const api = new Api(store, {
    log,
    token: credentials.token,
    kubeletToken: options.kubeletToken,
    watchMax: options.watchMax ?? 2000,
    bookmarkMs: options.bookmarkMs ?? 60_000,
    bufferBytesMax: options.watchBufferBytesMax ?? 16 * 1024 * 1024,
  })
  const stopExpiry = startEventExpiry(store)
  const stopQuotas = startQuotaStatus(store)
  const { authority, server: own } = credentials
  const server = createServer(
    {
      key: own.key,
      cert: own.certificate,
      ca: authority.certificate,
      // A client certificate is one way to sign in; a token the other. So none is required here, and the request decides.
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: headersTimeoutMs,
      headersTimeout: headersTimeoutMs,
      requestTimeout: headersTimeoutMs * 6,
      connectionsCheckingInterval: headersTimeoutMs / 2,
      keepAliveTimeout: 120_000,
      noDelay: true,
    },
    (request, response) => void api.handle(request, response),
  )
  server.maxConnections = CONNECTIONS_MAX
  server.on('upgrade', (request, socket) => api.refuseUpgrade(request, socket))
  server.on('clientError', (_error, socket) => socket.destroy())
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(options.port ?? 0, bind, resolve)
    })
  } catch (error) {
    stopExpiry()
    stopQuotas()
    await store.close()
    throw error
  }
  const { port } = server.address() as AddressInfo
  const url = `https://${bind.includes(':') ? `[${bind}]` : bind}:${port}`
  const kubeconfig = home ? writeKubeconfig(home, url, credentials) : ''
  let stopped: Promise<void> | undefined
  return {
    url,
    port,
    credentials,
    kubeconfig,
    store,
    compact: () => store.compact(),
    stop: () =>
      (stopped ??= (async () => {
        const closed = new Promise<void>(resolve => server.close(() => resolve()))
        api.stop()
        stopExpiry()
        stopQuotas()
        server.closeIdleConnections()
        const deadline = setTimeout(() => server.closeAllConnections(), STOP_TIMEOUT_MS)
        await closed
        clearTimeout(deadline)
        await store.close()
      })()),
  }
}
