import { createHash } from 'node:crypto'
import { promises as dns, lookup as systemLookup } from 'node:dns'
import { once } from 'node:events'
import type { LookupFunction } from 'node:net'
import { connect } from 'node:tls'
import { httpClient } from '../../kernel/http.ts'
import { isPublicAddress, type NamedAddress, resolveBoth } from '../../kernel/public-address.ts'
import type { ChallengeType, PendingChallenge } from '../domain/automatic.ts'

export interface ReachOptions {
  /** Where authorities look: 80, unless they are the operator's own. */
  readonly httpPort: number
  readonly httpsPort: number
  /** Name servers to ask in place of the system's, `address` or `address:port`: inside a cluster names may lead elsewhere. */
  readonly resolvers: readonly string[]
}

const ANSWER_MS_MAX = 5_000
const REDIRECTS_MAX = 5

/** Looks at a domain as an authority will, so that one that does not lead here costs no order. */
export class Reach {
  readonly #options: ReachOptions
  readonly #lookup: LookupFunction
  readonly #resolver: dns.Resolver | undefined

  constructor(options: ReachOptions) {
    this.#options = options
    this.#resolver = options.resolvers.length > 0 ? new dns.Resolver({ timeout: 2_000, tries: 2 }) : undefined
    this.#resolver?.setServers([...options.resolvers])
    this.#lookup = (hostname, wanted, done) => {
      this.#resolve(hostname).then(
        found => {
          const [first] = found
          if (!first) return done(new Error(`${hostname} has no address`), [])
          return wanted.all ? done(null, found) : done(null, first.address, first.family)
        },
        error => done(error, []),
      )
    }
  }

  /** Whether a challenge is answered at a domain. @returns why not, as a sentence; `undefined` when it is */
  async answers(type: ChallengeType, domain: string, challenge: PendingChallenge, signal: AbortSignal): Promise<string | undefined> {
    const found = await this.#addresses(domain)
    if (typeof found === 'string') return found
    return type === 'http-01'
      ? await this.#overHttp(domain, found, challenge, signal)
      : await this.#overTls(domain, found, challenge.keyAuthorization, signal)
  }

  async #overHttp(
    domain: string,
    found: readonly NamedAddress[],
    { token, keyAuthorization }: PendingChallenge,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { httpPort, httpsPort } = this.#options
    const client = httpClient({
      ...{ connectTimeoutMs: ANSWER_MS_MAX, answerTimeoutMs: ANSWER_MS_MAX, bodyBytesMax: 16 * 1024, lookup: this.#lookup },
      // An authority that is sent on to https takes any certificate there, or the first could never be had.
      ...{ verify: false, headers: { 'user-agent': 'drycc-workflow' } },
    })
    try {
      let url = new URL(`http://${domain}:${httpPort}/.well-known/acme-challenge/${token}`)
      for (let hop = 0; hop <= REDIRECTS_MAX; hop++) {
        const { status, headers, body } = await client.json('GET', url.href, undefined, { signal })
        if (status === 200) return body === keyAuthorization ? undefined : elsewhere(domain, found, 'another server answers')
        const location = status >= 300 && status < 400 ? URL.parse(String(headers['location'] ?? ''), url.href) : null
        if (!location) return elsewhere(domain, found, `another server answers, or none of the routers knows the domain (status ${status})`)
        const port = Number(location.port || (location.protocol === 'https:' ? httpsPort : httpPort))
        const isOurs = location.hostname === domain && /^https?:$/.test(location.protocol) && (port === httpPort || port === httpsPort)
        if (!isOurs) return `${domain} redirects to ${location.host.slice(0, 100)}: let /.well-known/acme-challenge/ come to this platform`
        url = location
      }
      return `${domain} redirects in a circle`
    } catch (error) {
      return elsewhere(domain, found, `nothing answers on port ${httpPort} (${codeOf(error)})`)
    } finally {
      await client.close()
    }
  }

  async #overTls(
    domain: string,
    found: readonly NamedAddress[],
    keyAuthorization: string,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { httpsPort } = this.#options
    const socket = connect({
      ...{ host: domain, port: httpsPort, servername: domain, lookup: this.#lookup, ALPNProtocols: ['acme-tls/1'] },
      rejectUnauthorized: false,
    })
    try {
      // Errors after the handshake are of no interest.
      socket.on('error', () => {})
      await once(socket, 'secureConnect', { signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS_MAX)]) })
      const digest = createHash('sha256').update(keyAuthorization).digest()
      const isOurs = socket.alpnProtocol === 'acme-tls/1' && socket.getPeerCertificate().raw?.includes(digest)
      return isOurs ? undefined : elsewhere(domain, found, `another server answers on port ${httpsPort}`)
    } catch (error) {
      return elsewhere(domain, found, `nothing answers the challenge on port ${httpsPort} (${codeOf(error)})`)
    } finally {
      socket.destroy()
    }
  }

  async #addresses(domain: string): Promise<readonly NamedAddress[] | string> {
    const unknown = `${domain} has no address: make a DNS record that leads to this platform`
    try {
      const found = await this.#resolve(domain)
      return found.length > 0 ? found : unknown
    } catch (error) {
      const code = codeOf(error)
      return /^(ENOTFOUND|ENODATA|EAI_NODATA|EAI_NONAME)$/.test(code) ? unknown : `${domain} cannot be looked up (${code})`
    }
  }

  async #resolve(domain: string): Promise<NamedAddress[]> {
    const resolver = this.#resolver
    if (!resolver)
      return await new Promise((resolve, reject) =>
        systemLookup(domain, { all: true }, (error, found) => (error ? reject(error) : resolve(found))),
      )
    return await resolveBoth(resolver, domain)
  }
}

/** Of addresses within somebody's network no more is told than where the name leads: whoever names a domain chooses them. */
function elsewhere(domain: string, found: readonly NamedAddress[], what: string): string {
  const addresses = found.slice(0, 4).map(({ address }) => address)
  const isPublic = found.every(({ address }) => isPublicAddress(address))
  return `${domain} leads to ${addresses.join(', ')}, where ${isPublic ? what : 'this platform does not answer'}`
}

function codeOf(error: unknown): string {
  const { code, cause } = error as { code?: unknown; cause?: { code?: unknown } }
  return String(code ?? cause?.code ?? 'no answer')
}
