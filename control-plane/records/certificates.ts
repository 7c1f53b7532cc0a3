import type { Secret } from 'kubernetes-types/core/v1'
import { HERITAGE, LABELS } from '../../kernel/contract.ts'
import { hashName } from '../../kernel/kubernetes/names.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import type { Certificate } from '../domain/certificate.ts'
import { decode, encode, isTaken, RECORD_LABEL, type RecordKind, type RecordTable } from './record-table.ts'

/** A certificate is a Secret of the platform's namespace; a copy for the router goes into the namespace of each app it is attached to. */
export const certificateKind: RecordKind<Secret, Certificate> = {
  kind: 'certificate',
  resource: RESOURCES.secrets,
  parse: secret => decode<Certificate>(secret.data?.['certificate']),
}

/** The certificates of the users, named once on the platform. */
export class Certificates {
  readonly #table: RecordTable<Secret, Certificate>
  readonly #namespace: string

  constructor(table: RecordTable<Secret, Certificate>, namespace: string) {
    this.#table = table
    this.#namespace = namespace
  }

  get(name: string): Certificate | undefined {
    return this.#table.get(this.#namespace, hashName('certificate', name))
  }

  /** All certificates, by name. */
  list(): Certificate[] {
    return this.#table.list().sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** @returns false when the name is taken */
  async create(certificate: Certificate): Promise<boolean> {
    try {
      await this.#table.create({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: {
          name: hashName('certificate', certificate.name),
          namespace: this.#namespace,
          labels: { [RECORD_LABEL]: 'certificate', [LABELS.heritage]: HERITAGE },
        },
        type: 'drycc.cc/certificate',
        data: { certificate: encode(certificate) },
      })
      return true
    } catch (error) {
      if (isTaken(error)) return false
      throw error
    }
  }

  remove(name: string): Promise<void> {
    return this.#table.remove(this.#namespace, hashName('certificate', name))
  }
}
