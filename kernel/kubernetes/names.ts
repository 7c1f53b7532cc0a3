import { createHash } from 'node:crypto'

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/
const LABEL_LENGTH_MAX = 63
const SUBDOMAIN_LENGTH_MAX = 253

/** True for a name that namespaces and Services may have (RFC 1123 label). */
export function isDnsLabel(text: string): boolean {
  return text.length <= LABEL_LENGTH_MAX && LABEL.test(text)
}

/** True for a name that most objects may have: labels joined by dots, 253 characters at most (RFC 1123 subdomain). */
export function isDnsSubdomain(text: string): boolean {
  return text.length <= SUBDOMAIN_LENGTH_MAX && text.split('.').every(label => LABEL.test(label))
}

/** True for what may stand as the value of a label. */
export function isLabelValue(text: string): boolean {
  return text.length <= LABEL_LENGTH_MAX && /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/.test(text)
}

/**
 * An object name for any text: the prefix, a hyphen, and 40 hex digits of the text's SHA-256. The same text gives the same name, so that
 * creating the object claims the text.
 */
export function hashName(prefix: string, text: string): string {
  return `${prefix}-${createHash('sha256').update(text).digest('hex').slice(0, 40)}`
}

/** Shortens a name so that a suffix fits behind it within 63 characters, without a hyphen at the cut. */
export function fitName(name: string, suffix: string): string {
  return name.slice(0, LABEL_LENGTH_MAX - suffix.length).replace(/[-.]+$/, '') + suffix
}
