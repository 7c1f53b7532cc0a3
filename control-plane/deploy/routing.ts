import { missing } from '../domain/refusal.ts'
import type { Records } from '../records.ts'
import { AppLocks } from './app-locks.ts'
import type { Cluster } from './cluster.ts'

/** Writes what the router reads of an app: its Service, and copies of the certificates that it names. */
export class Routing {
  readonly #records: Records
  readonly #cluster: Cluster
  readonly #locks = new AppLocks()

  constructor(records: Records, cluster: Cluster) {
    this.#records = records
    this.#cluster = cluster
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
      const domains = records.domains.list(id)
      const names = new Set(domains.flatMap(domain => domain.certificate ?? []))
      const certificates = [...names].flatMap(name => records.certificates.get(name) ?? [])
      const known = new Set(certificates.map(certificate => certificate.name))
      await cluster.applyCertificates(id, certificates)
      // A certificate that has gone must not be named to the router.
      const routed = domains.map(({ certificate, ...rest }) => (certificate && known.has(certificate) ? { ...rest, certificate } : rest))
      await cluster.applyService(app, routed, type)
      await cluster.applyPathServices(app)
      await cluster.removeCertificates(id, [...known])
    })
  }

  stop(): Promise<void> {
    return this.#locks.stop()
  }
}
