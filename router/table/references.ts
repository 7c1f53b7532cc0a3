/** Which apps name a thing (a domain, a Secret), kept in both directions so that a change costs what changed. */
export class References {
  readonly #apps = new Map<string, Set<string>>()
  readonly #things = new Map<string, ReadonlySet<string>>()

  /** @returns the things that were added or removed */
  set(app: string, things: Iterable<string>): Set<string> {
    const before = this.#things.get(app) ?? new Set()
    const now = new Set(things)
    const changed = before.symmetricDifference(now)
    for (const thing of changed) {
      const apps = this.#apps.get(thing) ?? new Set()
      if (now.has(thing)) apps.add(app)
      else apps.delete(app)
      if (apps.size > 0) this.#apps.set(thing, apps)
      else this.#apps.delete(thing)
    }
    if (now.size > 0) this.#things.set(app, now)
    else this.#things.delete(app)
    return changed
  }

  /** The apps that name a thing. */
  get(thing: string): ReadonlySet<string> {
    return this.#apps.get(thing) ?? new Set()
  }

  /** All things that some app names. */
  things(): Iterable<string> {
    return this.#apps.keys()
  }
}
