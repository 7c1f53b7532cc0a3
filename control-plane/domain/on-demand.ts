import { isIP } from 'node:net'
import type { App } from './app.ts'
import { DOMAINS_MAX, type Domain } from './hostname.ts'
import { invalid } from './refusal.ts'

/** What the operator grants of certificates for names that clients ask for first. */
export interface OnDemandMode {
  readonly isOn: boolean
  /** Asked for each name of every app; absent: each app has a hook of its own. */
  readonly askUrl?: string
  /** The app that gets the names which nobody has claimed. */
  readonly anyNameApp?: string
}

/** For which names: those within the app's wildcards, or all that nobody has claimed as well. */
export type OnDemandNames = 'own' | 'any'

const ASK_LENGTH_MAX = 1024
/** Whoever makes up names leaves room for those that a person adds. */
export const ON_DEMAND_DOMAINS_MAX = 200

/** For which names an app gets certificates on demand; never without somebody to ask. */
export function onDemandOf({ id, deleting, tls }: App, { isOn, askUrl, anyNameApp }: OnDemandMode): OnDemandNames | undefined {
  const hasHook = askUrl !== undefined || Boolean(tls.on_demand_ask)
  if (!isOn || deleting || tls.certs_on_demand !== true || !hasHook) return undefined
  return id === anyNameApp ? 'any' : 'own'
}

/**
 * Whose a name would be that is no domain yet: of the app with the longest wildcard above it, at any depth, as the router finds it; else of the
 * one that gets those which nobody has claimed.
 */
export function appOfName(name: string, find: (domain: string) => Domain | undefined, anyNameApp: string | undefined): string | undefined {
  for (let dot = name.indexOf('.'); dot > 0; dot = name.indexOf('.', dot + 1)) {
    const wildcard = find(`*${name.slice(dot)}`)
    if (wildcard) return wildcard.app
  }
  return anyNameApp
}

/** Whether an app may have one more domain that came on demand. @param domains those that it has */
export function hasRoom(domains: readonly Domain[]): boolean {
  return domains.length < DOMAINS_MAX && domains.filter(({ onDemand }) => onDemand).length < ON_DEMAND_DOMAINS_MAX
}

/**
 * Reads the address of an app's own hook: a path of the app itself, or an https URL of the public internet.
 *
 * @throws {Refusal} 400 under `on_demand_ask`
 */
export function readAsk(text: string): string {
  if (text === '') return text
  if (text.length > ASK_LENGTH_MAX) throw invalid('on_demand_ask', `Ensure this field has no more than ${ASK_LENGTH_MAX} characters.`)
  if (/^\/(?![/\\])[\x21-\x7e]*$/.test(text)) return text
  const { protocol, hostname, username, password } = URL.parse(text) ?? {}
  const isName = hostname?.includes('.') === true && isIP(hostname.replace(/^\[|\]$/g, '')) === 0
  if (protocol !== 'https:' || !isName || username !== '' || password !== '')
    throw invalid('on_demand_ask', 'Write a path of the app as /may-have-certificate, or an address as https://example.com/may')
  return text
}
