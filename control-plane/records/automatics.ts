import type { Secret } from 'kubernetes-types/core/v1'
import { HERITAGE, LABELS } from '../../kernel/contract.ts'
import { hashName } from '../../kernel/kubernetes/names.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import type { Automatic } from '../domain/automatic.ts'
import { decode, encode, isTaken, RECORD_LABEL, type RecordKind, type RecordTable } from './record-table.ts'

/** The automatic certificate of a domain is a Secret of the platform's namespace, named after a hash of the domain: there is one. */
export const automaticKind: RecordKind<Secret, Automatic> = {
  kind: 'automatic',
  resource: RESOURCES.secrets,
  parse: secret => decode<Automatic>(secret.data?.['automatic']),
}

/** The certificates that the platform gets by itself, and how far it is with them. */
export class Automatics {
  readonly #table: RecordTable<Secret, Automatic>
  readonly #namespace: string

  constructor(table: RecordTable<Secret, Automatic>, namespace: string) {
    this.#table = table
    this.#namespace = namespace
  }

  /** @param domain in any case */
  get(domain: string): Automatic | undefined {
    return this.#table.get(this.#namespace, nameOf(domain))
  }

  /** All of them, in no order. */
  list(): Automatic[] {
    return this.#table.list()
  }

  get count(): number {
    return this.#table.size
  }

  /** Writes a record that may stand or not. @param change makes the new one of what stands; returning the same leaves it */
  async write(domain: string, change: (standing: Automatic | undefined) => Automatic): Promise<Automatic> {
    if (!this.get(domain)) {
      const record = change(undefined)
      try {
        return await this.#table.create({
          apiVersion: 'v1',
          kind: 'Secret',
          metadata: {
            name: nameOf(domain),
            namespace: this.#namespace,
            labels: { [RECORD_LABEL]: 'automatic', [LABELS.app]: record.app, [LABELS.heritage]: HERITAGE },
          },
          type: 'drycc.cc/automatic',
          data: { automatic: encode(record) },
        })
      } catch (error) {
        if (!isTaken(error)) throw error
      }
    }
    return await this.update(domain, change)
  }

  /** Changes a record that stands. @throws {KubernetesError} 404 when it has gone */
  update(domain: string, change: (standing: Automatic) => Automatic): Promise<Automatic> {
    return this.#table.modify(this.#namespace, nameOf(domain), (standing, secret) => {
      const next = change(standing)
      if (next === standing) return undefined
      const labels = { ...secret.metadata.labels, [LABELS.app]: next.app }
      return { ...secret, metadata: { ...secret.metadata, labels }, data: { automatic: encode(next) } }
    })
  }

  remove(domain: string): Promise<void> {
    return this.#table.remove(this.#namespace, nameOf(domain))
  }
}

function nameOf(domain: string): string {
  return hashName('automatic', domain.toLowerCase())
}
