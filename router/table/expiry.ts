import type { Event } from 'kubernetes-types/core/v1'
import { isStatus, type KubernetesApi } from '../../kernel/kubernetes/api.ts'
import { RESOURCES, type Stored, splitKey } from '../../kernel/kubernetes/objects.ts'
import type { Log } from '../../kernel/log.ts'
import type { Certificate } from '../tls/certificates.ts'

/** From here on a certificate that nobody renewed needs a person. */
export const EXPIRES_SOON_MS = 14 * 24 * 3600_000
const LOOK_AGAIN_MS = 3600_000

export interface ExpiryOptions {
  readonly log: Log
  /** The newest certificate of each Secret that somebody names. */
  readonly certificates: () => Iterable<readonly [secret: string, certificate: Certificate]>
  /** Of a Secret that stands. */
  readonly uid: (secret: string) => string | undefined
  readonly lookAgainMs?: number
  readonly now?: () => number
}

/**
 * Tells once a day of each certificate that expires within 14 days, or has: in the log, and as an Event on its Secret. All replicas write the
 * same Event by the same name, so there is one a day.
 */
export class ExpiryWatch {
  readonly #api: KubernetesApi
  readonly #options: ExpiryOptions
  readonly #timer: NodeJS.Timeout
  #day = ''
  /** Those of this day. */
  readonly #told = new Set<string>()
  #running: Promise<void> = Promise.resolve()

  constructor(api: KubernetesApi, options: ExpiryOptions) {
    this.#api = api
    this.#options = options
    this.#timer = setInterval(() => this.look(), options.lookAgainMs ?? LOOK_AGAIN_MS)
    this.#timer.unref()
  }

  /** Looks now; safe to do at any time. */
  look(): void {
    this.#running = this.#running.then(() => this.#tellAll())
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#running
  }

  async #tellAll(): Promise<void> {
    const nowMs = (this.#options.now ?? Date.now)()
    const day = new Date(nowMs).toISOString().slice(0, 10)
    if (day !== this.#day) this.#told.clear()
    this.#day = day
    for (const [secret, { notAfterMs, id }] of this.#options.certificates()) {
      const key = `${secret} ${id}`
      if (notAfterMs - nowMs > EXPIRES_SOON_MS || this.#told.has(key)) continue
      this.#told.add(key)
      const days = Math.floor((notAfterMs - nowMs) / 86_400_000)
      const when = new Date(notAfterMs).toISOString()
      const message = days < 0 ? `The certificate expired on ${when}` : `The certificate expires in ${days} days, on ${when}`
      this.#options.log.warn('certificate expires soon', { secret, days, when })
      await this.#write(secret, day, message).catch(error => this.#options.log.warn('event not written', { secret, error: String(error) }))
    }
  }

  async #write(secret: string, day: string, message: string): Promise<void> {
    const uid = this.#options.uid(secret)
    if (uid === undefined) return
    const { namespace, name } = splitKey(secret)
    const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z')
    const event = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: `${name.slice(0, 200)}.expiry-${day}`, namespace },
      involvedObject: { apiVersion: 'v1', kind: 'Secret', name, namespace, uid },
      type: 'Warning',
      reason: 'CertificateExpires',
      message,
      source: { component: 'drycc-router' },
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
    } as unknown as Stored<Event>
    try {
      await this.#api.create(RESOURCES.events, event, { fieldManager: 'drycc-router' })
    } catch (error) {
      // Another replica was first, the namespace has gone, or the operator does not want Events.
      if (!isStatus(error, 404, 409, 403)) throw error
    }
  }
}
