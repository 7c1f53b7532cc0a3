import { RetryBudget } from './retry-budget.ts'
import type { SharedMap } from './shared-map.ts'

/** What one app has under way in this worker. It stands beside the table: routes come and go, this goes on. */
export class AppLoad {
  /** Requests in flight, upgraded connections among them. */
  requests = 0
  /** Requests that were let in since the start. */
  begun = 0
  /** Client connections whose last request was for this app. */
  connections = 0
  /** When the app's bucket of requests is full again, on the monotonic clock. */
  bucketFullAt = 0
  /** Where whoever counts the app's answers does so, and under which label. */
  numbers: number[] | undefined
  countedBy: object | undefined
  countedAs = ''
  /** Bounds second attempts. */
  readonly retries = new RetryBudget()
}

interface Loaded {
  readonly namespace: string
  readonly service: string
  readonly load: AppLoad
  readonly locations: readonly { readonly route: Loaded }[]
}

/** Hands the loads of a table's apps on to the next table. */
export class Loads {
  readonly #before: SharedMap<Loaded>
  readonly #fresh = new Map<string, AppLoad>()

  constructor(before: SharedMap<Loaded>) {
    this.#before = before
  }

  /** @param host the key of the route that an app is part of, as some apps have no host of their own */
  of({ namespace, service }: Pick<Loaded, 'namespace' | 'service'>, host?: string): AppLoad {
    const key = `${namespace}/${service}`
    const own = this.#before.get(key) ?? this.#before.get(host ?? '')
    if (own?.namespace === namespace && own.service === service) return own.load
    const location = own?.locations.find(({ route }) => route.namespace === namespace && route.service === service)
    const load = location?.route.load ?? this.#fresh.get(key) ?? new AppLoad()
    this.#fresh.set(key, load)
    return load
  }
}
