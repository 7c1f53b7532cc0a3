import { isIP } from 'node:net'

const WITH_PORT = /^(?:\[([^\]]+)\]|([\d.]+))(?::\d{1,5})?$/
const MAPPED = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/

/**
 * An address as a proxy states it, in the one form that lists, rates and logs compare: IPv6 short and in lower case, one that maps IPv4 as
 * that. A port behind it is left out, as some balancers write one (`192.0.2.7:4711`, `[2001:db8::1]:4711`).
 *
 * @returns '' for what is no address
 */
export function statedAddress(text: string): string {
  const [, bracketed, dotted] = WITH_PORT.exec(text) ?? []
  const address = bracketed ?? dotted ?? text
  const version = bracketed !== undefined && isIP(bracketed) === 4 ? 0 : isIP(address)
  if (version === 0 || address.includes('%')) return ''
  if (version === 4) return address
  const short = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const [, high, low] = MAPPED.exec(short) ?? []
  if (high === undefined || low === undefined) return short
  const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)]
  return `${a >> 8}.${a & 255}.${b >> 8}.${b & 255}`
}
