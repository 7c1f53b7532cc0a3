import { automaticName } from '../domain/automatic.ts'
import type { Domain } from '../domain/hostname.ts'
import { type OnDemandMode, onDemandOf } from '../domain/on-demand.ts'
import { missing } from '../domain/refusal.ts'
import type { Records } from '../records.ts'
import { AppLocks } from './app-locks.ts'
import type { Cluster, ServedCertificate } from './cluster.ts'
import type { ServedChallenge } from './service.ts'

/** Writes what the router reads of an app: its Service, and copies of the certificates that it names. */
export class Routing {
  readonly #records: Records
  readonly #cluster: Cluster
  readonly #onDemand: OnDemandMode
  readonly #locks = new AppLocks()

  constructor(records: Records, cluster: Cluster, onDemand: OnDemandMode) {
    this.#records = records
    this.#cluster = cluster
    this.#onDemand = onDemand
  }

  /**
   * Makes the Service and its certificates those of the records.
   *
   * @param type the process type that shall take the traffic; by default it stays where it goes
   * @throws {Refusal} 404 when the app has gone
   */
  async sync(id: string, type?: string): Promise<void> {
    const [records, cluster] = [this.#records, this.#cluster]
    // One writer at a time, each reading the records when its turn comes: so the last write is the newest state.
    await this.#locks.run(id, async () => {
      const app = records.apps.get(id)
      if (!app || app.deleting) throw missing('App')
      const served = certify(records, id)
      const standing = await cluster.certificates(id)
      await cluster.applyCertificates(id, served.certificates, standing)
      const onDemand = onDemandOf(app, this.#onDemand)
      await cluster.applyService(app, served.domains, type, { challenges: served.challenges, onDemand })
      await cluster.applyPathServices(app)
      await cluster.removeCertificates(
        id,
        served.certificates.map(({ name }) => name),
        standing,
      )
    })
  }

  stop(): Promise<void> {
    return this.#locks.stop()
  }
}

/** What domains of an app are served with. */
interface Served {
  /** `certificate` names one of {@link certificates}. */
  readonly domains: readonly Domain[]
  readonly certificates: readonly ServedCertificate[]
  readonly challenges: readonly ServedChallenge[]
}

/** The certificate that somebody attached to a domain, else the one that the platform got for it. */
function certify(records: Records, app: string): Served {
  const certificates = new Map<string, ServedCertificate>()
  const challenges: ServedChallenge[] = []
  const domains = records.domains.list(app).map(({ certificate: name, ...domain }): Domain => {
    const automatic = records.automatics.get(domain.domain)
    const isOwn = automatic?.app === app
    if (isOwn && automatic.challenge) challenges.push({ domain: automatic.domain, ...automatic.challenge })
    // A certificate that has gone must not be named to the router.
    const attached = name === undefined ? undefined : records.certificates.get(name)
    const { certificate, key } = (isOwn && automatic) || {}
    const obtained = certificate && key ? { name: automaticName(domain.domain), certificate, key } : undefined
    const used = attached ?? obtained
    if (!used) return domain
    certificates.set(used.name, used)
    return { ...domain, certificate: used.name }
  })
  return { domains, certificates: [...certificates.values()], challenges }
}
