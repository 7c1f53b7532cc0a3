import { isIP } from 'node:net'
import { excerpt, type Fields, field } from './fields.ts'
import { invalid } from './refusal.ts'

/** How many addresses an app's whitelist holds: they stand in one annotation. */
export const ADDRESSES_MAX = 1000

/** Reads the field `addresses` of a request: IPv4 and IPv6 addresses, or networks of them. @throws {Refusal} 400 under `addresses` */
export function parseAddresses(fields: Fields): string[] {
  let value = field(fields, 'addresses')
  if (typeof value === 'string') value = value.split(',')
  if (!Array.isArray(value)) throw invalid('addresses', 'This field is required.')
  if (value.length > ADDRESSES_MAX) throw invalid('addresses', `Ensure this field has no more than ${ADDRESSES_MAX} elements.`)
  const addresses = value.map((item: unknown) => {
    const text = typeof item === 'string' ? item.trim() : ''
    if (!isAddress(text)) throw invalid('addresses', `The address ${excerpt(item)} is not valid`)
    return text
  })
  return [...new Set(addresses)]
}

/** Bits behind the prefix are tolerated, as in `10.1.2.3/8`. */
function isAddress(text: string): boolean {
  const [, address = '', bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const family = isIP(address)
  // A zone (`fe80::1%eth0`) means something on one machine only.
  return family !== 0 && !address.includes('%') && (bits === undefined || Number(bits) <= (family === 4 ? 32 : 128))
}
