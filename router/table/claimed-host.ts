import type { Route } from './route.ts'
import { hashOf, type SharedMap } from './shared-map.ts'
import type { HostSpec } from './spec.ts'

/**
 * A host of a table, which remembers where its app's route stood when it was last asked for: of 10,000 hosts asked for at random each look-up
 * is a look into memory that the processor has long forgotten.
 */
export class ClaimedHost implements HostSpec {
  readonly app: string
  readonly certificate?: string
  readonly #hash: number
  #part: object | undefined
  #route: Route | undefined

  constructor({ app, certificate }: HostSpec) {
    this.app = app
    if (certificate !== undefined) this.certificate = certificate
    this.#hash = hashOf(app)
  }

  /** The route of its app in one version of a table's routes. */
  route(routes: SharedMap<Route>): Route | undefined {
    const part = routes.part(this.#hash)
    if (part !== this.#part) {
      this.#part = part
      this.#route = routes.get(this.app)
    }
    return this.#route
  }
}
