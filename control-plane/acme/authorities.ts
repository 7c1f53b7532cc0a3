import type { LookupFunction } from 'node:net'
import { LRUCache } from 'lru-cache'
import type { ControlPlaneConfig } from '../config.ts'
import type { AppIssuer } from '../domain/issuer.ts'
import type { AcmeAccounts } from '../records/acme-accounts.ts'
import { AcmeClient } from './client.ts'
import { AccountKey, type ExternalAccount } from './jws.ts'

/** A certificate authority as somebody asks for it. */
export interface Authority {
  /** Of its directory. */
  readonly url: string
  readonly email?: string
  readonly external?: ExternalAccount
  /** Whether a user named it, not the operator: it is only spoken to on the public internet. */
  readonly isForeign: boolean
}

export interface AuthoritiesOptions {
  readonly accounts: AcmeAccounts
  /** PEM of an authority to trust for the directories themselves. */
  readonly ca?: string
  /** Resolves the names of foreign ones. */
  readonly foreignLookup: LookupFunction
}

// Each keeps a pool of connections and some nonces.
const CLIENTS_MAX = 50

/** Those that the operator names, in his order; the external account is one at the first. */
export function operatorsAuthorities(config: ControlPlaneConfig): Authority[] {
  const { acmeDirectories, acmeEmail: email, acmeEabKeyId: keyId, acmeEabHmacKey: hmacKey } = config
  return acmeDirectories.map((url, index) => ({
    ...{ url, isForeign: false },
    ...(email !== undefined && { email }),
    ...(index === 0 && keyId !== undefined && hmacKey !== undefined && { external: { keyId, hmacKey } }),
  }))
}

/** Those that are asked for an app: the one that it chose, else the operator's. */
export function authoritiesFor(
  { email, server, key_id: keyId, key_secret: hmacKey }: AppIssuer,
  operators: readonly Authority[],
): readonly Authority[] {
  const own = email === '' ? {} : { email }
  const known = operators.find(({ url }) => url === server)
  if (server === '') return operators.map(authority => ({ ...authority, ...own }))
  const external = keyId === '' ? {} : { external: { keyId, hmacKey } }
  return [{ ...(known ?? { url: server, isForeign: true }), ...own, ...external }]
}

/** The certificate authorities in use, each with our account there. */
export class Authorities {
  readonly #options: AuthoritiesOptions
  readonly #clients = new LRUCache<string, Promise<AcmeClient>>({
    max: CLIENTS_MAX,
    dispose: opening =>
      void opening.then(
        client => client.close(),
        () => {},
      ),
  })

  constructor(options: AuthoritiesOptions) {
    this.#options = options
  }

  /** The client of an authority; the account's key is made where there is none. */
  open(authority: Authority): Promise<AcmeClient> {
    const identity = identityOf(authority)
    const known = this.#clients.get(identity)
    if (known) return known
    // One for all who ask at the same time: each has nonces of its own, and an account that it looks up.
    const opening = this.#open(authority, identity)
    this.#clients.set(identity, opening)
    opening.catch(() => {
      if (this.#clients.peek(identity) === opening) this.#clients.delete(identity)
    })
    return opening
  }

  async #open(authority: Authority, identity: string): Promise<AcmeClient> {
    const { accounts, ca, foreignLookup } = this.#options
    const make = () => ({ identity, directory: authority.url, key: AccountKey.generate().pem })
    const { key } = await accounts.getOrCreate(identity, make)
    return new AcmeClient({
      ...{ url: authority.url, account: new AccountKey(key) },
      ...(authority.email !== undefined && { email: authority.email }),
      ...(authority.external && { external: authority.external }),
      ...(authority.isForeign ? { lookup: foreignLookup } : ca !== undefined && { ca }),
    })
  }

  /** How long an authority still wants to be left alone, ms. */
  pausedMs(authority: Authority, nowMs: number): number {
    const until = Date.parse(this.#options.accounts.get(identityOf(authority))?.pausedUntil ?? '')
    return until > nowMs ? until - nowMs : 0
  }

  async pause(authority: Authority, untilMs: number): Promise<void> {
    await this.#options.accounts.pause(identityOf(authority), untilMs)
  }

  stop(): void {
    this.#clients.clear()
  }
}

function identityOf({ url, email = '', external, isForeign }: Authority): string {
  return JSON.stringify([url, email, external?.keyId ?? '', isForeign])
}
