/** One app's wish to serve a pattern of hosts. */
export interface Claim {
  /** The key of the app. */
  readonly app: string
  readonly createdAt: string
  /** The domain as the annotation says it: what `proxyDomain` and `certificates` are compared with. */
  readonly domain: string
}

/** An app's claims by pattern, each pattern once. */
export type AppClaims = readonly (readonly [pattern: string, claim: Claim])[]

const NONE: AppClaims = []

/**
 * Who serves which pattern. Where two claim one, the older object keeps it, then the one whose key comes first: an answer that does not
 * depend on the order in which objects were seen. Each change costs what changed, not what stands.
 */
export class Claims {
  readonly #byPattern = new Map<string, readonly Claim[]>()
  // Arrays: a map for each of ten thousand apps would take six times the memory.
  readonly #byApp = new Map<string, AppClaims>()

  /** Replaces the claims of an app. @returns the patterns whose owner, or whose owner's claim, may be another now */
  set(app: string, claims: ReadonlyMap<string, Claim>): Set<string> {
    const before = new Map(this.#byApp.get(app))
    const touched = new Set<string>()
    for (const [pattern, claim] of before) {
      const now = claims.get(pattern)
      if (now && isSame(now, claim)) continue
      touched.add(pattern)
      const others = (this.#byPattern.get(pattern) ?? []).filter(other => other.app !== app)
      if (others.length > 0) this.#byPattern.set(pattern, others)
      else this.#byPattern.delete(pattern)
    }
    for (const [pattern, claim] of claims) {
      const was = before.get(pattern)
      if (was && isSame(was, claim)) continue
      touched.add(pattern)
      this.#byPattern.set(pattern, [...(this.#byPattern.get(pattern) ?? []), claim].sort(compare))
    }
    if (claims.size > 0) this.#byApp.set(app, [...claims])
    else this.#byApp.delete(app)
    return touched
  }

  owner(pattern: string): Claim | undefined {
    return this.#byPattern.get(pattern)?.[0]
  }

  /** All who want a pattern, its owner first. */
  claimants(pattern: string): readonly Claim[] {
    return this.#byPattern.get(pattern) ?? []
  }

  /** What an app wants, whether it has it or not. */
  of(app: string): AppClaims {
    return this.#byApp.get(app) ?? NONE
  }

  patterns(): Iterable<string> {
    return this.#byPattern.keys()
  }
}

function isSame(a: Claim, b: Claim): boolean {
  return a.domain === b.domain && a.createdAt === b.createdAt
}

function compare(a: Claim, b: Claim): number {
  if (a.createdAt !== b.createdAt) return a.createdAt < b.createdAt ? -1 : 1
  return a.app < b.app ? -1 : 1
}
