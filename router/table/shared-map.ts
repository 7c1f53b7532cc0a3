const BUCKET_COUNT = 1024

/**
 * An immutable map from text that shares with its predecessor all that did not change: another version costs the buckets that changed,
 * about a thousandth of the map each, where a copied `Map` of 10,000 hosts would cost a millisecond of every worker for each change.
 */
export class SharedMap<V> {
  readonly #buckets: readonly (ReadonlyMap<string, V> | undefined)[]
  readonly size: number

  private constructor(buckets: readonly (ReadonlyMap<string, V> | undefined)[], size: number) {
    this.#buckets = buckets
    this.size = size
  }

  static empty<V>(): SharedMap<V> {
    return new SharedMap<V>(new Array(BUCKET_COUNT).fill(undefined), 0)
  }

  get(key: string): V | undefined {
    return this.#buckets[bucketOf(key)]?.get(key)
  }

  *keys(): Generator<string> {
    for (const bucket of this.#buckets) if (bucket) yield* bucket.keys()
  }

  /** The map with these entries set, or removed where the value is `undefined`. */
  with(changes: readonly (readonly [key: string, value: V | undefined])[]): SharedMap<V> {
    if (changes.length === 0) return this
    const buckets = this.#buckets.slice()
    const copied = new Map<number, Map<string, V>>()
    let size = this.size
    for (const [key, value] of changes) {
      const index = bucketOf(key)
      let bucket = copied.get(index)
      if (!bucket) {
        bucket = new Map(buckets[index])
        copied.set(index, bucket)
        buckets[index] = bucket
      }
      size -= bucket.size
      if (value === undefined) bucket.delete(key)
      else bucket.set(key, value)
      size += bucket.size
    }
    return new SharedMap(buckets, size)
  }
}

/** FNV-1a over UTF-16 units, folded: names of apps differ in few characters, and these must spread. */
function bucketOf(key: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193)
  return (hash ^ (hash >>> 10) ^ (hash >>> 20)) & (BUCKET_COUNT - 1)
}
