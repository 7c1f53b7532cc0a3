import { promises as dns } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'

// Addresses that are nobody's server on the public internet (IANA's special-purpose registries): this machine, its links, private and shared
// networks, tests, multicast, and ways to write IPv4 in IPv6 by which all of those could be had.
const SPECIAL: readonly (readonly [address: string, bits: number])[] = [
  ...([
    ['0.0.0.0', 8],
    ['10.0.0.0', 8],
    ['100.64.0.0', 10],
    ['127.0.0.0', 8],
    ['169.254.0.0', 16],
    ['172.16.0.0', 12],
  ] as const),
  ...([
    ['192.0.0.0', 24],
    ['192.0.2.0', 24],
    ['192.88.99.0', 24],
    ['192.168.0.0', 16],
    ['198.18.0.0', 15],
  ] as const),
  ...([
    ['198.51.100.0', 24],
    ['203.0.113.0', 24],
    ['224.0.0.0', 4],
    ['240.0.0.0', 4],
  ] as const),
  ...([
    ['2001::', 23],
    ['2001:db8::', 32],
    ['2002::', 16],
    ['3fff::', 20],
  ] as const),
]

const special = listOf(SPECIAL)
// Of IPv6 only this is handed out.
const global6 = listOf([['2000::', 3]])

/** Whether an address may be a server of the public internet; false for text that is no address. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address)
  if (family === 0 || address.includes('%')) return false
  if (family === 4) return !special.check(address, 'ipv4')
  return global6.check(address, 'ipv6') && !special.check(address, 'ipv6')
}

/** An address of a name, with 4 or 6. */
export interface NamedAddress {
  readonly address: string
  readonly family: number
}

/**
 * Resolves names, as the system does unless `resolve` is given, and gives none of the addresses that `mayConnect` refuses: what is checked is what
 * is connected to, so a name cannot answer differently in between.
 */
export function guardedLookup(
  mayConnect: (address: string) => boolean,
  resolve: (hostname: string) => Promise<readonly NamedAddress[]> = hostname => dns.lookup(hostname, { all: true }),
): LookupFunction {
  return (hostname, options, done) => {
    resolve(hostname).then(
      found => {
        const allowed = found.filter(({ address }) => mayConnect(address))
        const [first] = allowed
        if (!first) return done(new Error(`${hostname} has no address on the public internet`), [])
        return options.all ? done(null, allowed) : done(null, first.address, first.family)
      },
      error => done(error, []),
    )
  }
}

/** Asks name servers for both kinds of addresses. @throws {Error} with the code of the first, when neither is there */
export async function resolveBoth(resolver: dns.Resolver, hostname: string): Promise<NamedAddress[]> {
  const families = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)])
  const found = families.flatMap((family, index) =>
    family.status === 'fulfilled' ? family.value.map(address => ({ address, family: index === 0 ? 4 : 6 })) : [],
  )
  const [first] = families
  if (found.length === 0 && first.status === 'rejected') throw first.reason
  return found
}

/** Whether a URL's host is a name, at which a guarded look-up looks, or an address that may be connected to. */
export function mayNameHost({ hostname }: URL, mayConnect: (address: string) => boolean): boolean {
  const address = hostname.replace(/^\[|\]$/g, '')
  return isIP(address) === 0 || mayConnect(address)
}

/** A list of networks; `bits` of each. */
function listOf(networks: Iterable<readonly [address: string, bits: number]>): BlockList {
  const list = new BlockList()
  for (const [address, bits] of networks) list.addSubnet(address, bits, isIP(address) === 4 ? 'ipv4' : 'ipv6')
  return list
}

/** Networks between commas, each as `10.0.0.0/8`. @throws {TypeError} for anything else */
export function parseNetworks(text: string): string[] {
  const networks = text
    .split(',')
    .map(network => network.trim())
    .filter(Boolean)
  for (const network of networks) {
    const [address = '', bits = '', ...rest] = network.split('/')
    if (rest.length > 0 || isIP(address) === 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > (isIP(address) === 4 ? 32 : 128))
      throw new TypeError(`Cannot read network "${network}": write it as 10.0.0.0/8`)
  }
  return networks
}

/** Which addresses may be connected to: those of the public internet, and those of networks that the operator allows. */
export function publicOr(networks: readonly string[]): (address: string) => boolean {
  const own = listOf(networks.map(network => [network.split('/')[0] ?? '', Number(network.split('/')[1])] as const))
  return address => isPublicAddress(address) || (isIP(address) !== 0 && own.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6'))
}
