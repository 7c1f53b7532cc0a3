import { isIPv4, isIPv6 } from 'node:net'
import { domainToASCII } from 'node:url'

// nginx's units: a month has 30 days, a year 365.
const TIME_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
  M: 30 * 86_400_000,
  y: 365 * 86_400_000,
}

/**
 * Reads `true` or `false` in any case: the controllers write Python's `True` and `False`.
 *
 * @throws {RangeError} for anything else, `1` and `yes` included
 */
export function parseBoolean(value: string): boolean {
  if (/^true$/i.test(value)) return true
  if (/^false$/i.test(value)) return false
  throw new RangeError(`Cannot read "${value}": write true or false`)
}

/** Reads a whole number within bounds, both included. @throws {RangeError} */
export function parseInteger(value: string, min: number, max = Number.MAX_SAFE_INTEGER): number {
  const number = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN
  if (!(number >= min && number <= max)) throw new RangeError(`Cannot read number "${value}": write a whole number from ${min} to ${max}`)
  return number
}

/**
 * Reads a time of the annotations: a whole number from 1 and one of `ms s m h d w M y`; without a unit it is seconds, and `M` is a month.
 *
 * @returns milliseconds
 * @throws {RangeError} for anything else, `0` and fractions included
 */
export function parseTime(value: string): number {
  const [, amount, unit = 's'] = /^([1-9]\d{0,11})(ms|[smhdwMy])?$/.exec(value) ?? []
  if (amount === undefined) throw new RangeError(`Cannot read time "${value}": write it as 500ms, 10, 10s, 5m, 1h or 7d`)
  return Number(amount) * TIME_MS[unit]!
}

/** Node's timers count no further than this, 24.8 days; a longer time is cut. */
export const TIMER_MS_MAX = 2 ** 31 - 1

/** Reads a time that a timer will count. @returns milliseconds */
export function parseTimeout(text: string): number {
  return Math.min(parseTime(text), TIMER_MS_MAX)
}

/** Reads a size of the annotations: a whole number and, if need be, `k` or `m` in either case. @returns bytes @throws {RangeError} */
export function parseSize(value: string, min = 0): number {
  const [, amount, unit = ''] = /^(\d{1,12})([kKmM])?$/.exec(value) ?? []
  const bytes = Number(amount) * { '': 1, k: 1024, m: 1024 ** 2 }[unit.toLowerCase() as '' | 'k' | 'm']
  if (!(bytes >= min)) throw new RangeError(`Cannot read size "${value}": write it as 512, 64k or 10m${min > 0 ? `, at least ${min}` : ''}`)
  return bytes
}

/** Reads one of a fixed set of words, exactly as written. @throws {RangeError} */
export function parseWord<const W extends string>(value: string, words: readonly W[]): W {
  const found = words.find(word => word === value)
  if (found === undefined) throw new RangeError(`Cannot read "${value}": write one of ${words.join(', ')}`)
  return found
}

/** Splits an item of a map at its first colon, both sides trimmed. @throws {RangeError} when either side is empty */
export function parsePair(item: string): [string, string] {
  const colon = item.indexOf(':')
  const pair: [string, string] = [item.slice(0, Math.max(colon, 0)).trim(), item.slice(colon + 1).trim()]
  if (pair.includes('')) throw new RangeError(`Cannot read "${item}": write it as key:value`)
  return pair
}

/**
 * Reads a domain: a short name (`shop`), a full one (`www.example.com`) or a wildcard (`*.example.com`).
 *
 * @returns lower case, Unicode names in their ASCII form
 * @throws {RangeError} for anything else: underscores, ports, a lone `*`, a last label of one character
 */
export function parseDomain(value: string): string {
  const wildcard = value.startsWith('*.')
  const name = wildcard ? value.slice(2) : value
  // domainToASCII reads its argument as a URL's host would be read: of `example.com/x` it takes the front.
  const ascii = /^[a-z0-9.-]*$/i.test(name) ? name.toLowerCase() : /^[a-z0-9.\-\u0080-\u{10ffff}]+$/iu.test(name) ? domainToASCII(name) : ''
  const labels = ascii.split('.')
  const isName = labels.every(label => DNS_LABEL.test(label)) && ascii.length <= 253 && ascii !== ''
  const isWhole = labels.length === 1 ? !wildcard : labels.at(-1)!.length > 1
  if (!isName || !isWhole) throw new RangeError(`Cannot read domain "${value}": write it as shop, www.example.com or *.example.com`)
  return wildcard ? `*.${ascii}` : ascii
}

const DNS_LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/** Reads the name of a Kubernetes object. @throws {RangeError} */
export function parseObjectName(value: string): string {
  if (value.length <= 253 && value.split('.').every(label => DNS_LABEL.test(label))) return value
  throw new RangeError(`Cannot read name "${value}": write lower-case letters, digits, hyphens and dots`)
}

/** Reads an address or network of IPv4 or IPv6. @returns always with its prefix length, `10.0.0.0/8` or `::1/128` @throws {RangeError} */
export function parseCidr(value: string): string {
  const slash = value.indexOf('/')
  const address = slash < 0 ? value : value.slice(0, slash)
  const bits = isIPv4(address) ? 32 : isIPv6(address) && !address.includes('%') ? 128 : -1
  const prefix = slash < 0 ? String(bits) : value.slice(slash + 1)
  if (bits > 0 && /^\d{1,3}$/.test(prefix) && Number(prefix) <= bits) return `${address.toLowerCase()}/${Number(prefix)}`
  throw new RangeError(`Cannot read network "${value}": write it as 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32`)
}

/** Reads the beginning of a path. @throws {RangeError} when it does not begin with a slash or holds what no path of a request holds */
export function parsePathPrefix(value: string): string {
  if (/^\/[!$-;=@-Z_a-z~%]*$/.test(value) && value.length <= 1024) return value
  throw new RangeError(`Cannot read path "${value}": write it as /api or /git/, without query or spaces`)
}
