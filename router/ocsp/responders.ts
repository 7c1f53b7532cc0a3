import { promises as dns } from 'node:dns'
import { type HttpClient, httpClient, readBytes } from '../../kernel/http.ts'
import { guardedLookup, mayNameHost, publicOr, resolveBoth } from '../../kernel/public-address.ts'
import type { Question } from './subject.ts'

/** As much as a chain of certificates has; usual responses have 500 to 2500 bytes. Each handshake that asks for one is sent it. */
const RESPONSE_BYTES_MAX = 16 * 1024
/** For the whole of it, name look-up included. */
const ANSWER_MS_MAX = 10_000
const CONNECT_MS_MAX = 5_000
/** RFC 5019 §5: what is shorter is asked for by GET, so that caches can answer. */
const GET_URL_LENGTH_MAX = 255

/**
 * Asks responders. Whoever may bring a certificate chooses the URL, so it must lead to the public internet: each connection is checked when its
 * address is known, redirects are not followed, and no more is read than a response may have.
 */
export class Responders {
  readonly #http: HttpClient
  readonly #mayConnect: (address: string) => boolean
  readonly #waitMs: number

  /** @param allowed networks that may be connected to although they are not public, `10.1.0.0/16` */
  constructor(allowed: readonly string[], { waitMs = ANSWER_MS_MAX } = {}) {
    this.#mayConnect = publicOr(allowed)
    this.#waitMs = waitMs
    // Not by the system's own way: that keeps one of four threads, which hash passwords too, for as long as a name server likes to take.
    const resolver = new dns.Resolver({ timeout: 2_000, tries: 2 })
    const lookup = guardedLookup(this.#mayConnect, hostname => resolveBoth(resolver, hostname))
    this.#http = httpClient({ connectTimeoutMs: Math.min(CONNECT_MS_MAX, waitMs), answerTimeoutMs: waitMs, lookup })
  }

  /**
   * @param isPost by POST in any case: no cache answers that, and some responders know nothing else
   * @returns OCSPResponse, DER, of which nothing is checked yet
   * @throws {Error} saying, as the end of a sentence, what the responder did
   */
  async ask({ url, request }: Question, signal: AbortSignal, isPost: boolean): Promise<Buffer> {
    if (!mayNameHost(url, this.#mayConnect)) throw new Error(`${url.hostname} has no address on the public internet`)
    const whole = AbortSignal.any([signal, AbortSignal.timeout(this.#waitMs)])
    const short = `${url.href.replace(/\/$/, '')}/${encodeURIComponent(request.toString('base64'))}`
    const isGet = !isPost && url.search === '' && short.length <= GET_URL_LENGTH_MAX
    const headers = {
      ...{ accept: 'application/ocsp-response', 'user-agent': 'drycc' },
      ...(isGet ? {} : { 'content-type': 'application/ocsp-request' }),
    }
    try {
      const answer = await this.#http.stream(isGet ? 'GET' : 'POST', isGet ? short : url.href, isGet ? undefined : request, {
        headers,
        signal: whole,
      })
      try {
        if (answer.status !== 200) throw new Error(`the responder answers ${answer.status}`)
        return await readBytes(answer.body, RESPONSE_BYTES_MAX)
      } finally {
        // Nothing more of it is wanted; one that was read to its end is done already.
        answer.body.on('error', () => {}).destroy()
      }
    } catch (error) {
      if (whole.aborted && !signal.aborted) throw new Error('the responder does not answer in time', { cause: error })
      throw error
    }
  }

  close(): Promise<void> {
    return this.#http.close()
  }
}
