import type { Secret } from 'kubernetes-types/core/v1'
import { HERITAGE, LABELS } from '../../kernel/contract.ts'
import { hashName } from '../../kernel/kubernetes/names.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import type { User } from '../domain/user.ts'
import { decode, encode, isTaken, RECORD_LABEL, type RecordKind, type RecordTable } from './record-table.ts'

/** A user is a Secret of the platform's namespace, named after a hash of the username. */
export const userKind: RecordKind<Secret, User> = {
  kind: 'user',
  resource: RESOURCES.secrets,
  parse: secret => decode<User>(secret.data?.['user']),
}

/** The accounts, and whose a token is. */
export class Users {
  readonly #table: RecordTable<Secret, User>
  readonly #namespace: string
  readonly #byToken: ReadonlyMap<string, string>

  /** @param byToken usernames by the hash of their tokens, kept by whoever watches the table */
  constructor(table: RecordTable<Secret, User>, namespace: string, byToken: ReadonlyMap<string, string>) {
    this.#table = table
    this.#namespace = namespace
    this.#byToken = byToken
  }

  get(username: string): User | undefined {
    return this.#table.get(this.#namespace, hashName('user', username))
  }

  /** @param hash what `hashToken` made */
  byToken(hash: string): User | undefined {
    const username = this.#byToken.get(hash)
    const user = username === undefined ? undefined : this.get(username)
    return user?.tokens.some(token => token.hash === hash) ? user : undefined
  }

  get count(): number {
    return this.#table.size
  }

  /** All users, by name. */
  list(): User[] {
    return this.#table.list().sort((a, b) => (a.username < b.username ? -1 : 1))
  }

  /** @returns `undefined` when the name is taken */
  async create(user: User): Promise<User | undefined> {
    try {
      return await this.#table.create({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: {
          name: hashName('user', user.username),
          namespace: this.#namespace,
          labels: { [RECORD_LABEL]: 'user', [LABELS.heritage]: HERITAGE },
        },
        type: 'drycc.cc/user',
        data: { user: encode(user) },
      })
    } catch (error) {
      if (isTaken(error)) return undefined
      throw error
    }
  }

  /** Changes parts of a user. @throws {KubernetesError} 404 when he has gone */
  update(username: string, change: (user: User) => Partial<User>): Promise<User> {
    return this.#table.modify(this.#namespace, hashName('user', username), (user, secret) => ({
      ...secret,
      data: { user: encode({ ...user, ...change(user) }) },
    }))
  }

  remove(username: string): Promise<void> {
    return this.#table.remove(this.#namespace, hashName('user', username))
  }
}
