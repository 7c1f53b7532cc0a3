import { randomBytes } from 'node:crypto'
import type { Secret } from 'kubernetes-types/core/v1'
import { isStatus, type KubernetesApi } from '../../kernel/kubernetes/api.ts'
import { Informer } from '../../kernel/kubernetes/informer.ts'
import { keyOf, RESOURCES, type Stored } from '../../kernel/kubernetes/objects.ts'
import { Reconciler } from '../../kernel/kubernetes/reconciler.ts'
import type { Log } from '../../kernel/log.ts'

export interface TicketKeysOptions {
  /** The router's own, where the Secret stands. */
  readonly namespace: string
  /** How old a key may become. */
  readonly rotationMs: number
  readonly log: Log
  /** Hears each key that comes after the first. */
  readonly onKey: (key: Uint8Array) => void
}

/** The Secret with the key of session tickets; what it holds lets nobody in, but reads what was recorded of sessions while it counted. */
export const TICKETS_SECRET = 'drycc-router-tickets'
const MADE_AT = 'router.drycc.cc/made-at'
/** What node:tls takes: 16 bytes of name, 16 of HMAC key, 16 of AES key. */
const KEY_BYTES = 48
// Timers hold no more than 24 days; to look each hour at a key that is not old costs nothing.
const LOOK_AGAIN_MS = 3_600_000

/**
 * The key of session tickets that all replicas and workers of the router share by a Secret, so that a session begun with one is resumed by any.
 *
 * Whoever finds no Secret creates it, and creation has one winner; whoever finds an old key replaces it by an optimistic update; all others
 * hear of it by their watch. Until the Secret is read, and where the API server lets nobody write it, the process has a random key of its own.
 * Node's TLS knows one key at a time, so that after a rotation older tickets cost a full handshake.
 */
export class TicketKeys {
  readonly #api: KubernetesApi
  readonly #options: TicketKeysOptions
  readonly #informer: Informer<Secret>
  readonly #writer: Reconciler
  readonly #secret: string
  #current: Uint8Array = randomBytes(KEY_BYTES)
  #isRefused = false

  constructor(api: KubernetesApi, options: TicketKeysOptions) {
    const { namespace, log } = options
    this.#api = api
    this.#options = options
    this.#secret = keyOf({ metadata: { namespace, name: TICKETS_SECRET } })
    this.#writer = new Reconciler({ name: 'session tickets', log, reconcile: () => this.#keepYoung(), retryMaxMs: 60_000 })
    this.#informer = new Informer(api, RESOURCES.secrets, {
      log,
      selection: { namespace, fieldSelector: `metadata.name=${TICKETS_SECRET}` },
      onChange: (_, secret) => {
        const key = secret && readKey(secret)
        if (key) this.#take(key)
        this.#writer.enqueue(this.#secret)
      },
    })
    void this.#informer.synced.then(() => this.#writer.enqueue(this.#secret))
  }

  /** The key of the moment. */
  get current(): Uint8Array {
    return this.#current
  }

  async stop(): Promise<void> {
    await this.#informer.stop()
    await this.#writer.stop()
  }

  #take(key: Uint8Array): void {
    if (Buffer.from(this.#current).equals(key)) return
    this.#current = key
    this.#options.onKey(key)
  }

  /** Makes the Secret where there is none, and a new key where it is old or unreadable. */
  async #keepYoung() {
    const secret = this.#informer.get(this.#secret)
    const { rotationMs, namespace } = this.#options
    const leftMs = secret && readKey(secret) ? madeAtMs(secret) + rotationMs - Date.now() : 0
    if (leftMs > 0) return { againAfterMs: Math.min(leftMs, LOOK_AGAIN_MS) }
    const wanted = secretOf(namespace, secret)
    try {
      const options = { fieldManager: 'drycc-router' }
      if (secret) await this.#api.update(RESOURCES.secrets, wanted, options)
      else await this.#api.create(RESOURCES.secrets, wanted, options)
    } catch (error) {
      // 409: another replica was first, and the watch brings what it wrote.
      if (isStatus(error, 409)) return { againAfterMs: 1000 }
      // Read-only, forbidden, or no such namespace.
      if (!isStatus(error, 403, 404, 405)) throw error
      const again = { againAfterMs: LOOK_AGAIN_MS }
      if (this.#isRefused) return again
      this.#isRefused = true
      const why = (error as Error).message
      this.#options.log.warn(
        secret
          ? 'key of session tickets cannot be replaced: replace it from time to time'
          : 'sessions are resumed by this replica only, as the key of their tickets cannot be stored',
        { secret: this.#secret, why },
      )
      return again
    }
    return { againAfterMs: Math.min(rotationMs, LOOK_AGAIN_MS) }
  }
}

function readKey(secret: Secret): Uint8Array | undefined {
  const key = Buffer.from(secret.data?.['key'] ?? secret.stringData?.['key'] ?? '', 'base64')
  return key.length === KEY_BYTES ? key : undefined
}

/** Nobody's clock makes a key last longer than its time from now. */
function madeAtMs(secret: Secret): number {
  const made = Date.parse(secret.metadata?.annotations?.[MADE_AT] ?? '')
  return Number.isNaN(made) ? 0 : Math.min(made, Date.now())
}

function secretOf(namespace: string, before: Stored<Secret> | undefined): Secret {
  const { labels, annotations, resourceVersion } = before?.metadata ?? {}
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: TICKETS_SECRET,
      namespace,
      ...(labels && { labels }),
      ...(resourceVersion && { resourceVersion }),
      annotations: { ...annotations, [MADE_AT]: new Date().toISOString() },
    },
    type: before?.type ?? 'Opaque',
    data: { key: randomBytes(KEY_BYTES).toString('base64') },
  }
}
