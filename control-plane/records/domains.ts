import type { ConfigMap } from 'kubernetes-types/core/v1'
import { HERITAGE, LABELS } from '../../kernel/contract.ts'
import { hashName } from '../../kernel/kubernetes/names.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { canonicalHost, type Domain } from '../domain/hostname.ts'
import { now } from '../domain/timestamp.ts'
import { isTaken, RECORD_LABEL, type RecordKind, type RecordTable } from './record-table.ts'

/** A domain is a ConfigMap of the platform's namespace, named after a hash of its canonical form: creating it claims the domain. */
export const domainKind: RecordKind<ConfigMap, Domain> = {
  kind: 'domain',
  resource: RESOURCES.configMaps,
  parse: map => JSON.parse(map.data?.['domain'] ?? '') as Domain,
}

/** The host names of the apps. */
export class Domains {
  readonly #table: RecordTable<ConfigMap, Domain>
  readonly #namespace: string
  readonly #platformDomain: string

  constructor(table: RecordTable<ConfigMap, Domain>, namespace: string, platformDomain: string) {
    this.#table = table
    this.#namespace = namespace
    this.#platformDomain = platformDomain
  }

  /** @param domain in any spelling */
  get(domain: string): Domain | undefined {
    return this.#table.get(this.#namespace, this.#nameOf(domain))
  }

  /** Asks the API server itself, for whom a stale copy would not do. */
  read(domain: string): Promise<Domain | undefined> {
    return this.#table.read(this.#namespace, this.#nameOf(domain))
  }

  /** Every domain of the platform, in no order. */
  all(): Domain[] {
    return this.#table.list()
  }

  /** The domains of an app, in the order in which they were added. */
  list(app: string): Domain[] {
    return this.#table
      .list()
      .filter(domain => domain.app === app)
      .sort((a, b) => (a.created === b.created ? (a.domain < b.domain ? -1 : 1) : a.created < b.created ? -1 : 1))
  }

  /** The names to which a certificate is attached, in order of name. */
  withCertificate(certificate: string): Domain[] {
    return this.#table
      .list()
      .filter(domain => domain.certificate === certificate)
      .sort((a, b) => (a.domain < b.domain ? -1 : 1))
  }

  /** @returns false when some app has the domain */
  async create(domain: Domain): Promise<boolean> {
    try {
      await this.#table.create({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: {
          name: this.#nameOf(domain.domain),
          namespace: this.#namespace,
          labels: { [RECORD_LABEL]: 'domain', [LABELS.app]: domain.app, [LABELS.heritage]: HERITAGE },
        },
        data: { domain: JSON.stringify(domain) },
      })
      return true
    } catch (error) {
      if (isTaken(error)) return false
      throw error
    }
  }

  /**
   * Attaches a certificate to a domain, or with `undefined` detaches whichever there is.
   *
   * @param check is shown what stands and throws to refuse
   */
  attach(domain: string, certificate: string | undefined, check: (domain: Domain) => void): Promise<Domain> {
    return this.#table.modify(this.#namespace, this.#nameOf(domain), (current, map) => {
      check(current)
      const { certificate: _, ...rest } = current
      const next: Domain = { ...rest, ...(certificate === undefined ? {} : { certificate }), updated: now() }
      return { ...map, data: { domain: JSON.stringify(next) } }
    })
  }

  /** Makes a domain that came on demand one that somebody wants. */
  settle(domain: string): Promise<Domain> {
    return this.#table.modify(this.#namespace, this.#nameOf(domain), ({ onDemand, ...current }, map) =>
      onDemand ? { ...map, data: { domain: JSON.stringify({ ...current, updated: now() }) } } : undefined,
    )
  }

  remove(domain: string): Promise<void> {
    return this.#table.remove(this.#namespace, this.#nameOf(domain))
  }

  #nameOf(domain: string): string {
    return hashName('domain', canonicalHost(domain, this.#platformDomain))
  }
}
