import { ROUTER_PREFIXES } from '../../kernel/contract.ts'

/** The two spellings of the contract: Drycc's own and that of Deis and Hephy. */
export type Family = (typeof ROUTER_PREFIXES)[number]

/** One entry of an object that could not be used. Whatever else the object says still counts. */
export interface Fault {
  /** The annotation without its family, or another field's path. */
  readonly key: string
  /** What was refused, cut to 200 characters. */
  readonly value: string
  readonly message: string
  /** The key of the Secret that is to be mended, where it is one. */
  readonly secret?: string
}

/**
 * Reads the annotations of one object by name, of both families: where both have one, the preferred family's counts.
 * What cannot be read becomes a fault, entry by entry.
 */
export class Annotations {
  readonly #values = new Map<string, string>()
  readonly #read = new Set<string>()
  readonly #faults: Fault[] = []
  readonly #before: ReadonlyMap<string, string> | undefined
  readonly #good = new Map<string, string>()

  /** @param before the {@link good} texts of an earlier reading, by which values fall back that have no last good one of their own */
  constructor(annotations: Readonly<Record<string, string>> | undefined, preferred: Family, before?: ReadonlyMap<string, string>) {
    this.#before = before
    for (const family of [...ROUTER_PREFIXES.filter(family => family !== preferred), preferred]) {
      for (const [key, value] of Object.entries(annotations ?? {})) {
        if (key.startsWith(family)) this.#values.set(key.slice(family.length), String(value).trim())
      }
    }
  }

  get faults(): readonly Fault[] {
    return this.#faults
  }

  /** The texts that could be read, and of those that could not the last that could. */
  get good(): ReadonlyMap<string, string> {
    return this.#good
  }

  /** The text of an annotation; `undefined` where it is absent or empty. */
  text(name: string): string | undefined {
    this.#read.add(name)
    return this.#values.get(name) || undefined
  }

  /**
   * One value: what `parse` makes of the text, `absent` where there is none, `lastGood` (or else `absent`) where it cannot be read.
   */
  one<T>(name: string, absent: T, parse: (text: string) => T, lastGood: T = absent): T {
    const text = this.text(name)
    if (text === undefined) return absent
    try {
      const value = parse(text)
      this.#good.set(name, text)
      return value
    } catch (error) {
      this.fault(name, text, error)
      const before = this.#before?.get(name)
      if (before === undefined) return lastGood
      this.#good.set(name, before)
      return this.#silently(() => parse(before))
    }
  }

  /** The items of a list that can be read, or where none can those of the last that could; `undefined` where there is no list at all. */
  items<T>(name: string, parse: (item: string) => T): readonly T[] | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    const items = this.#itemsOf(name, text, parse)
    if (items.length > 0) this.#good.set(name, text)
    const before = this.#before?.get(name)
    if (items.length > 0 || before === undefined || !this.#faults.some(({ key }) => key === name)) return items
    this.#good.set(name, before)
    return this.#silently(() => this.#itemsOf(name, before, parse))
  }

  /** What was wrong in an earlier text was told at its time. */
  #silently<T>(read: () => T): T {
    const told = this.#faults.length
    const value = read()
    this.#faults.length = told
    return value
  }

  #itemsOf<T>(name: string, text: string, parse: (item: string) => T): T[] {
    const items: T[] = []
    for (const item of text.split(',').map(item => item.trim())) {
      // An empty item, as after a trailing comma, must not become a domain that is everybody's.
      if (item === '') continue
      try {
        items.push(parse(item))
      } catch (error) {
        this.fault(name, item, error)
      }
    }
    return items
  }

  /** Notes a fault that the caller found in what it read. */
  fault(key: string, value: string, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error)
    this.#faults.push({ key, value: value.slice(0, 200), message: message.slice(0, 400) })
  }

  /** The names of these that are set. They count as read. */
  present(names: Iterable<string>): readonly string[] {
    return Array.from(names).filter(name => this.text(name) !== undefined)
  }

  /** Makes a fault of every annotation that nobody asked for: most are misspelt or stand on the wrong object. */
  faultUnread(): void {
    for (const [name, value] of this.#values) {
      if (!this.#read.has(name)) this.fault(name, value, 'Unknown annotation: it has no effect on this object')
    }
  }
}
