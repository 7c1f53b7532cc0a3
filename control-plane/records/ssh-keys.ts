import type { Secret } from 'kubernetes-types/core/v1'
import { HERITAGE, LABELS } from '../../kernel/contract.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import type { SshKey } from '../domain/ssh-key.ts'
import { decode, encode, isTaken, RECORD_LABEL, type RecordKind, type RecordTable } from './record-table.ts'

/** A key is a Secret of the platform's namespace, named after its fingerprint: no key can belong to two users. */
export const sshKeyKind: RecordKind<Secret, SshKey> = {
  kind: 'ssh-key',
  resource: RESOURCES.secrets,
  parse: secret => decode<SshKey>(secret.data?.['key']),
}

/** The public keys that may push. */
export class SshKeys {
  readonly #table: RecordTable<Secret, SshKey>
  readonly #namespace: string

  constructor(table: RecordTable<Secret, SshKey>, namespace: string) {
    this.#table = table
    this.#namespace = namespace
  }

  /** @param fingerprint MD5 in lower-case hex with colons */
  get(fingerprint: string): SshKey | undefined {
    return this.#table.get(this.#namespace, nameOf(fingerprint))
  }

  /** All keys, by their public text. */
  list(): SshKey[] {
    return this.#table.list().sort((a, b) => (a.public < b.public ? -1 : 1))
  }

  /** @returns false when somebody has this key */
  async create(key: SshKey): Promise<boolean> {
    try {
      await this.#table.create({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: {
          name: nameOf(key.fingerprint),
          namespace: this.#namespace,
          labels: { [RECORD_LABEL]: 'ssh-key', [LABELS.heritage]: HERITAGE },
        },
        type: 'drycc.cc/ssh-key',
        data: { key: encode(key) },
      })
      return true
    } catch (error) {
      if (isTaken(error)) return false
      throw error
    }
  }

  remove(fingerprint: string): Promise<void> {
    return this.#table.remove(this.#namespace, nameOf(fingerprint))
  }
}

function nameOf(fingerprint: string): string {
  return `ssh-key-${fingerprint.replaceAll(':', '')}`
}
