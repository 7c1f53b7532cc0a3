// Two levels of 128 slots each: 10,000 keys have nearly a slot each, and what is copied for a change is two arrays of 1 KB.
const BITS = 7
const SLOT_COUNT = 128
const MASK = SLOT_COUNT - 1

/** One key of a map; those that share a slot stand in a chain. */
interface Entry<V> {
  readonly hash: number
  readonly key: string
  readonly value: V
  readonly next: Entry<V> | undefined
}

type Slots<V> = readonly (Entry<V> | undefined)[]

/**
 * An immutable map from text that shares with its predecessor all that did not change: another version costs microseconds, where a copied `Map`
 * of 10,000 hosts would cost a millisecond of every worker for each change.
 *
 * A key that is looked up is compared with one entry, as a rule, and is not remembered by V8, as a key of a `Map` is: text that comes with a
 * request is new each time.
 */
export class SharedMap<V> {
  readonly #slots: readonly (Slots<V> | undefined)[]
  readonly size: number

  private constructor(slots: readonly (Slots<V> | undefined)[], size: number) {
    this.#slots = slots
    this.size = size
  }

  static empty<V>(): SharedMap<V> {
    return new SharedMap<V>(new Array(SLOT_COUNT).fill(undefined), 0)
  }

  get(key: string): V | undefined {
    const hash = hashOf(key)
    return find(this.#slots[hash & MASK]?.[(hash >>> BITS) & MASK], hash, key)?.value
  }

  /** What a key of that hash stands in: the same object in every version in which nothing of it has changed. */
  part(hash: number): object | undefined {
    return this.#slots[hash & MASK]
  }

  *keys(): Generator<string> {
    for (const slots of this.#slots) for (const first of slots ?? []) for (let entry = first; entry; entry = entry.next) yield entry.key
  }

  /** The map with these entries set, or removed where the value is `undefined`. */
  with(changes: readonly (readonly [key: string, value: V | undefined])[]): SharedMap<V> {
    if (changes.length === 0) return this
    const slots = this.#slots.slice()
    const copied = new Map<number, (Entry<V> | undefined)[]>()
    let size = this.size
    for (const [key, value] of changes) {
      const hash = hashOf(key)
      const index = hash & MASK
      let inner = copied.get(index)
      if (!inner) {
        inner = slots[index]?.slice() ?? new Array<Entry<V> | undefined>(SLOT_COUNT).fill(undefined)
        copied.set(index, inner)
        slots[index] = inner
      }
      const at = (hash >>> BITS) & MASK
      const first = inner[at]
      if (find(first, hash, key) !== undefined) {
        inner[at] = without(first, key)
        size--
      }
      if (value === undefined) continue
      inner[at] = { hash, key, value, next: inner[at] }
      size++
    }
    return new SharedMap(slots, size)
  }
}

function find<V>(first: Entry<V> | undefined, hash: number, key: string): Entry<V> | undefined {
  let entry = first
  while (entry !== undefined && (entry.hash !== hash || entry.key !== key)) entry = entry.next
  return entry
}

function without<V>(first: Entry<V> | undefined, key: string): Entry<V> | undefined {
  if (first === undefined || first.key === key) return first?.next
  return { ...first, next: without(first.next, key) }
}

// Tenants choose their hosts: none of them is to know which share a slot.
const SEED = Math.floor(Math.random() * 2 ** 32)

/** FNV-1a over UTF-16 units from a random start, folded: names of apps differ in few characters, and these must spread. */
export function hashOf(key: string): number {
  let hash = SEED
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193)
  return hash ^ (hash >>> 14) ^ (hash >>> 22)
}
