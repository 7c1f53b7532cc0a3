import type { Secret } from 'kubernetes-types/core/v1'
import { HERITAGE, LABELS } from '../../kernel/contract.ts'
import { hashName } from '../../kernel/kubernetes/names.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { decode, encode, isTaken, RECORD_LABEL, type RecordKind, type RecordTable } from './record-table.ts'

/** An account at a certificate authority: one for a directory, an e-mail address and an external account. */
export interface AcmeAccount {
  /** What tells it from others; nothing of it is secret. */
  readonly identity: string
  readonly directory: string
  /** PKCS#8, PEM. */
  readonly key: string
  /** The authority wants no new order before; ISO 8601. */
  readonly pausedUntil?: string
}

/** An account is a Secret of the platform's namespace, named after a hash of its identity: all replicas have the same key. */
export const acmeAccountKind: RecordKind<Secret, AcmeAccount> = {
  kind: 'acme-account',
  resource: RESOURCES.secrets,
  parse: secret => decode<AcmeAccount>(secret.data?.['account']),
}

/** The accounts at certificate authorities. */
export class AcmeAccounts {
  readonly #table: RecordTable<Secret, AcmeAccount>
  readonly #namespace: string

  constructor(table: RecordTable<Secret, AcmeAccount>, namespace: string) {
    this.#table = table
    this.#namespace = namespace
  }

  get(identity: string): AcmeAccount | undefined {
    return this.#table.get(this.#namespace, nameOf(identity))
  }

  /** The account that stands, or the one made here, whichever was first. */
  async getOrCreate(identity: string, make: () => AcmeAccount): Promise<AcmeAccount> {
    const known = this.get(identity)
    if (known) return known
    try {
      return await this.#table.create({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: {
          name: nameOf(identity),
          namespace: this.#namespace,
          labels: { [RECORD_LABEL]: 'acme-account', [LABELS.heritage]: HERITAGE },
        },
        type: 'drycc.cc/acme-account',
        data: { account: encode(make()) },
      })
    } catch (error) {
      if (!isTaken(error)) throw error
      const standing = await this.#table.read(this.#namespace, nameOf(identity))
      if (!standing) throw error
      return standing
    }
  }

  /** Notes that the authority wants to be left alone; a pause that lasts longer stays. */
  async pause(identity: string, untilMs: number): Promise<void> {
    await this.#table.modify(this.#namespace, nameOf(identity), (account, secret) => {
      if (Date.parse(account.pausedUntil ?? '') >= untilMs) return undefined
      return { ...secret, data: { account: encode({ ...account, pausedUntil: new Date(untilMs).toISOString() }) } }
    })
  }
}

function nameOf(identity: string): string {
  return hashName('acme-account', identity)
}
