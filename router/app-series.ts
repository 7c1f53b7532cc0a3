import { type AppNumbers, OTHER_APPS } from './serve/stats.ts'
import { addNumbers } from './traffic.ts'

/** How often apps without a place may take that of a quieter one. */
const EXCHANGE_MS = 10 * 60_000

/**
 * Chooses which apps have series of their own: the busiest, at most so many; all others are one, so that a platform of thousands of apps costs
 * a scraper no more than one of a hundred. The sum over all series is always that of all apps, and none of an app ever falls.
 *
 * A place that is free goes to the busiest app without one; every ten minutes the quietest gives its place to whoever had twice its requests
 * since. What an app had while it was among the others stays with them, so that they never fall either.
 */
export class AppSeries {
  readonly #max: number
  /** App → its numbers when it got its place. */
  readonly #named = new Map<string, AppNumbers>()
  readonly #amongOthers = new Set<string>()
  /** Requests at the last exchange. */
  #before = new Map<string, number>()
  #exchangedAt: number

  /** @param max of apps with a place; 0: none */
  constructor(max: number, nowMs = performance.now()) {
    this.#max = max
    this.#exchangedAt = nowMs
  }

  /** @returns the series by their app in the order of its text, that of the others last */
  series(totals: ReadonlyMap<string, AppNumbers>, nowMs = performance.now()): [app: string, numbers: AppNumbers][] {
    if (nowMs - this.#exchangedAt >= EXCHANGE_MS) this.#exchange(totals, nowMs)
    this.#fill(totals)
    const others: AppNumbers = []
    const series: [string, AppNumbers][] = []
    for (const [app, numbers] of totals) {
      const base = this.#named.get(app)
      addNumbers(others, base ?? numbers)
      if (!base) this.#amongOthers.add(app)
      else series.push([app, numbers.map((number, index) => number - (base[index] as number))])
    }
    series.sort(([a], [b]) => (a < b ? -1 : 1))
    if (others.some(number => number > 0)) series.push([OTHER_APPS, others])
    return series
  }

  #fill(totals: ReadonlyMap<string, AppNumbers>): void {
    const free = this.#max - this.#named.size
    if (free > 0) for (const [app, numbers] of this.#byRequests(totals, false).slice(0, free)) this.#name(app, numbers)
  }

  /** What was never shown among the others is the app's own from the first. */
  #name(app: string, numbers: AppNumbers): void {
    this.#named.set(app, this.#amongOthers.delete(app) ? [...numbers] : numbers.map(() => 0))
  }

  #exchange(totals: ReadonlyMap<string, AppNumbers>, nowMs: number): void {
    const quiet = this.#byRequests(totals, true).reverse()
    for (const [app, , requests] of this.#byRequests(totals, false)) {
      const [weakest] = quiet
      if (this.#named.size < this.#max || !weakest || requests < 2 * weakest[2] || requests === 0) break
      quiet.shift()
      this.#named.delete(weakest[0])
      this.#name(app, totals.get(app) as AppNumbers)
    }
    this.#before = new Map(Array.from(totals, ([app, numbers]) => [app, requestsOf(numbers)]))
    this.#exchangedAt = nowMs
  }

  /** Those with or without a place, the busiest since the last exchange first, then by name. */
  #byRequests(totals: ReadonlyMap<string, AppNumbers>, named: boolean): [string, AppNumbers, number][] {
    const list: [string, AppNumbers, number][] = []
    for (const [app, numbers] of totals) {
      if (this.#named.has(app) !== named || app === OTHER_APPS) continue
      list.push([app, numbers, requestsOf(numbers) - (this.#before.get(app) ?? 0)])
    }
    return list.sort(([a, , x], [b, , y]) => y - x || (a < b ? -1 : 1))
  }
}

function requestsOf(numbers: AppNumbers): number {
  let sum = 0
  for (let family = 0; family < 5; family++) sum += numbers[family] as number
  return sum
}
