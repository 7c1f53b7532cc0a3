import { domainToASCII } from 'node:url'

/**
 * A host as tables know it, out of what people and clients write: lower case, without port and trailing dot, Unicode names in their ASCII
 * form, an IPv6 literal in its brackets.
 *
 * @returns `''` for what is no host
 */
export function normalHost(text: string): string {
  const literal = /^(\[[0-9a-f:.]+\])(?::\d*)?$/i.exec(text)?.[1]
  if (literal) return literal.toLowerCase()
  const name = text.replace(/:\d*$/, '').replace(/\.$/, '')
  if (/^[\w.-]*$/.test(name)) return name.toLowerCase()
  return /[^\w.\-\u0080-\u{10ffff}]/u.test(name) ? '' : domainToASCII(name)
}
