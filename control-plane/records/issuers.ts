import type { Secret } from 'kubernetes-types/core/v1'
import { HERITAGE, LABELS } from '../../kernel/contract.ts'
import { hashName } from '../../kernel/kubernetes/names.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { type AppIssuer, NO_ISSUER } from '../domain/issuer.ts'
import { decode, encode, isTaken, RECORD_LABEL, type RecordKind, type RecordTable } from './record-table.ts'

/** The authority that an app chose is a Secret of the platform's namespace, as it has a key. */
export const issuerKind: RecordKind<Secret, AppIssuer> = {
  kind: 'issuer',
  resource: RESOURCES.secrets,
  parse: secret => decode<AppIssuer>(secret.data?.['issuer']),
}

/** The certificate authorities that apps chose themselves. */
export class Issuers {
  readonly #table: RecordTable<Secret, AppIssuer>
  readonly #namespace: string

  constructor(table: RecordTable<Secret, AppIssuer>, namespace: string) {
    this.#table = table
    this.#namespace = namespace
  }

  get(app: string): AppIssuer {
    return this.#table.get(this.#namespace, hashName('issuer', app)) ?? NO_ISSUER
  }

  async set(app: string, issuer: AppIssuer): Promise<void> {
    const name = hashName('issuer', app)
    const data = { issuer: encode(issuer) }
    const labels = { [RECORD_LABEL]: 'issuer', [LABELS.app]: app, [LABELS.heritage]: HERITAGE }
    try {
      const metadata = { name, namespace: this.#namespace, labels }
      await this.#table.create({ apiVersion: 'v1', kind: 'Secret', metadata, type: 'drycc.cc/issuer', data })
    } catch (error) {
      if (!isTaken(error)) throw error
      await this.#table.modify(this.#namespace, name, (_, secret) => ({ ...secret, data }))
    }
  }

  async remove(app: string): Promise<void> {
    if (this.#table.get(this.#namespace, hashName('issuer', app))) await this.#table.remove(this.#namespace, hashName('issuer', app))
  }
}
