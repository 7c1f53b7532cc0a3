import { isDeepStrictEqual } from 'node:util'
import type { ConfigMap, Secret, Service } from 'kubernetes-types/core/v1'
import type { EndpointSlice } from 'kubernetes-types/discovery/v1'
import { keyOf, type Stored } from '../../kernel/kubernetes/objects.ts'
import type { Certificate } from '../tls/certificates.ts'
import type { Fault } from './annotations.ts'
import { type App, readApp } from './app.ts'
import { CertificateStore, type CertificateStoreOptions } from './certificate-store.ts'
import type { Claim } from './claims.ts'
import { CredentialStore } from './credential-store.ts'
import { Dirty } from './dirty.ts'
import { Domains } from './domains.ts'
import { areSame } from './endpoints.ts'
import { buildGitRoute } from './git-route.ts'
import { authorityKeys, canaryKey, defaultRoute, neighbourFaults, ownEndpoints, ownRoute, withCanary } from './own-route.ts'
import { PageStore } from './page-store.ts'
import { delegatePaths } from './policy.ts'
import { References } from './references.ts'
import { type Report, type ReportFilter, reportApps } from './report.ts'
import type { Endpoint } from './route.ts'
import { type RouterAnnotations, readSettings } from './settings.ts'
import type { HostSpec, RouteSpec, SettingsSpec, TableDelta } from './spec.ts'

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

/** `namespace`, the router's own, is also whose Services may take paths of any host. */
export interface BuilderOptions extends CertificateStoreOptions {
  /** The version of the table before this builder's first. */
  readonly version?: number
}

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
  readonly #domains: Domains
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
    this.#domains = new Domains(options.namespace)
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
      const now = endpointsOf(service, snapshot.slices(key))
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
    const reported = {
      apps: this.#apps,
      routes: this.#routes,
      faultsOf: (key: string) => this.#faults.get(key) ?? [],
      hostsOf: (key: string) => this.#domains.patternsOf(key).filter(pattern => this.#domains.owner(pattern)?.app === key),
    }
    const { ignored } = this.#router
    return { router: { faults: reported.faultsOf(ROUTER), ignored }, ...reportApps(reported, wanted) }
  }

  /** All who want a pattern of hosts, its owner first. */
  claimants(pattern: string): readonly Claim[] {
    return this.#domains.claimants(pattern)
  }

  /** The faults of every object that has any, `''` is the router. */
  faults(): ReadonlyMap<string, readonly Fault[]> {
    return this.#faults
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
      const secret = (name: string) => snapshot.secret(name)
      base = service && app && ownRoute(app, service, snapshot.slices(key), this.#router.policy, secret)
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
    this.#domains.set(key, app, this.#router, dirty)
    const canary = app && canaryKey(app)
    this.#byCanary.set(key, canary === undefined ? [] : [canary])
    for (const configMap of this.#pages.name(key, app?.pages)) dirty.pages.add(configMap)
    for (const secret of this.#byAuthority.set(key, app ? authorityKeys(app) : [])) dirty.secrets.add(secret)
    for (const secret of this.#certificates.name(key, Object.values(app?.certificates ?? {}).flat())) dirty.secrets.add(secret)
    for (const secret of this.#credentials.name(key, app?.edge?.auth)) dirty.secrets.add(secret)
    if (app && !isDeepStrictEqual(app.certificates, before?.certificates))
      for (const pattern of this.#domains.patternsOf(key)) dirty.patterns.add(pattern)
  }

  #readSecrets(snapshot: Snapshot, changed: ReadonlySet<string>, dirty: Dirty) {
    const keys = changed.union(dirty.secrets)
    if (keys.size === 0) return { certificates: [], credentials: [] }
    const { certificates, moved, looked } = this.#certificates.read(key => snapshot.secret(key), keys)
    const { credentials, looked: guarded } = this.#credentials.read(key => snapshot.secret(key), keys)
    for (const app of looked.union(guarded)) dirty.faults.add(app)
    for (const app of moved) for (const pattern of this.#domains.patternsOf(app)) dirty.patterns.add(pattern)
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
      const owner = this.#domains.owner(pattern)
      for (const claim of this.#domains.claimants(pattern)) dirty.faults.add(claim.app)
      if (before?.app !== owner?.app) {
        for (const app of [before?.app, owner?.app]) if (app) dirty.apps.add(app)
        for (const claim of this.#domains.claimants(pattern)) dirty.domains.add(claim.domain)
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
      const host = this.#domains.ownerOf(domain)
      if (host) dirty.apps.add(host)
      for (const delegate of this.#domains.takersOf(domain)) dirty.faults.add(delegate)
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
    const delegates = this.#domains.delegatesOf(host, this.#apps)
    if (delegates.length === 0) return withCanary(host, this.#bases)
    const taken = new Map<string, RouteSpec>()
    for (const delegate of delegates) {
      dirty.faults.add(delegate.key)
      for (const prefix of delegate.proxyLocations) if (!taken.has(prefix)) taken.set(prefix, withCanary(delegate, this.#bases))
    }
    const base = withCanary(host, this.#bases)
    const locations = Array.from(taken, ([prefix, route]) => ({ prefix, route }))
    return locations.length > 0 ? delegatePaths(base, locations) : base
  }

  #resolveSettings(): SettingsSpec | undefined {
    const { settings, defaultServiceKey } = this.#router
    const chosen = defaultServiceKey === undefined ? undefined : this.#bases.get(defaultServiceKey)
    const defaultService = defaultServiceKey === undefined ? settings.defaultService : chosen && defaultRoute(chosen)
    const next = { ...settings, ...(defaultService && { defaultService }) }
    if (isDeepStrictEqual(next, this.#settings)) return undefined
    this.#settings = next
    return next
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
      ...this.#domains.conflicts(app),
      ...this.#domains.delegationFaults(app, this.#apps, this.#routes),
      ...neighbourFaults(app, this.#bases),
      ...this.#certificates.faultsOf(app),
      ...this.#pages.faultsOf(app.pages),
      ...this.#credentials.faultsOf(app.edge?.auth),
    ]
  }
}

/** Whether nothing but slices changed. */
function isOfSlices({ services, secrets, configMaps, router, builder }: Changes): boolean {
  return services.size === 0 && secrets.size === 0 && (configMaps === undefined || configMaps.size === 0) && !router && !builder
}

/** @returns `undefined` for slices of another shape */
function endpointsOf(service: Service, slices: readonly EndpointSlice[]): Endpoint[] | undefined {
  try {
    return ownEndpoints(service, slices)
  } catch {
    return undefined
  }
}
