// What stands in every head, whoever sends it: names are tokens (RFC 9110 §5.6.2), values visible ASCII, blanks and 0x80-0xff.
/** A field name, a method or a protocol, for a regular expression. */
export const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]"
/** A field value, or a reason phrase. */
export const VALUE = '[\\t\\x20-\\x7e\\x80-\\xff]*'

const DIGITS_MAX = 16
// Never removed because Connection names them: framing and Host belong to the message (RFC 9110 §7.6.1, CVE-2022-31813).
const END_TO_END = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'cache-control',
  'authorization',
  'cookie',
  'set-cookie',
  'content-type',
])

/** A name as cases name it. The usual spellings are known by themselves: a comparison costs less than to make a string and look it up. */
export function lowerCase(name: string): string {
  switch (name.length) {
    case 4:
      if (name === 'Host' || name === 'host') return 'host'
      break
    case 10:
      if (name === 'Connection' || name === 'connection') return 'connection'
      if (name === 'Keep-Alive' || name === 'keep-alive') return 'keep-alive'
      break
    case 14:
      if (name === 'Content-Length' || name === 'content-length') return 'content-length'
      break
    case 15:
      if (name === 'Accept-Encoding' || name === 'accept-encoding') return 'accept-encoding'
      break
    case 17:
      if (name === 'Transfer-Encoding' || name === 'transfer-encoding') return 'transfer-encoding'
      break
    default:
  }
  return name.toLowerCase()
}

/** Digits as a number; NaN when they are none, or too many. */
export function readNumber(text: string): number {
  const { length } = text
  if (length === 0 || length > DIGITS_MAX) return Number.NaN
  let value = 0
  for (let index = 0; index < length; index++) {
    const digit = text.charCodeAt(index) - 48
    if (digit < 0 || digit > 9) return Number.NaN
    value = value * 10 + digit
  }
  return value
}

/**
 * Not String.trim(): that also takes 0xa0, which is no blank in HTTP, and would make two names of one. And no regular expression: one
 * that looks for blanks at the end begins anew at each blank before it, and 128 KB of them take half a minute.
 */
export function withoutTrailingBlanks(value: string): string {
  let end = value.length
  while (end > 0 && (value.charCodeAt(end - 1) === 32 || value.charCodeAt(end - 1) === 9)) end--
  return end === value.length ? value : value.slice(0, end)
}

/** The same at both ends. */
export function withoutBlanks(value: string): string {
  let start = 0
  while (start < value.length && (value.charCodeAt(start) === 32 || value.charCodeAt(start) === 9)) start++
  return withoutTrailingBlanks(start === 0 ? value : value.slice(start))
}

/** Whether Connection, in lower case and split at its commas, names an option. */
export function hasOption(options: readonly string[], wanted: string): boolean {
  return options.some(option => option === wanted || withoutBlanks(option) === wanted)
}

/** Lines without those that Connection names, in one pass: a client may name thousands. */
export function withoutNamed(fields: string, options: readonly string[]): string {
  const named = new Set<string>()
  for (const option of options) {
    const name = withoutBlanks(option)
    if (name !== '' && name !== 'close' && name !== 'keep-alive' && name !== 'upgrade' && !END_TO_END.has(name)) named.add(name)
  }
  if (named.size === 0) return fields
  const lines = fields.split('\r\n')
  return lines.filter(line => !named.has(line.slice(0, line.indexOf(':')).toLowerCase())).join('\r\n')
}

const VALUE_OF = new Map<string, RegExp>()
// Names stand in annotations too, and those come and go.
const VALUE_OF_MAX = 1000

/** The value of one header line of a raw head, for pages and the log; '' when there is none. `name` is one of ours, never a peer's. */
export function headValue(head: string, name: string): string {
  let pattern = VALUE_OF.get(name)
  if (pattern === undefined) {
    pattern = new RegExp(`\\r\\n${name}:[\\t ]*([^\\r]*)`, 'i')
    if (VALUE_OF.size === VALUE_OF_MAX) VALUE_OF.clear()
    VALUE_OF.set(name, pattern)
  }
  const match = pattern.exec(head)
  return match === null ? '' : withoutTrailingBlanks(match[1] as string)
}
