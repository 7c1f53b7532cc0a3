import { isDeepStrictEqual } from 'node:util'
import type { ConfigMap } from 'kubernetes-types/core/v1'
import type { Fault } from './annotations.ts'
import { type ErrorPagesReading, type ErrorPagesSpec, readErrorPages } from './error-pages.ts'
import type { PageSources } from './extensions/pages.ts'
import { References } from './references.ts'

/** The ConfigMaps with pages that apps and the router name: read, checked, and kept at their last good state. */
export class PageStore {
  readonly #named = new References()
  readonly #known = new Map<string, ErrorPagesReading>()

  /** Notes which ConfigMaps an object names. @returns those that it did not name before, or names no more */
  name(owner: string, sources: PageSources | undefined): ReadonlySet<string> {
    return this.#named.set(owner, keysOf(sources))
  }

  /** Reads ConfigMaps again. @returns the pages that are others now, and the objects that name what was looked at */
  read(find: (key: string) => ConfigMap | undefined, keys: Iterable<string>) {
    const pages: (readonly [configMap: string, pages: ErrorPagesSpec | null])[] = []
    const looked = new Set<string>()
    for (const key of keys) {
      const owners = [...this.#named.get(key)]
      const before = this.#known.get(key)
      const configMap = owners.length > 0 ? find(key) : undefined
      const now = configMap && readErrorPages(configMap, before?.pages)
      if (now) this.#known.set(key, now)
      else this.#known.delete(key)
      if (!isDeepStrictEqual(now?.pages, before?.pages)) pages.push([key, now?.pages ?? null])
      for (const owner of owners) looked.add(owner)
    }
    return { pages, looked }
  }

  all(): (readonly [configMap: string, pages: ErrorPagesSpec])[] {
    return Array.from(this.#known, ([key, { pages }]) => [key, pages])
  }

  /** All ConfigMaps that somebody names, whether they exist or not. */
  wanted(): ReadonlySet<string> {
    return new Set(this.#named.things())
  }

  faultsOf(sources: PageSources | undefined): Fault[] {
    return keysOf(sources).flatMap(key => {
      const known = this.#known.get(key)
      if (!known) return [{ key: 'x-error-pages', value: key, message: `Cannot show pages: there is no ConfigMap ${key}` }]
      return known.faults.map(fault => ({ key: 'x-error-pages', ...fault }))
    })
  }
}

function keysOf(sources: PageSources | undefined): string[] {
  return [...new Set([sources?.errors, sources?.maintenance].filter(key => key !== undefined))]
}
