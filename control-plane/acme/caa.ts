import { promises as dns } from 'node:dns'
import type { ChallengeType } from '../domain/automatic.ts'

/** What a domain's records say of one authority: by which challenges it may be asked, or why it may not. */
export interface Permission {
  readonly types: readonly ChallengeType[]
  /** Set where there are none. */
  readonly why?: string
}

/** One CAA record as Node reads it: `critical` has the flags, another key is the property. */
export type CaaRecord = Readonly<Record<string, unknown>>

const WHOLE_MS_MAX = 10_000
const KNOWN = new Set(['issue', 'issuewild', 'iodef', 'contactemail', 'contactphone', 'issuemail', 'issuevmc'])

/**
 * Looks which authorities the owner of a domain permits (CAA, RFC 8659), as an authority will: what it would refuse costs no order. Where the
 * name servers cannot be asked the order is made all the same, as the authority asks others; it refuses by itself when it cannot ask either.
 */
export class Caa {
  readonly #resolver: dns.Resolver

  /** @param resolvers name servers to ask in place of the system's */
  constructor(resolvers: readonly string[]) {
    this.#resolver = new dns.Resolver({ timeout: 2_000, tries: 2 })
    if (resolvers.length > 0) this.#resolver.setServers([...resolvers])
  }

  /**
   * @param identities by which the authority calls itself in such records; none: it does not say, and is taken to be permitted
   * @param types by which it could be asked, the preferred first
   */
  async permission(domain: string, identities: readonly string[], types: readonly ChallengeType[]): Promise<Permission> {
    if (identities.length === 0) return { types }
    const deadline = performance.now() + WHOLE_MS_MAX
    // RFC 8659 §3: the name's own, or those of the nearest name above it that has any; the resolver follows aliases.
    for (let name = domain; name !== ''; name = name.includes('.') ? name.slice(name.indexOf('.') + 1) : '') {
      const records = await this.#read(name)
      if (records === undefined || performance.now() > deadline) break
      if (records.length > 0) return readPermission(name, records, identities, types)
    }
    return { types }
  }

  /** @returns none where there are none, `undefined` where that is not to be had */
  async #read(name: string): Promise<readonly CaaRecord[] | undefined> {
    try {
      return (await this.#resolver.resolveCaa(name)) as unknown as CaaRecord[]
    } catch (error) {
      return /^(ENOTFOUND|ENODATA)$/.test(String((error as { code?: unknown }).code)) ? [] : undefined
    }
  }
}

/**
 * Reads the records of a name for a certificate without wildcards (RFC 8659 §4.2, RFC 8657 §4).
 *
 * @param records at least one
 */
export function readPermission(
  name: string,
  records: readonly CaaRecord[],
  identities: readonly string[],
  types: readonly ChallengeType[],
): Permission {
  const properties = records.flatMap(({ critical, ...rest }) =>
    Object.entries(rest)
      .filter(([, value]) => typeof value === 'string')
      .map(([tag, value]) => ({ tag: tag.toLowerCase(), value: value as string, isCritical: (Number(critical) & 128) !== 0 })),
  )
  const strange = properties.find(({ tag, isCritical }) => isCritical && !KNOWN.has(tag) && tag !== 'type')
  if (strange)
    return { types: [], why: `A CAA record of ${name} has the critical property "${shown(strange.tag)}", so nobody may certify it` }
  const issuers = properties.filter(({ tag }) => tag === 'issue').map(({ value }) => parseIssuer(value))
  if (issuers.length === 0) return { types }
  const ours = issuers.filter(({ issuer }) => identities.some(identity => identity.toLowerCase() === issuer))
  const add = `add the record 0 issue "${identities[0]}"`
  if (ours.length === 0) {
    const others = [...new Set(issuers.map(({ issuer }) => issuer).filter(issuer => issuer !== ''))].slice(0, 5).map(shown)
    const permitted = others.length > 0 ? `permit only ${others.join(', ')}` : 'permit no certificate authority'
    return { types: [], why: `The CAA records of ${name} ${permitted}, not ${identities[0]}: ${add}` }
  }
  const allowed = types.filter(type => ours.some(({ methods }) => methods === undefined || methods.includes(type)))
  if (allowed.length > 0) return { types: allowed }
  const methods = [...new Set(ours.flatMap(({ methods = [] }) => methods))].slice(0, 5).map(shown)
  return {
    types: [],
    why: `The CAA records of ${name} permit ${identities[0]} the challenge ${methods.join(', ')} only, not ${types.join(' or ')}`,
  }
}

/** `example.net; validationmethods=http-01,dns-01`; what cannot be read permits nobody. */
function parseIssuer(value: string): { readonly issuer: string; readonly methods: readonly string[] | undefined } {
  const [issuer = '', ...parameters] = value.split(';').map(part => part.trim())
  const methods = parameters.find(parameter => /^validationmethods\s*=/i.test(parameter))
  return {
    issuer: issuer.toLowerCase(),
    methods: methods
      ?.slice(methods.indexOf('=') + 1)
      .split(',')
      .map(method => method.trim()),
  }
}

/** Whoever owns a domain writes it, and the app's log shows it. */
function shown(text: string): string {
  return text.slice(0, 100).replace(/[^\w.-]/g, '?')
}
