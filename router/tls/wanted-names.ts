import type { ConfigMap } from 'kubernetes-types/core/v1'
import { delay } from '../../kernel/backoff.ts'
import { WANTED_COUNT_MAX, WANTED_DENIED, WANTED_MS_MAX, WANTED_NAMES } from '../../kernel/contract.ts'
import { find, isStatus, type KubernetesApi } from '../../kernel/kubernetes/api.ts'
import { Informer } from '../../kernel/kubernetes/informer.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { Reconciler } from '../../kernel/kubernetes/reconciler.ts'
import type { Log } from '../../kernel/log.ts'

export interface WantedNamesOptions {
  /** The router's own, where the ConfigMap stands. */
  readonly namespace: string
  readonly log: Log
  /** Hears of names for which there will be no certificate. */
  readonly onDenied: (names: readonly string[]) => void
}

/** Between two writes: whoever makes up names makes the API server write no more than this. */
const GAP_MS = 200
const LOOK_AGAIN_MS = 50
const REFUSED_MS = 600_000

/**
 * Tells the control plane for what names clients want certificates, in a ConfigMap that all replicas of the router share, and hears which it denies.
 * Nothing is read or written before the first such name.
 */
export class WantedNames {
  readonly #api: KubernetesApi
  readonly #options: WantedNamesOptions
  readonly #pending = new Map<string, string>()
  readonly #writer: Reconciler
  #informer: Informer<ConfigMap> | undefined
  #refusedUntil = 0

  constructor(api: KubernetesApi, options: WantedNamesOptions) {
    this.#api = api
    this.#options = options
    this.#writer = new Reconciler({
      name: 'wanted names',
      log: options.log,
      reconcile: (_, signal) => this.#write(signal),
      retryMaxMs: 10_000,
    })
  }

  /** Those beyond what may stand there are dropped: their clients come again. */
  add(name: string): void {
    if (performance.now() < this.#refusedUntil || this.#pending.size >= WANTED_COUNT_MAX) return
    this.#pending.set(name, new Date().toISOString())
    const { namespace, log } = this.#options
    const selection = { namespace, fieldSelector: `metadata.name=${WANTED_NAMES}` }
    this.#informer ??= new Informer(this.#api, RESOURCES.configMaps, {
      ...{ log, selection },
      onChange: (_, map, previous) => this.#hear(map?.data, previous?.data),
    })
    this.#writer.enqueue(WANTED_NAMES)
  }

  async stop(): Promise<void> {
    await this.#informer?.stop()
    await this.#writer.stop()
  }

  #hear(data: ConfigMap['data'] = {}, previous: ConfigMap['data'] = {}): void {
    const denied = Object.keys(data).filter(name => data[name] !== previous[name] && isDenied(data[name]))
    if (denied.length > 0) this.#options.onDenied(denied)
  }

  async #write(signal: AbortSignal) {
    const { namespace } = this.#options
    const written = new Map(this.#pending)
    try {
      const standing = await find(this.#api, RESOURCES.configMaps, namespace, WANTED_NAMES)
      const data = merge(standing?.data, written, Date.now())
      const options = { fieldManager: 'drycc-router' }
      if (standing) await this.#api.update(RESOURCES.configMaps, { ...standing, data }, options)
      else {
        const wanted = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: WANTED_NAMES, namespace }, data } as const
        await this.#api.create(RESOURCES.configMaps, wanted, options)
      }
    } catch (error) {
      // 409: another replica was first.
      if (isStatus(error, 409)) return { againAfterMs: LOOK_AGAIN_MS }
      // Read-only, forbidden, or no such namespace.
      if (!isStatus(error, 403, 404, 405)) throw error
      this.#refusedUntil = performance.now() + REFUSED_MS
      this.#pending.clear()
      this.#options.log.warn('certificates on demand cannot be asked for: let the router create and update ConfigMaps of its namespace', {
        configMap: `${namespace}/${WANTED_NAMES}`,
        why: (error as Error).message,
      })
      return undefined
    }
    for (const [name, time] of written) if (this.#pending.get(name) === time) this.#pending.delete(name)
    await delay(GAP_MS, signal)
    return this.#pending.size > 0 ? { againAfterMs: 0 } : undefined
  }
}

/** What says nothing any more goes, and of too many the oldest. */
function merge(standing: ConfigMap['data'] = {}, wanted: ReadonlyMap<string, string>, nowMs: number): Record<string, string> {
  const kept = Object.entries(standing).filter(([name, text]) => !wanted.has(name) && nowMs - timeOf(text) < WANTED_MS_MAX)
  const all = [...kept, ...wanted].sort(([, a], [, b]) => timeOf(a) - timeOf(b))
  return Object.fromEntries(all.slice(-WANTED_COUNT_MAX))
}

function isDenied(text = ''): boolean {
  return text.endsWith(` ${WANTED_DENIED}`)
}

/** What cannot be read is long past. */
function timeOf(text: string): number {
  const ms = Date.parse(text.split(' ')[0] ?? '')
  return Number.isNaN(ms) ? 0 : ms
}
