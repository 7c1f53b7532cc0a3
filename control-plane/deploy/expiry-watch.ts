import { setImmediate as nextTurn } from 'node:timers/promises'
import { isStatus, type KubernetesApi } from '../../kernel/kubernetes/api.ts'
import { hashName } from '../../kernel/kubernetes/names.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import type { Log } from '../../kernel/log.ts'
import { describeCertificate } from '../../kernel/x509.ts'
import type { Domain } from '../domain/hostname.ts'
import type { PlatformLog } from '../platform-log.ts'
import type { Records } from '../records.ts'

export interface ExpiryWatchOptions {
  readonly api: KubernetesApi
  readonly records: Records
  readonly platformLog: PlatformLog
  readonly log: Log
}

const DAY_MS = 86_400_000
const SOON_MS = 14 * DAY_MS
const INTERVAL_MS = 6 * 3_600_000

/**
 * Tells owners of apps, once a day, of certificates that expire within 14 days or have expired: a line in the app's log and an Event on its
 * Service. The Event's name is that of the day, so that of several control planes the one that creates it tells.
 */
export class ExpiryWatch {
  readonly #options: ExpiryWatchOptions
  readonly #timer: NodeJS.Timeout
  #looking: Promise<void>
  #isStopped = false

  constructor(options: ExpiryWatchOptions) {
    this.#options = options
    this.#looking = this.look(Date.now())
    this.#timer = setInterval(() => {
      this.#looking = this.#looking.then(() => this.look(Date.now()))
    }, INTERVAL_MS)
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    clearInterval(this.#timer)
    await this.#looking
  }

  /** Looks at the certificates of all domains. */
  async look(nowMs: number): Promise<void> {
    const { records, log } = this.#options
    for (const domain of records.domains.all()) {
      // Thousands of certificates take seconds to read: others have their turn between them.
      await nextTurn()
      if (this.#isStopped) return
      const found = this.#find(domain)
      if (!found || found.notAfterMs - nowMs > SOON_MS) continue
      try {
        await this.#tell(domain, found, nowMs)
      } catch (error) {
        log.warn('expiry of a certificate not told', { app: domain.app, domain: domain.domain, error: (error as Error).message })
      }
    }
  }

  #find({ domain, app, certificate: name }: Domain): { notAfterMs: number; what: string } | undefined {
    const { records } = this.#options
    const attached = name === undefined ? undefined : records.certificates.get(name)
    if (attached) return { notAfterMs: describeCertificate(attached.certificate).notAfter.getTime(), what: `certificate ${attached.name}` }
    const automatic = records.automatics.get(domain)
    if (automatic?.app !== app || automatic.certificate === undefined) return undefined
    return { notAfterMs: Date.parse(automatic.notAfter ?? ''), what: 'automatic certificate' }
  }

  async #tell({ domain, app }: Domain, { notAfterMs, what }: { notAfterMs: number; what: string }, nowMs: number): Promise<void> {
    const { api, platformLog } = this.#options
    const days = Math.floor((notAfterMs - nowMs) / DAY_MS)
    const when = days < 0 ? `expired on ${new Date(notAfterMs).toISOString()}` : `expires in ${days} days`
    const message = `The ${what} of ${domain} ${when}`
    const service = await api.get(RESOURCES.services, app, app)
    const time = new Date(nowMs).toISOString().replace(/\.\d+Z$/, 'Z')
    try {
      await api.create(RESOURCES.events, {
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { name: `${app}.${hashName('expiry', `${domain} ${time.slice(0, 10)}`).slice(0, 40)}`, namespace: app },
        involvedObject: { apiVersion: 'v1', kind: 'Service', name: app, namespace: app, uid: service.metadata.uid },
        ...{ type: 'Warning', reason: 'CertificateExpires', message, source: { component: 'drycc-controller' } },
        ...{ firstTimestamp: time, lastTimestamp: time, count: 1 },
      })
    } catch (error) {
      // Another control plane has told it today; or the operator does not want Events, and then nobody knows who has.
      if (isStatus(error, 409, 404)) return
      if (!isStatus(error, 403)) throw error
    }
    platformLog.say(app, message, 'WARN')
  }
}
