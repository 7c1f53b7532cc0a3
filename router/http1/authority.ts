import { isIPv6 } from 'node:net'

// As nearly all clients write it; what does not match may still be a host.
const PLAIN_NAME = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/
// A name with or without its trailing dot, or an IPv6 literal; then a port, which may be empty (RFC 3986 §3.2.3).
const HOST = /^(?:([a-z0-9_-]+(?:\.[a-z0-9_-]+)*)\.?|(\[[0-9a-f:.]{2,45}\]))(?::([0-9]{0,5}))?$/i
// RFC 1035 §2.3.4, as text.
const NAME_CHARS_MAX = 253

/**
 * The host of an authority, from Host or from a target in absolute form.
 *
 * @returns lower-case, without port and trailing dot; undefined for what is no host
 */
export function readHost(value: string): string | undefined {
  if (value.length <= NAME_CHARS_MAX && PLAIN_NAME.test(value)) return value
  const match = HOST.exec(value)
  if (match === null || (match[3] !== undefined && match[3].length === 5 && match[3] > '65535')) return undefined
  const name = match[1]
  if (name !== undefined) return name.length > NAME_CHARS_MAX ? undefined : name.toLowerCase()
  const literal = match[2] as string
  return isIPv6(literal.slice(1, -1)) ? literal.toLowerCase() : undefined
}
