import { createHash, createHmac, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'

/** The public half of a P-256 key, RFC 7517 §6.2.1; its members in the order of the thumbprint. */
export interface Jwk {
  readonly crv: string
  readonly kty: string
  readonly x: string
  readonly y: string
}

/** A signed request body, RFC 7515 §7.2.2. */
export interface Jws {
  readonly protected: string
  readonly payload: string
  readonly signature: string
}

/** An account's key: P-256, as every ACME server must take (RFC 8555 §6.2). */
export class AccountKey {
  readonly jwk: Jwk
  /** PKCS#8, PEM. */
  readonly pem: string
  readonly #key: KeyObject

  /** @throws {Error} when the text is no P-256 key */
  constructor(pem: string) {
    this.#key = createPrivateKey(pem)
    this.pem = pem
    const { crv, kty, x, y } = createPublicKey(this.#key).export({ format: 'jwk' })
    if (crv !== 'P-256' || !kty || !x || !y) throw new Error('Cannot use the account key: it must be of the curve P-256')
    this.jwk = { crv, kty, x, y }
  }

  static generate(): AccountKey {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    return new AccountKey(privateKey.export({ type: 'pkcs8', format: 'pem' }) as string)
  }

  /** RFC 7638. */
  get thumbprint(): string {
    return createHash('sha256').update(JSON.stringify(this.jwk)).digest('base64url')
  }

  /** What proves that a token was given to this account, RFC 8555 §8.1. */
  keyAuthorization(token: string): string {
    return `${token}.${this.thumbprint}`
  }

  /**
   * Signs a request body.
   *
   * @param header `url` and `nonce`, and `kid` where the account is known already
   * @param payload '' for a POST-as-GET
   */
  sign(header: Readonly<Record<string, unknown>>, payload: string): Jws {
    const identity = 'kid' in header ? {} : { jwk: this.jwk }
    const protectedPart = base64url(JSON.stringify({ alg: 'ES256', ...identity, ...header }))
    const body = base64url(payload)
    const signature = sign('sha256', Buffer.from(`${protectedPart}.${body}`), { key: this.#key, dsaEncoding: 'ieee-p1363' })
    return { protected: protectedPart, payload: body, signature: signature.toString('base64url') }
  }
}

/** An account at the authority's own site, to which ours is bound (RFC 8555 §7.3.4). */
export interface ExternalAccount {
  readonly keyId: string
  /** base64url, as the authority gives it. */
  readonly hmacKey: string
}

/** The proof that whoever asks for the account holds the external one. */
export function bindExternally(account: AccountKey, { keyId, hmacKey }: ExternalAccount, url: string): Jws {
  const protectedPart = base64url(JSON.stringify({ alg: 'HS256', kid: keyId, url }))
  const payload = base64url(JSON.stringify(account.jwk))
  const signature = createHmac('sha256', Buffer.from(hmacKey, 'base64url')).update(`${protectedPart}.${payload}`).digest('base64url')
  return { protected: protectedPart, payload, signature }
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url')
}
