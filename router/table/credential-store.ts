import type { Secret } from 'kubernetes-types/core/v1'
import type { Fault } from './annotations.ts'
import { type Credentials, readCredentials } from './credentials.ts'
import { References } from './references.ts'

export interface CredentialChanges {
  readonly credentials: (readonly [secret: string, credentials: Credentials | null])[]
  /** The apps that name a Secret which was looked at. */
  readonly looked: ReadonlySet<string>
}

/**
 * The credentials that apps name, kept at their last good state. Where there are none nobody comes in: a Secret that has gone, or never was,
 * must not open an app.
 */
export class CredentialStore {
  readonly #named = new References()
  readonly #known = new Map<string, { readonly credentials?: Credentials; readonly faults: readonly string[] }>()

  /** Notes which Secret an app names. @returns those that it did not name before, or names no more */
  name(app: string, secret: string | undefined): ReadonlySet<string> {
    return this.#named.set(app, secret === undefined || isNone(secret) ? [] : [secret])
  }

  /** Reads Secrets again. One that has become unreadable keeps its last good users; one that has gone does not. */
  read(find: (key: string) => Secret | undefined, keys: Iterable<string>): CredentialChanges {
    const credentials: CredentialChanges['credentials'] = []
    const looked = new Set<string>()
    for (const key of keys) {
      const apps = [...this.#named.get(key)]
      const before = this.#known.get(key)
      const secret = apps.length > 0 ? find(key) : undefined
      const now = secret && readSecret(secret, before?.credentials)
      if (now) this.#known.set(key, now)
      else this.#known.delete(key)
      if (now?.credentials?.id !== before?.credentials?.id) credentials.push([key, now?.credentials ?? null])
      for (const app of apps) looked.add(app)
    }
    return { credentials, looked }
  }

  all(): (readonly [secret: string, credentials: Credentials])[] {
    return [...this.#known].flatMap(([key, { credentials }]) => (credentials ? [[key, credentials] as const] : []))
  }

  /** All Secrets that somebody names, whether they exist or not. */
  wanted(): Iterable<string> {
    return this.#named.things()
  }

  faultsOf(secret: string | undefined): Fault[] {
    if (secret === undefined || isNone(secret)) return []
    const { faults } = this.#known.get(secret) ?? { faults: [`Cannot let anybody in: there is no Secret ${secret}`] }
    return faults.map(message => ({ key: 'x-basic-auth', value: secret, message }))
  }
}

/** The name could not be read, which is a fault of its own. */
function isNone(secret: string): boolean {
  return secret.endsWith('/')
}

function readSecret(secret: Secret, lastGood: Credentials | undefined) {
  try {
    return readCredentials(secret)
  } catch (error) {
    return { ...(lastGood && { credentials: lastGood }), faults: [(error as Error).message] }
  }
}
