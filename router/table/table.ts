import { RE2JS } from 're2js'
import type { Certificate } from '../tls/certificates.ts'
import { TLS_POLICIES } from '../tls/policies.ts'
import { Loads } from './app-load.ts'
import { ClaimedHost } from './claimed-host.ts'
import type { Credentials } from './credentials.ts'
import { type EdgeSpec, reviveEdge } from './edge.ts'
import { ErrorPages } from './error-pages.ts'
import {
  addressMatcher,
  DEFAULT_SETTINGS,
  locate,
  type Policy,
  type Route,
  type RouterSettings,
  type RouteTable,
  remembering,
} from './route.ts'
import { SharedMap } from './shared-map.ts'
import type { HostSpec, PolicySpec, RouteSpec, SettingsSpec, StapleSpec, TableDelta, TlsSettings } from './spec.ts'
import { reviveSteering } from './steering.ts'
import { upstreamEndpoints } from './upstream-tls.ts'

/** How a table came to its answer. */
export interface Match {
  readonly pattern: string
  readonly host: HostSpec
  readonly route: Route
}

/**
 * The table of a worker. It never changes: a delta makes another one that shares all the rest.
 *
 * As in nginx an exact host goes before the longest wildcard, that before the longest prefix (`shop.*`), that before the first regular
 * expression in the order of their text.
 */
export class Table implements RouteTable {
  readonly version: number
  readonly settings: RouterSettings
  readonly tls: TlsSettings
  readonly git: Route | undefined
  readonly challenge: RouteTable['challenge']
  /** Whether a certificate may be asked for that a name has not got; absent while no app wants that. */
  readonly mayAskFor: ((name: string) => boolean) | undefined
  readonly #parts: Parts

  constructor(parts: Parts = EMPTY) {
    this.#parts = parts
    this.version = parts.version
    this.settings = parts.settings
    this.tls = parts.tls
    this.git = parts.git
    if (parts.onDemand.size > 0) this.mayAskFor = name => this.#mayAskFor(name)
    if (parts.challenged.size > 0)
      this.challenge = domain => this.explain(domain)?.route.policy.edge?.challenges?.find(challenge => challenge.domain === domain)
  }

  get hostCount(): number {
    return this.#parts.hosts.size
  }

  /** The route of an app by its key. */
  route(key: string): Route | undefined {
    return this.#parts.routes.get(key)
  }

  match(host: string, target: string): Route | undefined {
    const { hosts, routes } = this.#parts
    const exact = hosts.get(host)
    const route = exact ? exact.route(routes) : this.explain(host)?.route
    return route && locate(route, target)
  }

  /** The same answer with its reason, before the path is looked at. */
  explain(host: string): Match | undefined {
    const { hosts, routes } = this.#parts
    const pattern = hosts.get(host) ? host : this.#findPattern(host)
    const spec = pattern === undefined ? undefined : hosts.get(pattern)
    const route = spec?.route(routes)
    return route && { pattern: pattern!, host: spec!, route }
  }

  /**
   * The certificate to show for a server name: its own, or else the router's.
   *
   * @returns `undefined` when there is neither
   */
  certificate(serverName: string): Certificate | undefined {
    return this.certificates(serverName)[0]
  }

  /** As {@link certificate}, and those of other kinds of keys. */
  certificates(serverName: string): readonly Certificate[] {
    const { hosts, certificates, defaultCertificate } = this.#parts
    const pattern = hosts.get(serverName) ? serverName : this.#findPattern(serverName)
    const keys = (pattern === undefined ? undefined : hosts.get(pattern)?.certificate)?.split(' ') ?? []
    const own = keys.flatMap(key => certificates.get(key) ?? [])
    if (own.length > 0) return own
    const other = certificates.get(defaultCertificate ?? '')
    return other ? [other] : []
  }

  /** Whether any app claims a name. */
  knows(serverName: string): boolean {
    return this.#parts.hosts.get(serverName) !== undefined || this.#findPattern(serverName) !== undefined
  }

  /** Whether a certificate for just this name has come. */
  isCertified(name: string): boolean {
    return this.#parts.hosts.get(name)?.certificate !== undefined
  }

  #mayAskFor(name: string): boolean {
    const found = this.explain(name)
    if (found === undefined) return this.#parts.anyName.size > 0
    return found.pattern !== name && found.host.certificate === undefined && found.route.policy.edge?.onDemand !== undefined
  }

  /** Both are claimed, in different namespaces, and different certificates are shown for them. */
  misdirects(serverName: string, host: string): boolean {
    const named = this.explain(serverName)?.route.namespace
    const asked = this.explain(host)?.route.namespace
    if (named === undefined || asked === undefined || named === asked) return false
    return this.certificate(serverName) !== this.certificate(host)
  }

  /** The certificate for clients that name no server. */
  get defaultCertificate(): Certificate | undefined {
    return this.#parts.certificates.get(this.#parts.defaultCertificate ?? '')
  }

  /** The OCSP response for a certificate, by its {@link stapleKey}; it may have ended. */
  staple(key: string): StapleSpec | undefined {
    return this.#parts.staples.get(key)
  }

  get stapleCount(): number {
    return this.#parts.staples.size
  }

  credentials(secret: string): Credentials | undefined {
    return this.#parts.credentials.get(secret)
  }

  pages(configMap: string): ErrorPages | undefined {
    return this.#parts.pages.get(configMap)
  }

  apply(delta: TableDelta): Table {
    if (delta.endpoints) return this.#moveEndpoints(delta.version, delta.endpoints)
    const before = delta.whole ? EMPTY : this.#parts
    const loads = new Loads(this.#parts.routes)
    const hosts = before.hosts.with(delta.hosts.map(([pattern, host]) => [pattern, host ? new ClaimedHost(host) : undefined]))
    const patterns = delta.hosts.some(([pattern]) => isSpecial(pattern)) ? sortPatterns(before, delta.hosts) : before.patterns
    return new Table({
      version: delta.version,
      hosts,
      patterns,
      challenged: note(before.challenged, delta, edge => edge?.challenges !== undefined),
      onDemand: note(before.onDemand, delta, edge => edge?.onDemand !== undefined),
      anyName: note(before.anyName, delta, edge => edge?.onDemand === 'any'),
      routes: before.routes.with(delta.routes.map(([key, route]) => [key, route ? reviveRoute(route, loads, key) : undefined])),
      certificates: before.certificates.with(delta.certificates.map(([key, certificate]) => [key, certificate ?? undefined])),
      settings: delta.settings ? reviveSettings(delta.settings, loads) : before.settings,
      credentials: before.credentials.with((delta.credentials ?? []).map(([key, credentials]) => [key, credentials ?? undefined])),
      pages: before.pages.with((delta.pages ?? []).map(([key, pages]) => [key, pages ? new ErrorPages(pages) : undefined])),
      staples: before.staples.with((delta.staples ?? []).map(([key, staple]) => [key, staple ? reviveStaple(staple) : undefined])),
      tls: delta.settings?.tls ?? before.tls,
      git: delta.git === undefined ? before.git : delta.git ? reviveRoute(delta.git, loads) : undefined,
      defaultCertificate: delta.defaultCertificate === undefined ? before.defaultCertificate : delta.defaultCertificate,
    })
  }

  /** Only routes without steering, and of the usual protocol, are told so; see {@link TableDelta.endpoints}. */
  #moveEndpoints(version: number, moved: NonNullable<TableDelta['endpoints']>): Table {
    const { routes } = this.#parts
    const changes: (readonly [key: string, route: Route])[] = []
    for (const [key, endpoints] of moved) {
      const before = routes.get(key)
      if (!before) continue
      const { app, load, policy, locations, namespace, service } = before
      changes.push([key, { app, load, policy, endpoints, locations, namespace, service }])
    }
    return new Table({ ...this.#parts, version, routes: routes.with(changes) })
  }

  #findPattern(host: string): string | undefined {
    const { hosts, patterns } = this.#parts
    if (patterns.wildcardCount > 0) {
      for (let dot = host.indexOf('.'); dot > 0; dot = host.indexOf('.', dot + 1)) {
        const pattern = `*${host.slice(dot)}`
        if (hosts.get(pattern)) return pattern
      }
    }
    if (patterns.prefixCount > 0) {
      for (let dot = host.lastIndexOf('.'); dot > 0; dot = host.lastIndexOf('.', dot - 1)) {
        const pattern = `${host.slice(0, dot)}.*`
        if (hosts.get(pattern)) return pattern
      }
    }
    if (host === '') return undefined
    return patterns.expressions.find(({ expression }) => expression.test(host))?.pattern
  }
}

interface Parts {
  readonly version: number
  /** The keys of routes with domains at which an authority will look. */
  readonly challenged: ReadonlySet<string>
  /** Those of apps that get certificates on demand, and of these those that take any name. */
  readonly onDemand: ReadonlySet<string>
  readonly anyName: ReadonlySet<string>
  readonly hosts: SharedMap<ClaimedHost>
  readonly patterns: Patterns
  readonly routes: SharedMap<Route>
  readonly certificates: SharedMap<Certificate>
  readonly pages: SharedMap<ErrorPages>
  readonly credentials: SharedMap<Credentials>
  readonly staples: SharedMap<StapleSpec>
  readonly settings: RouterSettings
  readonly tls: TlsSettings
  readonly git: Route | undefined
  readonly defaultCertificate: string | null
}

/** What must be searched because it cannot be looked up. */
interface Patterns {
  readonly wildcardCount: number
  readonly prefixCount: number
  readonly expressions: readonly { readonly pattern: string; readonly expression: RE2JS }[]
}

const EMPTY: Parts = {
  version: 0,
  challenged: new Set(),
  onDemand: new Set(),
  anyName: new Set(),
  hosts: SharedMap.empty(),
  patterns: { wildcardCount: 0, prefixCount: 0, expressions: [] },
  routes: SharedMap.empty(),
  certificates: SharedMap.empty(),
  pages: SharedMap.empty(),
  credentials: SharedMap.empty(),
  staples: SharedMap.empty(),
  settings: DEFAULT_SETTINGS,
  tls: { policy: 'intermediate', ...TLS_POLICIES.intermediate, unknownNames: 'default', sessionTickets: true, sessionTimeoutSeconds: 600 },
  git: undefined,
  defaultCertificate: null,
}

function note(before: ReadonlySet<string>, { routes }: TableDelta, isNoted: (edge: EdgeSpec | undefined) => boolean): ReadonlySet<string> {
  const changed = routes.filter(([key, route]) => isNoted(route?.policy.edge) !== before.has(key))
  if (changed.length === 0) return before
  const now = new Set(before)
  for (const [key] of changed) if (!now.delete(key)) now.add(key)
  return now
}

function isSpecial(pattern: string): boolean {
  return pattern.includes('*') || pattern.startsWith('~')
}

function sortPatterns({ hosts, patterns }: Parts, changes: TableDelta['hosts']): Patterns {
  let { wildcardCount, prefixCount } = patterns
  const expressions = new Map(patterns.expressions.map(entry => [entry.pattern, entry]))
  for (const [pattern, host] of changes) {
    const growth = Number(host !== null) - Number(hosts.get(pattern) !== undefined)
    if (pattern.startsWith('~')) {
      if (host === null) expressions.delete(pattern)
      else if (!expressions.has(pattern)) expressions.set(pattern, { pattern, expression: RE2JS.compile(pattern.slice(1)) })
    } else if (pattern.startsWith('*.')) wildcardCount += growth
    else if (pattern.endsWith('.*')) prefixCount += growth
  }
  // By their text, so that every worker asks them in the same order whenever it began.
  return { wildcardCount, prefixCount, expressions: [...expressions.values()].sort((a, b) => (a.pattern < b.pattern ? -1 : 1)) }
}

/** One for all: whoever looks at it looks at what the processor still knows. */
const NO_LOCATIONS: Route['locations'] = []

/** @param path what of its host it serves */
function reviveRoute(spec: RouteSpec, loads: Loads, host?: string, path = '/'): Route {
  const { app, namespace, service, steering, upstreamTls, upstreamHttp2 } = spec
  const locations =
    spec.locations.length === 0
      ? NO_LOCATIONS
      : spec.locations.map(({ prefix, route }) => ({ prefix, route: reviveRoute(route, loads, host, prefix) }))
  const endpoints = upstreamEndpoints(spec.endpoints, { ...(upstreamTls && { upstreamTls }), ...(upstreamHttp2 && { upstreamHttp2 }) })
  // Named one by one: V8 then keeps them in one place, and nearly every request looks at nearly all of them.
  const route: Route = { app, load: loads.of(spec, host), policy: revivePolicy(spec.policy), endpoints, locations, namespace, service }
  return steering ? { ...route, steering: reviveSteering(steering, endpoints, path) } : route
}

function revivePolicy(spec: PolicySpec): Policy {
  const { allow, edge, ...policy } = spec
  // Most apps share one that was sent once.
  if (allow === undefined && edge === undefined) return spec as Omit<PolicySpec, 'allow' | 'edge'>
  return { ...policy, ...(allow && { allow: addressMatcher(allow) }), ...(edge && { edge: reviveEdge(edge) }) }
}

function reviveSettings({ trusted, gzip, defaultService, tls: _tls, ...settings }: SettingsSpec, loads: Loads): RouterSettings {
  return {
    ...settings,
    trusted: remembering(addressMatcher(trusted)),
    // One that an older version kept on disk does not say all.
    gzip: { ...DEFAULT_SETTINGS.gzip, ...gzip, types: new Set(gzip.types) },
    ...(defaultService && { defaultService: reviveRoute(defaultService, loads) }),
  }
}

/** A copy: what came by a message is a part of it, and would keep all of it in memory. */
function reviveStaple({ response, validUntilMs }: StapleSpec): StapleSpec {
  return { response: new Uint8Array(response), validUntilMs }
}
