import type { ConfigMap } from 'kubernetes-types/core/v1'
import { LRUCache } from 'lru-cache'
import { delay } from '../../kernel/backoff.ts'
import { CERTIFIABLE_NAME, WANTED_DENIED, WANTED_MS_MAX, WANTED_NAMES } from '../../kernel/contract.ts'
import { isStatus, type KubernetesApi } from '../../kernel/kubernetes/api.ts'
import { type Informer, startInformer } from '../../kernel/kubernetes/informer.ts'
import { RESOURCES, type Stored } from '../../kernel/kubernetes/objects.ts'
import { type Reconciler, startReconciler } from '../../kernel/kubernetes/reconciler.ts'
import type { Log } from '../../kernel/log.ts'
import { Allowance } from '../domain/allowance.ts'
import type { App } from '../domain/app.ts'
import { orderableAt } from '../domain/automatic.ts'
import { unobtainable } from '../domain/automatic-wish.ts'
import { DOMAINS_MAX } from '../domain/hostname.ts'
import { appOfName, hasRoom, ON_DEMAND_DOMAINS_MAX, type OnDemandMode, onDemandOf } from '../domain/on-demand.ts'
import { now } from '../domain/timestamp.ts'
import type { PlatformLog } from '../platform-log.ts'
import type { Records } from '../records.ts'
import type { AskHooks } from './ask.ts'

export interface OnDemandOptions {
  readonly api: KubernetesApi
  readonly records: Records
  readonly platformLog: PlatformLog
  readonly log: Log
  /** Of the routers. */
  readonly namespace: string
  readonly platformDomain: string
  readonly mode: OnDemandMode
  readonly hooks: AskHooks
  readonly ownerOrdersMax: number
  /** Writes what the router reads of an app. */
  syncRouting(app: string): Promise<void>
}

/** Questions of one app's hook, and of all: whoever can make up names could make it work. */
const APP_PACE = { perSecond: 5, burst: 50 }
const WHOLE_PACE = { perSecond: 50, burst: 200 }
const WAITING_MAX = 1_000
const GATHER_MS = 20
/** One line of each kind in an app's log in so long: whoever asks for names must not fill it. */
const SAY_AGAIN_MS = 60_000

/**
 * Makes domains of the names for which clients ask over TLS, where an app wants that and its hook allows it; the issuer then does for them what it
 * does for all. A domain whose first certificate does not come is taken back there, so that a name which leads elsewhere belongs to nobody.
 */
export class OnDemand {
  readonly #options: OnDemandOptions
  readonly #log: Log
  readonly #informer: Informer<ConfigMap> | undefined
  readonly #reconciler: Reconciler
  readonly #waiting = new Set<string>()
  readonly #denials: Reconciler
  readonly #denied = new Set<string>()
  /** Domains made of names for which handshakes may wait still. */
  readonly #coming = new LRUCache<string, true>({ max: WAITING_MAX, ttl: WANTED_MS_MAX })
  readonly #ofApp = new Allowance(APP_PACE)
  readonly #ofAll = new Allowance(WHOLE_PACE)
  readonly #said = new LRUCache<string, true>({ max: 1_000, ttl: SAY_AGAIN_MS })

  constructor(options: OnDemandOptions) {
    this.#options = options
    this.#log = options.log.child({ part: 'on demand' })
    this.#reconciler = startReconciler({
      name: 'names on demand',
      log: this.#log,
      concurrency: 8,
      reconcile: async (name, signal) => {
        this.#waiting.delete(name)
        if ((await this.#consider(name, signal)) || signal.aborted) return
        this.#deny(name)
      },
    })
    this.#denials = startReconciler({ name: 'denied names', log: this.#log, reconcile: (_, signal) => this.#tellDenied(signal) })
    if (!options.mode.isOn) return
    options.records.onDomainChange(domain => {
      // Its certificate could not be had.
      if (!options.records.domains.get(domain) && this.#coming.delete(domain)) this.#deny(domain)
    })
    this.#informer = startInformer(options.api, RESOURCES.configMaps, {
      log: this.#log,
      selection: { namespace: options.namespace, fieldSelector: `metadata.name=${WANTED_NAMES}` },
      onChange: (_, map, previous) => this.#hear(map, previous),
    })
  }

  async stop(): Promise<void> {
    await this.#informer?.stop()
    await this.#reconciler.stop()
    await this.#denials.stop()
  }

  /** Whether a name that came on demand may keep its certificate. @returns why not; `undefined` where it may */
  async mayKeep(app: App, domain: string, signal: AbortSignal): Promise<string | undefined> {
    const { mode, hooks } = this.#options
    return onDemandOf(app, mode) === undefined ? 'Certificates on demand are off for the app' : await hooks.ask(app, domain, signal)
  }

  #hear(map: Stored<ConfigMap> | undefined, previous: Stored<ConfigMap> | undefined): void {
    for (const [name, time] of Object.entries(map?.data ?? {})) {
      // What stands there at the start may be old; what is written now is new, whatever the clock says by which it was.
      const isNew = previous === undefined ? Date.now() - Date.parse(time) < WANTED_MS_MAX : previous.data?.[name] !== time
      if (!isNew || time.endsWith(` ${WANTED_DENIED}`) || this.#waiting.size >= WAITING_MAX || !CERTIFIABLE_NAME.test(name)) continue
      this.#waiting.add(name)
      this.#reconciler.enqueue(name)
    }
  }

  /** @returns whether the name has a certificate, or has one soon */
  async #consider(name: string, signal: AbortSignal): Promise<boolean> {
    const { records, mode, hooks, platformLog, platformDomain, syncRouting } = this.#options
    if (records.domains.get(name)) return true
    const id = appOfName(name, domain => records.domains.get(domain), mode.anyNameApp)
    const app = id === undefined ? undefined : records.apps.get(id)
    if (!app || onDemandOf(app, mode) === undefined || unobtainable({ domain: name }, platformDomain) !== undefined) return false
    const nowMs = Date.now()
    // An attempt has failed, and another one would be too early.
    if (Date.parse(records.automatics.get(name)?.nextAttemptAt ?? '') > nowMs) return false
    if (!this.#hasRoom(app, name, nowMs)) return false
    const why = await hooks.ask(app, name, signal)
    if (signal.aborted) return false
    if (why !== undefined) {
      this.#log.debug('name not allowed', { app: app.id, name, why })
      this.#say(app.id, 'hook', `No certificate on demand for ${name}: ${why}`)
      return false
    }
    const time = now()
    const domain = { domain: name, app: app.id, owner: app.owner, onDemand: true, created: time, updated: time } as const
    this.#coming.set(name, true)
    if (!(await records.domains.create(domain))) return true
    this.#log.info('domain added on demand', { app: app.id, domain: name })
    platformLog.say(app.id, `domain ${name} added on demand`)
    await syncRouting(app.id)
    return true
  }

  /** Whether the app may have one more at this moment, before anybody is asked. */
  #hasRoom(app: App, name: string, nowMs: number): boolean {
    const { records, ownerOrdersMax } = this.#options
    if (!this.#ofApp.take(app.id, nowMs) || !this.#ofAll.take('', nowMs)) {
      this.#say(app.id, 'pace', `Too many names are asked for at once: certificates on demand, as that of ${name}, have to wait`)
      return false
    }
    const atMs = orderableAt(records.automatics.list(), app.owner, ownerOrdersMax, nowMs)
    if (atMs > nowMs) {
      const when = new Date(atMs).toISOString()
      this.#say(app.id, 'quota', `No certificate on demand before ${when}: ${ownerOrdersMax} a week are as many as one owner may have`)
      return false
    }
    if (hasRoom(records.domains.list(app.id))) return true
    const many = `${DOMAINS_MAX} domains, of which ${ON_DEMAND_DOMAINS_MAX} came on demand`
    this.#say(app.id, 'count', `No certificate on demand for ${name}: an app can have ${many}`)
    return false
  }

  #deny(name: string): void {
    this.#denied.add(name)
    this.#denials.enqueue(WANTED_NAMES)
  }

  /** So that the handshakes which wait in the routers go on; many at once by one write. */
  async #tellDenied(signal: AbortSignal): Promise<void> {
    await delay(GATHER_MS, signal)
    const names = [...this.#denied]
    const data = Object.fromEntries(names.map(name => [name, `${new Date().toISOString()} ${WANTED_DENIED}`]))
    const { api, namespace } = this.#options
    try {
      await api.patch(RESOURCES.configMaps, namespace, WANTED_NAMES, { type: 'merge', body: { data } })
    } catch (error) {
      // Whoever removed it has nobody waiting.
      if (!isStatus(error, 404)) throw error
    }
    for (const name of names) this.#denied.delete(name)
  }

  #say(app: string, about: string, text: string): void {
    if (this.#said.has(`${app} ${about}`)) return
    this.#said.set(`${app} ${about}`, true)
    this.#options.platformLog.say(app, text, 'WARN')
  }
}
