import type { ConfigMap } from 'kubernetes-types/core/v1'
import { Backoff } from '../../kernel/backoff.ts'
import { PAGES_LABEL } from '../../kernel/contract.ts'
import type { KubernetesApi } from '../../kernel/kubernetes/api.ts'
import { Informer } from '../../kernel/kubernetes/informer.ts'
import { RESOURCES, splitKey } from '../../kernel/kubernetes/objects.ts'
import type { Log } from '../../kernel/log.ts'

/** ConfigMaps without the label are watched one by one; each costs a connection to the API server. */
const NAMED_MAX = 100

/**
 * Watches the ConfigMaps with pages that somebody names, from the moment on when somebody does: those labelled `router.drycc.cc/pages=true`
 * together, a few others by name. No other ConfigMap is read.
 */
export class PageWatch {
  readonly #api: KubernetesApi
  readonly #log: Log
  readonly #onChange: (key: string) => void
  readonly #named = new Map<string, Informer<ConfigMap>>()
  #labelled: Informer<ConfigMap> | undefined
  #wanted: ReadonlySet<string> = new Set()

  /** @param onChange called with the key of a ConfigMap that is wanted */
  constructor(api: KubernetesApi, log: Log, onChange: (key: string) => void) {
    this.#api = api
    this.#log = log
    this.#onChange = onChange
  }

  get(key: string): ConfigMap | undefined {
    return this.#labelled?.get(key) ?? this.#named.get(key)?.get(key)
  }

  /** Says which are wanted now; each that is there is told as a change once it was read. */
  want(keys: ReadonlySet<string>): void {
    const isNew = (key: string) => !this.#wanted.has(key)
    for (const key of keys) if (isNew(key) && this.get(key)) this.#onChange(key)
    this.#wanted = keys
    if (keys.size > 0) this.#labelled ??= this.#watch({ labelSelector: `${PAGES_LABEL}=true` }, key => this.#toldByLabel(key))
    for (const [key, informer] of this.#named) {
      if (keys.has(key) && !this.#labelled?.get(key)) continue
      this.#named.delete(key)
      void informer.stop()
    }
    // Which of them have no label is known only once those that have one were read.
    void this.#labelled?.synced.then(() => this.#watchOthers())
  }

  async stop(): Promise<void> {
    const informers = [...this.#named.values(), ...(this.#labelled ? [this.#labelled] : [])]
    this.#named.clear()
    this.#wanted = new Set()
    await Promise.all(informers.map(informer => informer.stop()))
  }

  #toldByLabel(key: string): void {
    if (!this.#wanted.has(key)) return
    this.#onChange(key)
    this.#watchOthers()
  }

  #watchOthers(): void {
    const missing = [...this.#wanted].filter(key => !this.#labelled?.get(key) && !this.#named.has(key))
    const allowed = missing.slice(0, Math.max(NAMED_MAX - this.#named.size, 0))
    for (const key of allowed) {
      const { namespace, name } = splitKey(key)
      this.#named.set(
        key,
        this.#watch({ namespace, fieldSelector: `metadata.name=${name}` }, () => this.#onChange(key)),
      )
    }
    if (allowed.length < missing.length)
      this.#log.warn(`too many ConfigMaps with pages are missing or without the label ${PAGES_LABEL}, the rest is not watched`, {
        watched: NAMED_MAX,
        rest: missing.length - allowed.length,
      })
  }

  #watch(selection: { namespace?: string; labelSelector?: string; fieldSelector?: string }, onChange: (key: string) => void) {
    return new Informer<ConfigMap>(this.#api, RESOURCES.configMaps, {
      log: this.#log,
      backoff: new Backoff({ minMs: 50, maxMs: 3000 }),
      selection,
      onChange,
    })
  }
}
