/** Which apps name a thing (a domain, a Secret), kept in both directions so that a change costs what changed. */
export class References {
  readonly #apps = new Map<string, Names>()
  readonly #things = new Map<string, readonly string[]>()

  /** @returns the things that were added or removed */
  set(app: string, things: Iterable<string>): Set<string> {
    const before = this.#things.get(app) ?? NONE
    const now = new Set(things)
    const changed = now.symmetricDifference(new Set(before))
    for (const thing of changed) {
      const apps = now.has(thing) ? withName(this.#apps.get(thing), app) : withoutName(this.#apps.get(thing), app)
      if (apps === undefined) this.#apps.delete(thing)
      else this.#apps.set(thing, apps)
    }
    if (now.size > 0) this.#things.set(app, [...now])
    else this.#things.delete(app)
    return changed
  }

  /** The apps that name a thing. */
  get(thing: string): Iterable<string> {
    const apps = this.#apps.get(thing)
    return typeof apps === 'string' ? [apps] : (apps ?? NONE)
  }

  /** Whether some app names a thing. */
  has(thing: string): boolean {
    return this.#apps.has(thing)
  }

  /** All things that some app names. */
  things(): Iterable<string> {
    return this.#apps.keys()
  }
}

/** Most things are named by one app: its name alone takes a tenth of the memory of a set of one. */
type Names = string | Set<string>

const NONE: readonly string[] = []

function withName(names: Names | undefined, name: string): Names {
  if (names === undefined) return name
  return typeof names === 'string' ? new Set([names, name]) : names.add(name)
}

function withoutName(names: Names | undefined, name: string): Names | undefined {
  if (names === undefined || names === name) return undefined
  if (typeof names === 'string') return names
  names.delete(name)
  return names.size === 1 ? [...names][0] : names
}
