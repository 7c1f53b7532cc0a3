import type { Deployment } from 'kubernetes-types/apps/v1'
import type { ConfigMap, Secret, Service } from 'kubernetes-types/core/v1'
import type { EndpointSlice } from 'kubernetes-types/discovery/v1'
import { Backoff } from '../../kernel/backoff.ts'
import { ROUTER_PREFIXES } from '../../kernel/contract.ts'
import type { KubernetesApi } from '../../kernel/kubernetes/api.ts'
import { Informer } from '../../kernel/kubernetes/informer.ts'
import { keyOf, RESOURCES, type Stored, splitKey } from '../../kernel/kubernetes/objects.ts'
import type { Log } from '../../kernel/log.ts'
import { prepareCertificate } from '../tls/certificates.ts'
import type { Family } from './annotations.ts'
import type { Changes, Snapshot } from './build.ts'
import { Gather } from './gather.ts'
import { PageWatch } from './page-watch.ts'
import { pruneSecret, pruneService, pruneSlice, SERVICE_NAME } from './prune.ts'

export interface WatchOptions {
  readonly family: Family
  /** The router's own. */
  readonly namespace: string
  readonly log: Log
  /** Called with what changed, after the first whole reading too; bursts are gathered, and then told in parts, each with all of an app. */
  readonly onChanges: (changes: Changes) => void
}

/** Objects a turn of the event loop: these take some milliseconds to be built and served, and requests come between two turns. */
const PART_KEYS = 100

/** Secrets that are no `kubernetes.io/tls` are watched one by one; each costs a connection to the API server. */
const NAMED_SECRETS_MAX = 100
/** A tenant who names more must not take the places of others, whose passwords would be missing then. */
const NAMED_SECRETS_PER_NAMESPACE_MAX = 10

/** Which of the missing Secrets may be watched by name beside those that are. */
export function allowedSecrets(missing: readonly string[], watched: Iterable<string>): string[] {
  const counts = new Map<string, number>()
  const count = (key: string) => {
    const { namespace } = splitKey(key)
    const next = (counts.get(namespace) ?? 0) + 1
    counts.set(namespace, next)
    return next
  }
  const watchedCount = [...watched].map(count).length
  return missing.filter(key => count(key) <= NAMED_SECRETS_PER_NAMESPACE_MAX).slice(0, Math.max(NAMED_SECRETS_MAX - watchedCount, 0))
}

/**
 * Keeps the part of the cluster that routes are made of: routable Services of both families, all EndpointSlices, the Secrets with
 * certificates, the router's own Deployment and the builder's Service. While the API server is away the last state stays.
 *
 * Of Secrets it reads those of type `kubernetes.io/tls`, and others only by the name that a route gives: no passwords of apps.
 */
export class ClusterWatch implements Snapshot {
  /** Resolves after the first whole reading of every kind. */
  readonly synced: Promise<void>
  readonly #options: WatchOptions
  readonly #api: KubernetesApi
  readonly #services: readonly Informer<Service>[]
  readonly #ownServices: Informer<Service>
  readonly #slices: Informer<EndpointSlice>
  readonly #secrets: Informer<Secret>
  readonly #deployments: Informer<Deployment>
  readonly #slicesByService = new Map<string, readonly Stored<EndpointSlice>[]>()
  readonly #pages: PageWatch
  readonly #named = new Map<string, Informer<Secret>>()
  readonly #gather: Gather
  #wanted: ReadonlySet<string> = new Set()
  #changes = noChanges()
  #isSynced = false
  /** Of the parts that are still to be told. */
  #rest: NodeJS.Immediate | undefined

  constructor(api: KubernetesApi, options: WatchOptions) {
    const { log, namespace } = options
    this.#api = api
    this.#options = options
    this.#gather = new Gather(() => this.#flush())
    const touch = (note: () => void) => {
      note()
      if (this.#isSynced) this.#touch()
    }
    this.#services = ROUTER_PREFIXES.map(
      prefix =>
        new Informer(api, RESOURCES.services, {
          log,
          backoff: patience(),
          selection: { labelSelector: `${prefix}routable=true` },
          prune: pruneService,
          onChange: key => touch(() => this.#changes.services.add(key)),
        }),
    )
    this.#ownServices = new Informer(api, RESOURCES.services, {
      log,
      backoff: patience(),
      selection: { namespace },
      prune: pruneService,
      onChange: key => BUILDERS.includes(splitKey(key).name) && touch(() => (this.#changes.builder = true)),
    })
    this.#slices = new Informer(api, RESOURCES.endpointSlices, {
      log,
      backoff: patience(),
      selection: { labelSelector: SERVICE_NAME },
      prune: pruneSlice,
      onChange: (_, slice, previous) => touch(() => this.#indexSlice(slice, previous)),
    })
    this.#secrets = new Informer(api, RESOURCES.secrets, {
      log,
      backoff: patience(),
      selection: { fieldSelector: 'type=kubernetes.io/tls' },
      prune: secret => keepCertificate(secret, !this.#isSynced),
      onChange: key => this.#wanted.has(key) && touch(() => this.#changes.secrets.add(key)),
    })
    this.#deployments = new Informer(api, RESOURCES.deployments, {
      log,
      backoff: patience(),
      selection: { namespace },
      onChange: (key, now, before) => isRouter(key) && !sameAnnotations(now, before) && touch(() => (this.#changes.router = true)),
    })
    this.#pages = new PageWatch(api, log, key => touch(() => this.#changes.configMaps.add(key)))
    this.synced = Promise.all(this.#informers().map(informer => informer.synced)).then(() => {
      this.#isSynced = true
      this.#changes.router = true
      this.#changes.builder = true
    })
  }

  service(key: string): Stored<Service> | undefined {
    for (const informer of this.#services) {
      const service = informer.get(key)
      if (service) return service
    }
    return undefined
  }

  slices(service: string): readonly EndpointSlice[] {
    return this.#slicesByService.get(service) ?? []
  }

  secret(key: string): Secret | undefined {
    return this.#secrets.get(key) ?? this.#named.get(key)?.get(key)
  }

  configMap(key: string): ConfigMap | undefined {
    return this.#pages.get(key)
  }

  get router(): Readonly<Record<string, string>> | undefined {
    return this.#inOrder(ROUTERS, name => this.#deployments.get(`${this.#options.namespace}/${name}`))?.metadata.annotations
  }

  get builder(): Stored<Service> | undefined {
    return this.#inOrder(BUILDERS, name => this.#ownServices.get(`${this.#options.namespace}/${name}`))
  }

  /** A part of what has changed and was not told yet, the longest waiting first; an object that changes again meanwhile is told as it then is. */
  takeChanges(): Changes {
    this.#gather.stop()
    clearImmediate(this.#rest)
    this.#rest = undefined
    const changes = this.#changes
    if (changes.services.size + changes.slices.size + changes.secrets.size <= PART_KEYS) {
      this.#changes = noChanges()
      return changes
    }
    const part = { ...changes, services: new Set<string>(), slices: new Set<string>(), secrets: new Set<string>(), isPart: true as const }
    Object.assign(changes, { configMaps: new Set(), router: false, builder: false })
    for (const kind of ['services', 'slices', 'secrets'] as const)
      for (const key of changes[kind]) {
        if (part.services.size + part.slices.size + part.secrets.size >= PART_KEYS) return part
        changes[kind].delete(key)
        part[kind].add(key)
        // All of an app at once.
        if (kind === 'services' && changes.slices.delete(key)) part.slices.add(key)
      }
    return part
  }

  /**
   * Says which Secrets the routes name now. Those that are no `kubernetes.io/tls` (or not there yet) are watched by name from here on.
   *
   * @returns when the first look at each has been had
   */
  async want(secrets: ReadonlySet<string>): Promise<void> {
    for (const key of secrets) if (!this.#wanted.has(key) && this.#secrets.get(key)) this.#changes.secrets.add(key)
    this.#wanted = secrets
    for (const [key, informer] of this.#named) {
      if (secrets.has(key) && !this.#secrets.get(key)) continue
      this.#named.delete(key)
      void informer.stop()
    }
    const missing = [...secrets].filter(key => !this.#secrets.get(key) && !this.#named.has(key))
    const allowed = allowedSecrets(missing, this.#named.keys())
    for (const key of allowed) this.#watchNamed(key)
    if (allowed.length < missing.length)
      this.#options.log.warn('too many Secrets missing or not of type kubernetes.io/tls, the rest is not watched', {
        watched: NAMED_SECRETS_MAX,
        rest: missing.length - allowed.length,
      })
    if (this.#changes.secrets.size > 0) this.#touch()
    await Promise.all(Array.from(this.#named.values(), informer => informer.synced))
  }

  /** Says which ConfigMaps with pages are named now. Nothing waits for them: the router has pages of its own. */
  wantPages(configMaps: ReadonlySet<string>): void {
    this.#pages.want(configMaps)
  }

  /** How long ago the API server was last heard of, by the watch that is worst off, in milliseconds. */
  ageMs(): number {
    return Math.max(...this.#informers().map(informer => informer.ageMs()))
  }

  async stop(): Promise<void> {
    this.#gather.stop()
    clearImmediate(this.#rest)
    await Promise.all([this.#pages.stop(), ...[...this.#informers(), ...this.#named.values()].map(informer => informer.stop())])
  }

  #informers(): readonly Informer<Service | EndpointSlice | Secret | Deployment>[] {
    return [...this.#services, this.#ownServices, this.#slices, this.#secrets, this.#deployments] as never
  }

  #flush(): void {
    const changes = this.takeChanges()
    // Before what might stop the watch: so that a second stop finds it.
    if (changes.isPart) this.#rest = setImmediate(() => this.#flush())
    this.#options.onChanges(changes)
  }

  #touch(): void {
    if (this.#rest === undefined) this.#gather.touch()
  }

  #watchNamed(key: string): void {
    const { namespace, name } = splitKey(key)
    const informer = new Informer(this.#api, RESOURCES.secrets, {
      log: this.#options.log,
      backoff: patience(),
      selection: { namespace, fieldSelector: `metadata.name=${name}` },
      onChange: () => {
        this.#changes.secrets.add(key)
        this.#touch()
      },
    })
    this.#named.set(key, informer)
  }

  #indexSlice(slice: Stored<EndpointSlice> | undefined, previous: Stored<EndpointSlice> | undefined): void {
    const [now, before] = [serviceOf(slice), serviceOf(previous)]
    for (const owner of now === before ? [now] : [before, now]) {
      if (owner === undefined) continue
      const others = (this.#slicesByService.get(owner) ?? []).filter(other => other !== previous)
      const slices = slice && owner === now ? [...others, slice] : others
      if (slices.length > 0) this.#slicesByService.set(owner, slices)
      else this.#slicesByService.delete(owner)
      this.#changes.slices.add(owner)
    }
  }

  /** The preferred family's object, else the other's. */
  #inOrder<T>(names: readonly string[], find: (name: string) => T | undefined): T | undefined {
    const [drycc, deis] = [find(names[0]!), find(names[1]!)]
    return this.#options.family === ROUTER_PREFIXES[0] ? (drycc ?? deis) : (deis ?? drycc)
  }
}

const ROUTERS = ['drycc-router', 'deis-router']
const BUILDERS = ['drycc-builder', 'deis-builder']

/** @param isHasty thousands come at once, and the start waits for them */
function keepCertificate(secret: Stored<Secret>, isHasty: boolean): Stored<Secret> {
  const kept = pruneSecret(secret)
  prepareCertificate(kept, isHasty)
  return kept
}

function noChanges() {
  return {
    services: new Set<string>(),
    slices: new Set<string>(),
    secrets: new Set<string>(),
    configMaps: new Set<string>(),
    router: false,
    builder: false,
  }
}

function isRouter(key: string): boolean {
  return ROUTERS.includes(splitKey(key).name)
}

/** A router must not be the last to notice that the API server is back: it asks each 3 s at least. */
function patience(): Backoff {
  return new Backoff({ minMs: 50, maxMs: 3000 })
}

/** The router's own rollout changes its Deployment's status some times a second, and no setting. */
function sameAnnotations(now: Deployment | undefined, before: Deployment | undefined): boolean {
  return JSON.stringify(now?.metadata?.annotations) === JSON.stringify(before?.metadata?.annotations)
}

function serviceOf(slice: EndpointSlice | undefined): string | undefined {
  const name = slice?.metadata?.labels?.[SERVICE_NAME]
  return slice && name ? keyOf({ metadata: { namespace: slice.metadata?.namespace ?? '', name } }) : undefined
}
