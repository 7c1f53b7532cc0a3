import type { Fault } from './annotations.ts'
import type { App } from './app.ts'
import { type Claim, Claims } from './claims.ts'
import type { Dirty } from './dirty.ts'
import { References } from './references.ts'
import type { RouterAnnotations } from './settings.ts'
import type { RouteSpec } from './spec.ts'

const NOBODY: readonly App[] = []

/** Whose each domain is, and which apps take paths of it: what all apps want, kept so that a change costs what changed. */
export class Domains {
  readonly #claims = new Claims()
  /** Domain as written → apps that want it. */
  readonly #byDomain = new References()
  /** `proxyDomain` → apps that take paths of it. */
  readonly #byProxyDomain = new References()
  readonly #platform: string

  /** @param platform the namespace whose Services may take paths of any host */
  constructor(platform: string) {
    this.#platform = platform
  }

  /** Replaces what an app wants (none: nothing any more), and notes which patterns and domains may be another's now. */
  set(key: string, app: App | undefined, router: RouterAnnotations, dirty: Dirty): void {
    for (const pattern of this.#claims.set(key, app ? claimsOf(app, router) : new Map())) dirty.patterns.add(pattern)
    for (const domain of this.#byDomain.set(key, app?.domains ?? [])) dirty.domains.add(domain)
    for (const domain of this.#byProxyDomain.set(key, app?.proxyDomain ? [app.proxyDomain] : [])) dirty.domains.add(domain)
  }

  owner(pattern: string): Claim | undefined {
    return this.#claims.owner(pattern)
  }

  /** All who want a pattern, its owner first. */
  claimants(pattern: string): readonly Claim[] {
    return this.#claims.claimants(pattern)
  }

  /** What an app wants, whether it has it or not. */
  patternsOf(app: string): string[] {
    return this.#claims.of(app).map(([pattern]) => pattern)
  }

  /** The app that has a domain as it is written. */
  ownerOf(domain: string): string | undefined {
    for (const key of this.#byDomain.get(domain)) {
      for (const [pattern, claim] of this.#claims.of(key)) {
        if (claim.domain === domain && this.#claims.owner(pattern)?.app === key) return key
      }
    }
    return undefined
  }

  /** The apps that want paths of a domain, whether they may or not. */
  takersOf(domain: string): Iterable<string> {
    return this.#byProxyDomain.get(domain)
  }

  /** The apps that take paths of a host, the oldest first. */
  delegatesOf(host: App, apps: ReadonlyMap<string, App>): readonly App[] {
    const keys = new Set<string>()
    for (const domain of host.domains) {
      if (this.#byProxyDomain.has(domain) && this.ownerOf(domain) === host.key)
        for (const key of this.#byProxyDomain.get(domain)) keys.add(key)
    }
    if (keys.size === 0) return NOBODY
    return [...keys]
      .map(key => apps.get(key)!)
      .filter(delegate => delegate.key !== host.key && this.#mayDelegate(delegate, host))
      .sort((a, b) => (`${a.createdAt} ${a.key}` < `${b.createdAt} ${b.key}` ? -1 : 1))
  }

  /** What an app wants and another has. */
  conflicts(app: App): Fault[] {
    return this.#claims.of(app.key).flatMap(([pattern, { domain }]) => {
      const owner = this.#claims.owner(pattern)
      if (!owner || owner.app === app.key) return []
      return [{ key: 'domains', value: domain, message: `Cannot serve ${pattern}: the older Service ${owner.app} has it` }]
    })
  }

  /** Why an app does not have the paths that it wants. */
  delegationFaults(app: App, apps: ReadonlyMap<string, App>, routes: ReadonlyMap<string, RouteSpec>): Fault[] {
    const domain = app.proxyDomain
    if (domain === undefined) return []
    const host = apps.get(this.ownerOf(domain) ?? '')
    const fault = (value: string, message: string) => [{ key: 'proxyDomain', value, message }]
    if (!host) return fault(domain, `Cannot take paths of ${domain}: no app has it`)
    if (host.key === app.key) return fault(domain, 'Cannot take paths of a domain that is its own')
    if (!this.#mayDelegate(app, host)) return fault(domain, `Cannot take paths of ${domain}: it belongs to another namespace`)
    const locations = routes.get(host.key)?.locations ?? []
    return app.proxyLocations.flatMap(prefix => {
      const winner = locations.find(location => location.prefix === prefix)?.route
      if (!winner || (winner.namespace === app.namespace && winner.service === app.service)) return []
      const message = `Cannot serve ${prefix} of ${domain}: the older Service ${winner.namespace}/${winner.service} has it`
      return [{ key: 'proxyLocations', value: prefix, message }]
    })
  }

  /** A path of a host is given away by its own namespace or by the platform; else any tenant could take `/` of any other. */
  #mayDelegate(delegate: App, host: App): boolean {
    return delegate.namespace === host.namespace || delegate.namespace === this.#platform
  }
}

/** The patterns of an app's domains, contract 5.1 and 5.2. */
function claimsOf(app: App, { settings: { platformDomain }, enableRegexDomains }: RouterAnnotations): Map<string, Claim> {
  const claims = new Map<string, Claim>()
  const regexDomain = enableRegexDomains ? app.regexDomain : undefined
  const replaced = regexDomain === undefined ? undefined : app.domains.find(domain => regexDomain.includes(domain))
  for (const domain of app.domains) {
    const claim = { app: app.key, createdAt: app.createdAt, domain }
    if (domain === replaced) {
      claims.set(`${domain}.*`, claim)
      claims.set(`~^${regexDomain}\\.`, claim)
    } else if (domain.includes('.')) claims.set(domain, claim)
    else claims.set(platformDomain ? `${domain}.${platformDomain}` : `${domain}.*`, claim)
  }
  return claims
}
