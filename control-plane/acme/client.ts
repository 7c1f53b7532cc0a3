import { X509Certificate } from 'node:crypto'
import { isIP, type LookupFunction } from 'node:net'
import { delay } from '../../kernel/backoff.ts'
import { type HttpClient, httpClient } from '../../kernel/http.ts'
import { type AccountKey, bindExternally, type ExternalAccount, type Jws } from './jws.ts'
import { AcmeProblem, problemOf, retryAfter } from './problem.ts'
import { type RenewalWindow, readRenewalInfo, renewalId } from './renewal-info.ts'

/** What a directory offers, RFC 8555 §7.1.1 and RFC 9773 §4. */
interface Directory {
  readonly newNonce: string
  readonly newAccount: string
  readonly newOrder: string
  readonly revokeCert?: string
  readonly renewalInfo?: string
  readonly meta?: { readonly termsOfService?: string; readonly externalAccountRequired?: boolean; readonly caaIdentities?: unknown }
}

export interface AcmeOptions {
  /** Of the directory. */
  readonly url: string
  readonly account: AccountKey
  readonly email?: string
  readonly external?: ExternalAccount
  /** PEM of an authority to trust for the directory itself. */
  readonly ca?: string
  /** Resolves the names of whatever the directory leads to; where it is given, addresses in place of names are refused, and so is plain http. */
  readonly lookup?: LookupFunction
}

export interface Order {
  readonly url: string
  readonly status: string
  readonly authorizations: readonly string[]
  readonly finalize: string
  readonly certificate?: string
  readonly error?: unknown
}

export interface Challenge {
  readonly type: string
  readonly url: string
  readonly status: string
  readonly token: string
  readonly error?: unknown
}

export interface Authorization {
  readonly url: string
  readonly status: string
  readonly identifier: { readonly type: string; readonly value: string }
  readonly challenges: readonly Challenge[]
}

interface Answer<T> {
  readonly body: T
  readonly location: string
  readonly links: readonly string[]
  readonly retryAfterMs: number | undefined
}

const NONCES_MAX = 10
const BAD_NONCES_MAX = 10
const POLL_MS = 1_000
const POLL_MS_MAX = 30_000
const ORDER_MS_MAX = 5 * 60_000
const CHAINS_MAX = 6
const IDENTITIES_MAX = 20

/**
 * Speaks with one ACME server on behalf of one account (RFC 8555). A refused nonce is tried again with another, as the RFC asks; every
 * other refusal is an {@link AcmeProblem}, and what to do about it is the caller's business.
 */
export class AcmeClient {
  readonly #options: AcmeOptions
  readonly #http: HttpClient
  readonly #nonces: string[] = []
  #directory: Directory | undefined
  #accountUrl: string | undefined

  constructor(options: AcmeOptions) {
    this.#options = options
    this.#http = httpClient({
      answerTimeoutMs: 30_000,
      bodyBytesMax: 1024 * 1024,
      headers: { 'user-agent': 'drycc-workflow' },
      ...(options.ca !== undefined && { ca: options.ca }),
      ...(options.lookup && { lookup: options.lookup }),
    })
  }

  close(): Promise<void> {
    return this.#http.close()
  }

  keyAuthorization(token: string): string {
    return this.#options.account.keyAuthorization(token)
  }

  /** By which names the authority calls itself in CAA records; none where it does not say. */
  async identities(signal: AbortSignal): Promise<string[]> {
    const { meta } = await this.#find(signal)
    const named = Array.isArray(meta?.caaIdentities) ? meta.caaIdentities : []
    return named.filter(name => typeof name === 'string' && /^[\w.-]{1,253}$/.test(name)).slice(0, IDENTITIES_MAX)
  }

  /** The URL of our account, which is made where there is none. */
  account(signal: AbortSignal): Promise<string> {
    return this.#account(signal)
  }

  /** Orders a certificate. @param replaces the id of the certificate that it renews (RFC 9773 §5) */
  async order(names: readonly string[], signal: AbortSignal, replaces?: string): Promise<Order> {
    const { newOrder, renewalInfo } = await this.#find(signal)
    const identifiers = names.map(value => ({ type: 'dns', value }))
    const ask = (more: object) => this.#post<Omit<Order, 'url'>>(newOrder, { identifiers, ...more }, signal)
    try {
      const answer = await ask(replaces !== undefined && renewalInfo !== undefined ? { replaces } : {})
      return orderOf(answer)
    } catch (error) {
      // The server does not know the old certificate, or has it replaced already: that is no reason not to have a new one.
      if (!(error instanceof AcmeProblem) || replaces === undefined || error.isPassing) throw error
      return orderOf(await ask({}))
    }
  }

  /** An order that was made before. */
  async orderAt(url: string, signal: AbortSignal): Promise<Order> {
    return { ...(await this.#post<Omit<Order, 'url'>>(url, undefined, signal)).body, url }
  }

  async authorization(url: string, signal: AbortSignal): Promise<Authorization> {
    return { ...(await this.#post<Omit<Authorization, 'url'>>(url, undefined, signal)).body, url }
  }

  /** Tells the server that a challenge can be looked at. */
  async answer(challenge: Challenge, signal: AbortSignal): Promise<void> {
    await this.#post(challenge.url, {}, signal)
  }

  /** Waits until an authorization is decided. @throws {AcmeProblem} the server's reason where it was refused */
  async authorized(url: string, signal: AbortSignal): Promise<void> {
    await this.#poll(url, signal, ({ status, challenges }: Authorization) => {
      if (status === 'valid') return true
      if (status === 'pending' || status === 'processing') return false
      const failed = challenges.find(challenge => challenge.error !== undefined)
      throw problemOf(403, failed?.error ?? { detail: `The authorization is ${status}` }, undefined)
    })
  }

  /** Gives in the signing request (PKCS#10, DER) of an order whose authorizations are all valid. */
  async finalize(order: Order, request: Buffer, signal: AbortSignal): Promise<void> {
    await this.#post(order.finalize, { csr: request.toString('base64url') }, signal)
  }

  /** Waits for the certificate of an order. @returns its chain as PEM, and other chains of the same */
  async certificate(order: string, signal: AbortSignal): Promise<string[]> {
    let certificate = ''
    await this.#poll(order, signal, (now: Order) => {
      if (now.status === 'valid' && now.certificate !== undefined) {
        certificate = now.certificate
        return true
      }
      if (now.status === 'invalid') throw problemOf(403, now.error ?? { detail: 'The order was refused' }, undefined)
      return false
    })
    const first = await this.#post<string>(certificate, undefined, signal)
    const chains = [first.body]
    for (const link of first.links.slice(0, CHAINS_MAX - 1)) chains.push((await this.#post<string>(link, undefined, signal)).body)
    return chains
  }

  /** @returns undefined where the server does not say */
  async renewalWindow(certificatePem: string, signal: AbortSignal): Promise<RenewalWindow | undefined> {
    const { renewalInfo } = await this.#find(signal)
    const id = renewalId(certificatePem)
    if (renewalInfo === undefined || id === undefined) return undefined
    const url = this.#checked(`${renewalInfo.replace(/\/$/, '')}/${id}`)
    const { status, body, headers } = await this.#http.json('GET', url, undefined, { signal })
    return readRenewalInfo(status, body, headers)
  }

  async #poll<T>(url: string, signal: AbortSignal, isDone: (now: T) => boolean): Promise<void> {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(ORDER_MS_MAX)])
    for (let waitMs = POLL_MS; ; waitMs = Math.min(waitMs * 1.5, POLL_MS_MAX)) {
      const { body, retryAfterMs } = await this.#post<T>(url, undefined, signal)
      if (isDone(body)) return
      await delay(Math.min(Math.max(retryAfterMs ?? waitMs, 250), POLL_MS_MAX), deadline)
      if (signal.aborted) throw signal.reason
      if (deadline.aborted) throw new AcmeProblem(504, 'timeout', 'The certificate authority did not decide in time')
    }
  }

  async #find(signal: AbortSignal): Promise<Directory> {
    if (this.#directory !== undefined) return this.#directory
    const answer = await this.#http.json<Directory>('GET', this.#checked(this.#options.url), undefined, { signal })
    const found = answer.body
    if (
      answer.status !== 200 ||
      typeof found?.newNonce !== 'string' ||
      typeof found.newAccount !== 'string' ||
      typeof found.newOrder !== 'string'
    )
      throw new AcmeProblem(answer.status, 'directory', `There is no ACME directory at ${this.#options.url}`)
    this.#directory = found
    return found
  }

  /** The account's URL; the account is made where there is none for the key. */
  async #account(signal: AbortSignal): Promise<string> {
    if (this.#accountUrl !== undefined) return this.#accountUrl
    const { newAccount, meta } = await this.#find(signal)
    const { account, email, external } = this.#options
    if (meta?.externalAccountRequired === true && external === undefined)
      throw new AcmeProblem(
        403,
        'externalAccountRequired',
        'This certificate authority wants an external account: set its key id and HMAC key',
      )
    const body = {
      termsOfServiceAgreed: true,
      ...(email !== undefined && { contact: [`mailto:${email}`] }),
      ...(external && { externalAccountBinding: bindExternally(account, external, newAccount) }),
    }
    const answer = await this.#send(newAccount, body, signal, undefined)
    this.#accountUrl = answer.location
    return answer.location
  }

  async #post<T>(url: string, payload: object | undefined, signal: AbortSignal): Promise<Answer<T>> {
    try {
      return (await this.#send(url, payload, signal, await this.#account(signal))) as Answer<T>
    } catch (error) {
      // Whoever runs the authority may have lost its accounts: the next call makes ours anew.
      if (error instanceof AcmeProblem && error.type === 'accountDoesNotExist') this.#accountUrl = undefined
      throw error
    }
  }

  async #send(url: string, payload: object | undefined, signal: AbortSignal, kid: string | undefined): Promise<Answer<unknown>> {
    for (let attempt = 1; ; attempt++) {
      const nonce = await this.#nonce(signal)
      const header = { url, nonce, ...(kid !== undefined && { kid }) }
      const jws: Jws = this.#options.account.sign(header, payload === undefined ? '' : JSON.stringify(payload))
      const answer = await this.#http.json('POST', this.#checked(url), JSON.stringify(jws), {
        signal,
        headers: { 'content-type': 'application/jose+json' },
      })
      this.#keepNonce(answer.headers['replay-nonce'])
      const retryAfterMs = retryAfter(answer.headers['retry-after'])
      if (answer.status < 300) {
        const location = String(answer.headers['location'] ?? '')
        return { body: answer.body, location, links: alternates(answer.headers['link'], url), retryAfterMs }
      }
      const problem = problemOf(answer.status, answer.body, retryAfterMs)
      if (problem.type !== 'badNonce' || attempt >= BAD_NONCES_MAX) throw problem
    }
  }

  async #nonce(signal: AbortSignal): Promise<string> {
    const kept = this.#nonces.pop()
    if (kept !== undefined) return kept
    const { newNonce } = await this.#find(signal)
    const answer = await this.#http.json('HEAD', this.#checked(newNonce), undefined, { signal })
    const nonce = answer.headers['replay-nonce']
    if (typeof nonce !== 'string') throw problemOf(answer.status, { detail: 'The certificate authority gave no nonce' }, undefined)
    return nonce
  }

  /** A server that a user named must not lead us to what only we can reach; names are looked at when they are resolved. */
  #checked(url: string): string {
    const parsed = URL.parse(url)
    const isAddress = isIP(parsed?.hostname.replace(/^\[|\]$/g, '') ?? '') !== 0
    if (parsed === null || (this.#options.lookup !== undefined && (parsed.protocol !== 'https:' || isAddress)))
      throw new AcmeProblem(400, 'directory', `The certificate authority leads to "${url.slice(0, 100)}": it must be a name, over https`)
    return url
  }

  #keepNonce(value: string | string[] | undefined): void {
    if (typeof value === 'string' && this.#nonces.length < NONCES_MAX) this.#nonces.push(value)
  }
}

function orderOf({ body, location }: Answer<Omit<Order, 'url'>>): Order {
  if (location === '') throw new AcmeProblem(502, '', 'The certificate authority did not say where the order is')
  return { ...body, url: location }
}

/** The chain whose topmost certificate was issued by the wanted name, else the first (RFC 8555 §7.4.2). */
export function preferredChain(chains: readonly string[], issuer: string | undefined): string {
  const found = issuer === undefined ? undefined : chains.find(chain => topIssuer(chain).includes(`CN=${issuer}`))
  return found ?? (chains[0] as string)
}

function topIssuer(chain: string): string {
  const certificates = chain.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  return certificates.length === 0 ? '' : new X509Certificate(certificates.at(-1) as string).issuer
}

function alternates(value: string | string[] | undefined, base: string): string[] {
  const fields = (Array.isArray(value) ? value : [value ?? '']).flatMap(field => field.split(/,(?=\s*<)/))
  return fields.flatMap(field => {
    const match = /^\s*<([^>]*)>\s*;(?=.*\brel="?alternate"?)/.exec(field)
    return match ? [new URL(match[1] as string, base).href] : []
  })
}
