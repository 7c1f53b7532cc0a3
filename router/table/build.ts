import { isDeepStrictEqual } from 'node:util'
import type { ConfigMap, Secret, Service } from 'kubernetes-types/core/v1'
import type { EndpointSlice } from 'kubernetes-types/discovery/v1'
import { keyOf, type Stored } from '../../kernel/kubernetes/objects.ts'
import type { Certificate } from '../tls/certificates.ts'
import type { Fault } from './annotations.ts'
import { type App, readApp } from './app.ts'
import { CertificateStore, type CertificateStoreOptions } from './certificate-store.ts'
import { type Claim, Claims } from './claims.ts'
import { CredentialStore } from './credential-store.ts'
import { delegateEdge } from './edge.ts'
import { areSame, readEndpoints } from './endpoints.ts'
import { buildGitRoute } from './git-route.ts'
import { PageStore } from './page-store.ts'
import { buildRoute, delegatePaths } from './policy.ts'
import { References } from './references.ts'
import type { Endpoint } from './route.ts'
import { type RouterAnnotations, readSettings } from './settings.ts'
import { shared } from './shared-values.ts'
import type { HostSpec, RouteSpec, SettingsSpec, TableDelta } from './spec.ts'
import { buildUpstreamTls } from './upstream-tls.ts'

/** The part of the cluster that routes are made of, as it stands at one moment. */
export interface Snapshot {
  /** A routable Service. */
  service(key: string): Stored<Service> | undefined
  /** The slices of any Service. */
  slices(service: string): readonly EndpointSlice[]
  secret(key: string): Secret | undefined
  /** With pages; absent: there are none. */
  configMap?(key: string): ConfigMap | undefined
  /** The annotations of the router's own Deployment. */
  readonly router: Readonly<Record<string, string>> | undefined
  /** The Service of the builder. */
  readonly builder: Stored<Service> | undefined
}

/** The keys of what may have changed since the last build. */
export interface Changes {
  readonly services: ReadonlySet<string>
  /** Keys of Services whose slices changed. */
  readonly slices: ReadonlySet<string>
  readonly secrets: ReadonlySet<string>
  readonly configMaps?: ReadonlySet<string>
  readonly router: boolean
  readonly builder: boolean
  /** Whether more of them waits: what looks like a fault may be healed by the rest. */
  readonly isPart?: true
}

/** A change of Secrets alone: of what is known of them, where they themselves are as they were. */
export function secretChanges(secrets: Iterable<string>): Changes {
  return { services: new Set(), slices: new Set(), secrets: new Set(secrets), router: false, builder: false }
}

export interface BuildResult {
  /** Whether {@link TableBuilder.wantedSecrets} may be others now. */
  readonly areSecretsOthers: boolean
  /** Whether {@link TableBuilder.wantedPages} may be others now. */
  readonly arePagesOthers?: true
  /** Absent when nothing that matters changed. */
  readonly delta?: TableDelta
  /** The objects whose faults are others now, with all that they have; none: healed. The router's own stand under `''`. */
  readonly faults: readonly (readonly [service: string, faults: readonly Fault[]])[]
}

/** A line of `/routes`. */
export interface AppReport {
  readonly service: string
  readonly app: string
  readonly hosts: readonly string[]
  readonly route: RouteSpec | undefined
  readonly faults: readonly Fault[]
  readonly ignored: readonly string[]
}

/** Which lines of `/routes`, in the order of their keys. */
export interface ReportFilter {
  readonly app?: string
  readonly service?: string
  /** Only those that have any. */
  readonly faults?: boolean
  /** The key of the last line of the page before. */
  readonly after?: string
  readonly limit?: number
}

export interface Report {
  readonly router: Pick<RouterAnnotations, 'faults' | 'ignored'>
  readonly apps: readonly AppReport[]
  /** After which key the next page begins; absent: this is the last. */
  readonly next?: string
}

/** `namespace`, the router's own, is also whose Services may take paths of any host. */
export interface BuilderOptions extends CertificateStoreOptions {
  /** The version of the table before this builder's first. */
  readonly version?: number
}

/** Of an app that gives no path away. */
const NO_LOCATIONS: RouteSpec['locations'] = Object.freeze([])

const NO_DELEGATES: readonly App[] = []

/** The key of the router's own faults. */
const ROUTER = ''

/**
 * Makes routes out of Services, EndpointSlices and Secrets. It does nothing but that: given the same snapshot it comes to the same table,
 * in whatever order changes were told; and a change costs what changed, not what stands.
 */
export class TableBuilder {
  readonly #options: BuilderOptions
  readonly #apps = new Map<string, App>()
  /** The Services as they stood when their apps were read. */
  readonly #sources = new Map<string, Stored<Service>>()
  readonly #bases = new Map<string, RouteSpec>()
  readonly #claims = new Claims()
  /** Domain as written → apps that want it. */
  readonly #byDomain = new References()
  /** `proxyDomain` → apps that take paths of it. */
  readonly #byProxyDomain = new References()
  /** Key of a Service → apps that give it a share of their requests. */
  readonly #byCanary = new References()
  /** Key of a Secret → apps whose certificates its authority has signed. */
  readonly #byAuthority = new References()
  readonly #certificates: CertificateStore
  readonly #pages = new PageStore()
  readonly #credentials = new CredentialStore()
  readonly #routes = new Map<string, RouteSpec>()
  readonly #hosts = new Map<string, HostSpec>()
  readonly #faults = new Map<string, readonly Fault[]>()
  /** Objects that could not be read at all; what they last said still counts. */
  readonly #broken = new Map<string, Fault>()
  #router: RouterAnnotations
  #settings: SettingsSpec | undefined
  #git: RouteSpec | null = null
  #gitFaults: readonly Fault[] = []
  /** Of the builder's Service. */
  #gitKey: string | undefined
  #defaultCertificate: string | null = null
  #version: number

  constructor(options: BuilderOptions) {
    this.#options = options
    this.#certificates = new CertificateStore(options)
    this.#router = readSettings(undefined, options.family)
    this.#version = options.version ?? 0
  }

  /** Brings the table up to a snapshot. `changes` may name more than what changed, never less. */
  build(snapshot: Snapshot, changes: Changes): BuildResult {
    return this.#moveEndpoints(snapshot, changes) ?? this.#build(snapshot, changes)
  }

  /** The short way for what most changes are: pods that come and go. @returns `undefined` where more than endpoints may be other ones */
  #moveEndpoints(snapshot: Snapshot, changes: Changes): BuildResult | undefined {
    if (!isOfSlices(changes)) return undefined
    const endpoints: (readonly [app: string, endpoints: readonly Endpoint[]])[] = []
    for (const key of changes.slices) {
      const service = snapshot.service(key)
      const base = this.#bases.get(key)
      // Most Services of a cluster are none of ours.
      if (!service && !base && key !== this.#gitKey) continue
      if (!service || !base || this.#sources.get(key) !== service || !this.#standsAlone(key)) return undefined
      const now = readSafely(service, snapshot.slices(key))
      if (!now) return undefined
      if (!areSame(now, base.endpoints)) endpoints.push([key, now])
    }
    for (const [key, now] of endpoints) {
      const route = { ...this.#bases.get(key)!, endpoints: now }
      this.#bases.set(key, route)
      this.#routes.set(key, route)
    }
    const delta = { version: this.#version + 1, whole: false, routes: [], hosts: [], certificates: [], endpoints }
    if (endpoints.length === 0) return { faults: [], areSecretsOthers: false }
    this.#version++
    return { delta, faults: [], areSecretsOthers: false }
  }

  /** Whether an app's route is made of its own Service and slices, and of nothing else, and is nothing else. */
  #standsAlone(key: string): boolean {
    const app = this.#apps.get(key)!
    const route = this.#routes.get(key)
    return (
      route !== undefined &&
      route.locations.length === 0 &&
      route.steering === undefined &&
      app.protocol === undefined &&
      app.proxyDomain === undefined &&
      !this.#byCanary.has(key) &&
      !this.#broken.has(key) &&
      key !== this.#router.defaultServiceKey &&
      key !== this.#gitKey
    )
  }

  #build(snapshot: Snapshot, changes: Changes): BuildResult {
    const dirty = new Dirty()
    if (changes.router) this.#readRouter(snapshot, dirty)
    const signed = [...changes.secrets].flatMap(secret => [...this.#byAuthority.get(secret)])
    for (const key of new Set([...changes.services, ...changes.slices, ...signed])) this.#readApp(snapshot, key, dirty)
    const { certificates, credentials } = this.#readSecrets(snapshot, changes.secrets, dirty)
    const pages = this.#readPages(snapshot, changes.configMaps, dirty)
    const hosts = this.#assignHosts(dirty)
    const routes = this.#linkRoutes(dirty)
    const settings = dirty.faults.has(ROUTER) || this.#settings === undefined ? this.#resolveSettings() : undefined
    const defaultCertificate = this.#chooseDefaultCertificate()
    const git =
      changes.builder || (snapshot.builder && changes.slices.has(keyOf(snapshot.builder))) ? this.#readGit(snapshot, dirty) : undefined
    const delta = {
      routes,
      hosts,
      certificates,
      ...(settings && { settings }),
      ...(defaultCertificate !== undefined && { defaultCertificate }),
      ...(git !== undefined && { git }),
      ...(pages.length > 0 && { pages }),
      ...(credentials.length > 0 && { credentials }),
    }
    const isChanged = routes.length + hosts.length + certificates.length > 0 || Object.keys(delta).length > 3
    const faults = this.#collectFaults(dirty)
    const areSecretsOthers = dirty.secrets.size > 0
    return {
      ...(isChanged && { delta: { version: ++this.#version, whole: false, ...delta } }),
      faults,
      areSecretsOthers,
      ...(dirty.pages.size > 0 && { arePagesOthers: true as const }),
    }
  }

  /** Everything, for a worker that begins. */
  whole(): TableDelta {
    return {
      version: this.#version,
      whole: true,
      settings: this.#settings ?? this.#router.settings,
      routes: [...this.#routes],
      hosts: [...this.#hosts],
      certificates: this.#certificates.all(),
      pages: this.#pages.all(),
      credentials: this.#credentials.all(),
      git: this.#git,
      defaultCertificate: this.#defaultCertificate,
    }
  }

  /** The Secrets that routes name, whether they exist or not. */
  wantedSecrets(): ReadonlySet<string> {
    return new Set([...this.#certificates.wanted(), ...this.#byAuthority.things(), ...this.#credentials.wanted()])
  }

  /** The ConfigMaps that routes and the router name, whether they exist or not. */
  wantedPages(): ReadonlySet<string> {
    return this.#pages.wanted()
  }

  get router(): RouterAnnotations {
    return this.#router
  }

  /** Whether there has been a first build. */
  get isBuilt(): boolean {
    return this.#settings !== undefined
  }

  /** The annotations without effect on the objects of a build. */
  ignored({ services, router }: Changes): readonly string[] {
    const names = [...services].flatMap(key => this.#apps.get(key)?.ignored ?? [])
    return router ? [...this.#router.ignored, ...names] : names
  }

  get version(): number {
    return this.#version
  }

  get routeCount(): number {
    return this.#routes.size
  }

  /** The certificates that are in use, the platform's included. */
  certificates(): readonly (readonly [secret: string, certificate: Certificate])[] {
    return this.#certificates.current()
  }

  get faultCount(): number {
    return this.#faults.size
  }

  /** The whole table for people, faults included. */
  report(wanted: ReportFilter = {}): Report {
    const after = wanted.after ?? ''
    const keys = [...this.#apps.values()]
      .filter(({ key, name }) => key > after && key === (wanted.service ?? key) && name === (wanted.app ?? name))
      .filter(({ key }) => !wanted.faults || this.#faults.has(key))
      .map(({ key }) => key)
      .sort()
    const limit = wanted.limit ?? keys.length
    const apps = keys.slice(0, limit).map(key => this.#report(this.#apps.get(key)!))
    return {
      router: { faults: this.#faults.get(ROUTER) ?? [], ignored: this.#router.ignored },
      apps,
      ...(keys.length > limit && { next: keys[limit - 1]! }),
    }
  }

  /** All who want a pattern of hosts, its owner first. */
  claimants(pattern: string): readonly Claim[] {
    return this.#claims.claimants(pattern)
  }

  /** The faults of every object that has any, `''` is the router. */
  faults(): ReadonlyMap<string, readonly Fault[]> {
    return this.#faults
  }

  #report(app: App): AppReport {
    return {
      service: app.key,
      app: app.name,
      hosts: this.#patternsOf(app.key).filter(pattern => this.#claims.owner(pattern)?.app === app.key),
      route: this.#routes.get(app.key),
      faults: this.#faults.get(app.key) ?? [],
      ignored: app.ignored,
    }
  }

  #patternsOf(app: string): string[] {
    return this.#claims.of(app).map(([pattern]) => pattern)
  }

  #readRouter(snapshot: Snapshot, dirty: Dirty): void {
    const was = this.#router
    this.#router = readSettings(snapshot.router, this.#options.family, was, this.#options.namespace)
    for (const key of this.#pages.name(ROUTER, this.#router.settings.pages)) dirty.pages.add(key)
    dirty.faults.add(ROUTER)
    const shared = ({ policy, enableRegexDomains, settings }: RouterAnnotations) => [policy, enableRegexDomains, settings.platformDomain]
    if (!isDeepStrictEqual(shared(this.#router), shared(was)))
      for (const key of this.#apps.keys()) this.#readApp(snapshot, key, dirty, true)
  }

  /** @param areRulesOthers the router reads annotations otherwise than before */
  #readApp(snapshot: Snapshot, key: string, dirty: Dirty, areRulesOthers = false): void {
    const service = snapshot.service(key)
    const before = this.#apps.get(key)
    if (this.#broken.delete(key)) dirty.faults.add(key)
    if (!service && !before) return
    let app: App | undefined
    let base: RouteSpec | undefined
    let isSame = false
    try {
      isSame = service !== undefined && before !== undefined && this.#sources.get(key) === service && !areRulesOthers
      app = isSame ? before : service && readApp(service, this.#options.family, before)
      base = service && app && buildRoute(app, readEndpoints(service, snapshot.slices(key), 80), this.#router.policy)
      if (app && base) base = withProtocol(base, app, snapshot)
      if (base) base = { ...base, policy: shared(base.policy), locations: NO_LOCATIONS }
    } catch (error) {
      // What the API server checks, a folder of manifests does not: an object of another shape must hurt nobody but itself.
      this.#broken.set(key, { key: 'object', value: '', message: `Cannot read the Service or its slices: ${(error as Error).message}` })
      dirty.faults.add(key)
      return
    }
    dirty.apps.add(key)
    // Endpoints are nobody's fault.
    if (isSame && typeof app?.protocol !== 'object') dirty.blameless.add(key)
    if (key === this.#router.defaultServiceKey) dirty.faults.add(ROUTER)
    // Most changes are of endpoints: what the app wants is what it wanted.
    if (!isSame) this.#noteWishes(key, app, before, dirty)
    for (const sharer of this.#byCanary.get(key)) {
      dirty.apps.add(sharer)
      if (!isSame) dirty.faults.add(sharer)
      const domain = this.#apps.get(sharer)?.proxyDomain
      if (domain) dirty.domains.add(domain)
    }
    if (app?.proxyDomain) dirty.domains.add(app.proxyDomain)
    if (service && app && base) {
      this.#apps.set(key, app)
      this.#sources.set(key, service)
      this.#bases.set(key, base)
    } else {
      this.#apps.delete(key)
      this.#sources.delete(key)
      this.#bases.delete(key)
    }
  }

  /** Notes what an app wants (none: nothing any more) beside what all others want. */
  #noteWishes(key: string, app: App | undefined, before: App | undefined, dirty: Dirty): void {
    for (const pattern of this.#claims.set(key, app ? this.#claimsOf(app) : new Map())) dirty.patterns.add(pattern)
    for (const domain of this.#byDomain.set(key, app?.domains ?? [])) dirty.domains.add(domain)
    for (const domain of this.#byProxyDomain.set(key, app?.proxyDomain ? [app.proxyDomain] : [])) dirty.domains.add(domain)
    this.#byCanary.set(key, app?.steering?.canary ? [canaryKey(app)] : [])
    for (const configMap of this.#pages.name(key, app?.pages)) dirty.pages.add(configMap)
    for (const secret of this.#byAuthority.set(key, app ? authorityKeys(app) : [])) dirty.secrets.add(secret)
    for (const secret of this.#certificates.name(key, Object.values(app?.certificates ?? {}).flat())) dirty.secrets.add(secret)
    for (const secret of this.#credentials.name(key, app?.edge?.auth)) dirty.secrets.add(secret)
    if (app && !isDeepStrictEqual(app.certificates, before?.certificates))
      for (const pattern of this.#patternsOf(key)) dirty.patterns.add(pattern)
  }

  /** The patterns of an app's domains, contract 5.1 and 5.2. */
  #claimsOf(app: App): Map<string, Claim> {
    const { platformDomain } = this.#router.settings
    const claims = new Map<string, Claim>()
    const regexDomain = this.#router.enableRegexDomains ? app.regexDomain : undefined
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

  #readSecrets(snapshot: Snapshot, changed: ReadonlySet<string>, dirty: Dirty) {
    const keys = changed.union(dirty.secrets)
    if (keys.size === 0) return { certificates: [], credentials: [] }
    const { certificates, moved, looked } = this.#certificates.read(key => snapshot.secret(key), keys)
    const { credentials, looked: guarded } = this.#credentials.read(key => snapshot.secret(key), keys)
    for (const app of looked.union(guarded)) dirty.faults.add(app)
    for (const app of moved) for (const pattern of this.#patternsOf(app)) dirty.patterns.add(pattern)
    if ([...keys].some(key => this.#certificates.isPlatform(key))) dirty.faults.add(ROUTER)
    return { certificates, credentials }
  }

  #readPages(snapshot: Snapshot, changed: ReadonlySet<string> = new Set(), dirty: Dirty) {
    if (changed.size + dirty.pages.size === 0) return []
    const { pages, looked } = this.#pages.read(key => snapshot.configMap?.(key), changed.union(dirty.pages))
    for (const owner of looked) dirty.faults.add(owner)
    return pages
  }

  #assignHosts(dirty: Dirty): (readonly [string, HostSpec | null])[] {
    const changes: (readonly [string, HostSpec | null])[] = []
    for (const pattern of dirty.patterns) {
      const before = this.#hosts.get(pattern)
      const owner = this.#claims.owner(pattern)
      for (const claim of this.#claims.claimants(pattern)) dirty.faults.add(claim.app)
      if (before?.app !== owner?.app) {
        for (const app of [before?.app, owner?.app]) if (app) dirty.apps.add(app)
        for (const claim of this.#claims.claimants(pattern)) dirty.domains.add(claim.domain)
      }
      const certificate = owner && this.#certificateKey(owner)
      const next = owner && { app: owner.app, ...(certificate && { certificate }) }
      if (isDeepStrictEqual(next, before)) continue
      changes.push([pattern, next ?? null])
      if (next) this.#hosts.set(pattern, next)
      else this.#hosts.delete(pattern)
    }
    return changes
  }

  /** A short domain always has the platform's certificate (contract 5.3); one without its own that of the app's wildcard above it. */
  #certificateKey({ app, domain }: Claim): string | undefined {
    if (!domain.includes('.')) return undefined
    const named = this.#apps.get(app)?.certificates ?? {}
    const [exact, wildcard] = [named[domain], named[`*${domain.slice(domain.indexOf('.'))}`]]
    return (exact && this.#certificates.choose(exact, domain)) ?? (wildcard && this.#certificates.choose(wildcard, domain))
  }

  #linkRoutes(dirty: Dirty): (readonly [string, RouteSpec | null])[] {
    for (const domain of dirty.domains) {
      const host = this.#ownerOfDomain(domain)
      if (host) dirty.apps.add(host)
      for (const delegate of this.#byProxyDomain.get(domain)) dirty.faults.add(delegate)
    }
    const changes: (readonly [string, RouteSpec | null])[] = []
    for (const key of dirty.apps) {
      if (!dirty.blameless.has(key)) dirty.faults.add(key)
      const app = this.#apps.get(key)
      const next = app && app.domains.length > 0 ? this.#link(app, dirty) : undefined
      if (isDeepStrictEqual(next, this.#routes.get(key))) continue
      changes.push([key, next ?? null])
      if (next) this.#routes.set(key, next)
      else this.#routes.delete(key)
    }
    return changes
  }

  #link(host: App, dirty: Dirty): RouteSpec {
    const delegates = this.#delegatesOf(host)
    if (delegates.length === 0) return this.#base(host)
    const taken = new Map<string, RouteSpec>()
    for (const delegate of delegates) {
      dirty.faults.add(delegate.key)
      for (const prefix of delegate.proxyLocations) if (!taken.has(prefix)) taken.set(prefix, this.#base(delegate))
    }
    const base = this.#base(host)
    const locations = Array.from(taken, ([prefix, route]) => ({ prefix, route }))
    return locations.length > 0 ? delegatePaths(base, locations) : base
  }

  /** An app's own route, with the share that another Service gets of it. */
  #base(app: App): RouteSpec {
    const base = this.#bases.get(app.key)!
    const { canary } = app.steering ?? {}
    const other = canary && canaryKey(app) !== app.key ? this.#bases.get(canaryKey(app)) : undefined
    if (!canary || !other) return base
    const { service: _service, ...rest } = canary
    const { upstreamTls, upstreamHttp2 } = other
    const spoken = { ...(upstreamTls && { upstreamTls }), ...(upstreamHttp2 && { upstreamHttp2 }) }
    return { ...base, steering: { ...base.steering, canary: { ...rest, endpoints: other.endpoints, ...spoken } } }
  }

  /** The apps that take paths of a host, the oldest first. */
  #delegatesOf(host: App): readonly App[] {
    const keys = new Set<string>()
    for (const domain of host.domains) {
      if (this.#byProxyDomain.has(domain) && this.#ownerOfDomain(domain) === host.key)
        for (const key of this.#byProxyDomain.get(domain)) keys.add(key)
    }
    if (keys.size === 0) return NO_DELEGATES
    return [...keys]
      .map(key => this.#apps.get(key)!)
      .filter(delegate => delegate.key !== host.key && this.#mayDelegate(delegate, host))
      .sort((a, b) => (`${a.createdAt} ${a.key}` < `${b.createdAt} ${b.key}` ? -1 : 1))
  }

  /** A path of a host is given away by its own namespace or by the platform; else any tenant could take `/` of any other. */
  #mayDelegate(delegate: App, host: App): boolean {
    return delegate.namespace === host.namespace || delegate.namespace === this.#options.namespace
  }

  #ownerOfDomain(domain: string): string | undefined {
    for (const key of this.#byDomain.get(domain)) {
      for (const [pattern, claim] of this.#claims.of(key)) {
        if (claim.domain === domain && this.#claims.owner(pattern)?.app === key) return key
      }
    }
    return undefined
  }

  #resolveSettings(): SettingsSpec | undefined {
    const { settings, defaultServiceKey } = this.#router
    const defaultService = defaultServiceKey === undefined ? settings.defaultService : this.#defaultRoute(defaultServiceKey)
    const next = { ...settings, ...(defaultService && { defaultService }) }
    if (isDeepStrictEqual(next, this.#settings)) return undefined
    this.#settings = next
    return next
  }

  /** Nobody is redirected or refused there (contract 5.4). */
  #defaultRoute(key: string): RouteSpec | undefined {
    const base = this.#bases.get(key)
    if (!base) return undefined
    const { allow: _allow, hsts: _hsts, edge: own, ...policy } = base.policy
    const edge = delegateEdge({}, own)
    return { ...base, policy: { ...policy, sslEnforce: false, ...(edge && { edge }) } }
  }

  #chooseDefaultCertificate(): string | null | undefined {
    const next = this.#certificates.defaultKey
    if (next === this.#defaultCertificate) return undefined
    this.#defaultCertificate = next
    return next
  }

  /** @returns `undefined` when nothing changed */
  #readGit(snapshot: Snapshot, dirty: Dirty): RouteSpec | null | undefined {
    const { builder } = snapshot
    this.#gitKey = builder && keyOf(builder)
    let next: RouteSpec | null
    try {
      const slices = builder ? snapshot.slices(keyOf(builder)) : []
      const { route, faults } = buildGitRoute(builder, slices, this.#options.family, this.#git)
      if (!isDeepStrictEqual(faults, this.#gitFaults)) dirty.faults.add(ROUTER)
      this.#gitFaults = faults
      next = route
    } catch {
      // As above; the builder is an app too and has the fault there.
      return undefined
    }
    if (isDeepStrictEqual(next, this.#git)) return undefined
    this.#git = next
    return next
  }

  #collectFaults(dirty: Dirty): (readonly [string, readonly Fault[]])[] {
    const changes: (readonly [string, readonly Fault[]])[] = []
    for (const key of dirty.faults) {
      const app = this.#apps.get(key)
      const broken = this.#broken.get(key)
      const faults = key === ROUTER ? this.#routerFaults() : [...(broken ? [broken] : []), ...(app ? this.#appFaults(app) : [])]
      if (isDeepStrictEqual(faults, this.#faults.get(key) ?? [])) continue
      changes.push([key, faults])
      if (faults.length > 0) this.#faults.set(key, faults)
      else this.#faults.delete(key)
    }
    return changes
  }

  #routerFaults(): Fault[] {
    const { faults, settings, defaultServiceKey: key } = this.#router
    const message = `Cannot serve unknown hosts: there is no routable Service ${key}`
    const isMissing = key !== undefined && !this.#bases.has(key)
    return [
      ...faults,
      ...(isMissing ? [{ key: 'nginx.defaultServiceIP', value: key, message }] : []),
      ...this.#certificates.platformFaults(),
      ...this.#pages.faultsOf(settings.pages),
      ...this.#gitFaults,
    ]
  }

  #appFaults(app: App): Fault[] {
    return [
      ...app.faults,
      ...this.#conflicts(app),
      ...this.#delegationFaults(app),
      ...this.#canaryFaults(app),
      ...this.#authorityFaults(app),
      ...this.#certificates.faultsOf(app),
      ...this.#pages.faultsOf(app.pages),
      ...this.#credentials.faultsOf(app.edge?.auth),
    ]
  }

  #conflicts(app: App): Fault[] {
    return this.#claims.of(app.key).flatMap(([pattern, { domain }]) => {
      const owner = this.#claims.owner(pattern)
      if (!owner || owner.app === app.key) return []
      return [{ key: 'domains', value: domain, message: `Cannot serve ${pattern}: the older Service ${owner.app} has it` }]
    })
  }

  #authorityFaults(app: App): Fault[] {
    if (this.#bases.get(app.key)?.upstreamTls?.authority !== '') return []
    const [secret = ''] = authorityKeys(app)
    return [{ key: 'x-protocol', value: secret, message: `Cannot check the app's certificate: Secret ${secret} has none under ca.crt` }]
  }

  #canaryFaults(app: App): Fault[] {
    const { canary } = app.steering ?? {}
    if (!canary || (this.#bases.has(canaryKey(app)) && canaryKey(app) !== app.key)) return []
    const why =
      canaryKey(app) === app.key
        ? 'it is the Service itself'
        : `there is no Service ${canaryKey(app)} with the label router.drycc.cc/routable: "true"`
    return [{ key: 'x-canary', value: canary.service, message: `Cannot give "${canary.service}" a share of the requests: ${why}` }]
  }

  #delegationFaults(app: App): Fault[] {
    const domain = app.proxyDomain
    if (domain === undefined) return []
    const host = this.#apps.get(this.#ownerOfDomain(domain) ?? '')
    const fault = (value: string, message: string) => [{ key: 'proxyDomain', value, message }]
    if (!host) return fault(domain, `Cannot take paths of ${domain}: no app has it`)
    if (host.key === app.key) return fault(domain, 'Cannot take paths of a domain that is its own')
    if (!this.#mayDelegate(app, host)) return fault(domain, `Cannot take paths of ${domain}: it belongs to another namespace`)
    const locations = this.#routes.get(host.key)?.locations ?? []
    return app.proxyLocations.flatMap(prefix => {
      const winner = locations.find(location => location.prefix === prefix)?.route
      if (!winner || (winner.namespace === app.namespace && winner.service === app.service)) return []
      const message = `Cannot serve ${prefix} of ${domain}: the older Service ${winner.namespace}/${winner.service} has it`
      return [{ key: 'proxyLocations', value: prefix, message }]
    })
  }
}

/** The Secret with the authority of an app's own certificates: none or one. */
function authorityKeys({ protocol, namespace }: App): string[] {
  return typeof protocol === 'object' && protocol.authority !== undefined ? [`${namespace}/${protocol.authority}`] : []
}

function withProtocol(base: RouteSpec, app: App, snapshot: Snapshot): RouteSpec {
  if (app.protocol === 'h2c') return { ...base, upstreamHttp2: true }
  if (typeof app.protocol !== 'object') return base
  const [secret] = authorityKeys(app)
  const found = secret === undefined ? undefined : snapshot.secret(secret)
  const upstreamTls = buildUpstreamTls(app.protocol, app.service, app.namespace, found)
  return app.protocol.http2 === true ? { ...base, upstreamTls, upstreamHttp2: true } : { ...base, upstreamTls }
}

/** Whether nothing but slices changed. */
function isOfSlices({ services, secrets, configMaps, router, builder }: Changes): boolean {
  return services.size === 0 && secrets.size === 0 && (configMaps === undefined || configMaps.size === 0) && !router && !builder
}

/** @returns `undefined` for slices of another shape */
function readSafely(service: Service, slices: readonly EndpointSlice[]): Endpoint[] | undefined {
  try {
    return readEndpoints(service, slices, 80)
  } catch {
    return undefined
  }
}

/** Only of the same namespace: nobody gives requests to a stranger, or takes them. */
function canaryKey(app: App): string {
  return `${app.namespace}/${app.steering?.canary?.service}`
}

/** What one build has to look at again. */
class Dirty {
  readonly apps = new Set<string>()
  readonly patterns = new Set<string>()
  readonly domains = new Set<string>()
  readonly secrets = new Set<string>()
  readonly pages = new Set<string>()
  readonly faults = new Set<string>()
  /** Of {@link apps}, those whose faults cannot be others, as far as they themselves go. */
  readonly blameless = new Set<string>()
}
