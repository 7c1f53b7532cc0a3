import { promises as dns } from 'node:dns'
import type { ChallengeType } from '../domain/automatic.ts'

/** What a domain's records say of one authority: by which challenges it may be asked, or why it may not. */
export interface Permission {
  readonly types: readonly ChallengeType[]
  /** Set where there are none. */
  readonly why?: string
}

/** Who would certify. */
export interface Certifier {
  /** By which the authority calls itself in such records, the usual one first; none: it does not say, and is taken to be permitted. */
  readonly identities: readonly string[]
  /** Finds the URL of our account there, which some records name. */
  account(): Promise<string>
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

  /** @param types by which the authority could be asked, the preferred first */
  async permission(domain: string, certifier: Certifier, types: readonly ChallengeType[]): Promise<Permission> {
    if (certifier.identities.length === 0) return { types }
    const deadline = performance.now() + WHOLE_MS_MAX
    // RFC 8659 §3: the name's own, or those of the nearest name above it that has any; the resolver follows aliases.
    for (let name = domain; name !== ''; name = name.includes('.') ? name.slice(name.indexOf('.') + 1) : '') {
      const records = await this.#read(name)
      if (records === undefined || performance.now() > deadline) break
      if (records.length === 0) continue
      const account = /accounturi/i.test(JSON.stringify(records)) ? await certifier.account() : ''
      return readPermission(name, records, { identities: certifier.identities, account }, types)
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
  { identities, account }: { readonly identities: readonly string[]; readonly account: string },
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
  const named = issuers.filter(({ issuer }) => identities.some(identity => identity.toLowerCase() === issuer))
  const add = `add the record 0 issue "${identities[0]}"`
  if (named.length === 0) {
    const others = [...new Set(issuers.map(({ issuer }) => issuer).filter(issuer => issuer !== ''))].slice(0, 5).map(shown)
    const permitted = others.length > 0 ? `permit only ${others.join(', ')}` : 'permit no certificate authority'
    return { types: [], why: `The CAA records of ${name} ${permitted}, not ${identities[0]}: ${add}` }
  }
  const ours = named.filter(issuer => issuer.account === undefined || issuer.account === account)
  if (ours.length === 0)
    return { types: [], why: `The CAA records of ${name} permit ${identities[0]} other accounts only, not ours: ${account}` }
  const allowed = types.filter(type => ours.some(({ methods }) => methods === undefined || methods.includes(type)))
  if (allowed.length > 0) return { types: allowed }
  const methods = [...new Set(ours.flatMap(({ methods = [] }) => methods))].slice(0, 5).map(shown)
  return {
    types: [],
    why: `The CAA records of ${name} permit ${identities[0]} the challenge ${methods.join(', ')} only, not ${types.join(' or ')}`,
  }
}

interface Issuer {
  readonly issuer: string
  readonly account: string | undefined
  readonly methods: readonly string[] | undefined
}

/** `example.net; accounturi=https://example.net/account/1; validationmethods=http-01,dns-01`; what cannot be read permits nobody. */
function parseIssuer(value: string): Issuer {
  const [issuer = '', ...parameters] = value.split(';').map(part => part.trim())
  const parameter = (tag: string) => {
    const found = parameters.find(text => text.split('=')[0]?.trim().toLowerCase() === tag)
    return found?.slice(found.indexOf('=') + 1).trim()
  }
  const methods = parameter('validationmethods')?.split(',')
  return { issuer: issuer.toLowerCase(), account: parameter('accounturi'), methods: methods?.map(method => method.trim()) }
}

/** Whoever owns a domain writes it, and the app's log shows it. */
function shown(text: string): string {
  return text.slice(0, 100).replace(/[^\w.-]/g, '?')
}
