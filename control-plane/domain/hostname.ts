import { domainToASCII } from 'node:url'
import { invalid } from './refusal.ts'
import { timestamp } from './timestamp.ts'

/** A host name under which an app answers. `certificate` names the one attached to it. */
export interface Domain {
  readonly domain: string
  readonly app: string
  readonly owner: string
  readonly certificate?: string
  /** Added when a client asked for it, not by a person: it goes when its certificate cannot be had. */
  readonly onDemand?: true
  readonly created: string
  readonly updated: string
}

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i
const NAME_LENGTH_MAX = 253

/** Of an app. All of them stand in one annotation, with their certificates in another; all annotations of a Service hold 256 KiB together. */
export const DOMAINS_MAX = 256

/**
 * Reads a host name as a person writes it: one trailing dot goes, letters beyond ASCII become A-labels, a leading `*.` may stay.
 *
 * @returns the name in ASCII, its letters' case kept
 * @throws {Refusal} 400 under `domain`
 */
export function parseHostname(text: string): string {
  if (!text) throw invalid('domain', 'This field may not be blank.')
  // UTS 46 maps nothing to something longer than four times its length; a name beyond that is refused before it costs time.
  if (text.length > 4 * NAME_LENGTH_MAX) throw invalid('domain', `Hostname must be ${NAME_LENGTH_MAX} characters or less.`)
  const name = text.replace(/\.$/, '')
  if (name === '*') throw invalid('domain', "Hostname can't only be a wildcard")
  const labels = name.split('.')
  const ascii = labels.map((label, place) => (place === 0 && label === '*' ? label : toAscii(label))).join('.')
  if (ascii.length > NAME_LENGTH_MAX) throw invalid('domain', `Hostname must be ${NAME_LENGTH_MAX} characters or less.`)
  if (/^\d+$/.test(ascii.slice(ascii.lastIndexOf('.') + 1))) throw invalid('domain', 'Hostname does not look valid.')
  return ascii
}

/**
 * The form in which two spellings of one host are equal: lower case, and a name straight under the platform domain without it.
 *
 * @param platformDomain the domain under which every app has its name
 */
export function canonicalHost(domain: string, platformDomain: string): string {
  const lower = domain.toLowerCase()
  const suffix = `.${platformDomain.toLowerCase()}`
  const head = lower.endsWith(suffix) ? lower.slice(0, -suffix.length) : lower
  return LABEL.test(head) ? head : lower
}

/** True when one of the two is a wildcard that covers the other; both in canonical form. */
export function overlaps(a: string, b: string): boolean {
  const covers = (wildcard: string, host: string) =>
    wildcard.startsWith('*.') && host.includes('.') && host.slice(host.indexOf('.')) === wildcard.slice(1)
  return a === b || covers(a, b) || covers(b, a)
}

/** The domain as the API shows it: no uuid. */
export function showDomain(domain: Domain) {
  return {
    owner: domain.owner,
    created: timestamp(domain.created),
    updated: timestamp(domain.updated),
    app: domain.app,
    domain: domain.domain,
    ...(domain.onDemand && { on_demand: true }),
  }
}

function toAscii(label: string): string {
  const ascii = /^[\x00-\x7f]*$/.test(label) ? label : domainToASCII(label)
  const isReserved = ascii.slice(2, 4) === '--' && !/^xn--/i.test(ascii)
  const isPunycode = !/^xn--/i.test(ascii) || domainToASCII(ascii) !== ''
  if (!LABEL.test(ascii) || isReserved || !isPunycode)
    throw invalid('domain', `Hostname does not look valid, could not convert to ACE ${label.slice(0, 80)}`)
  return ascii
}
