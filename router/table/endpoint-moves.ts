import type { Endpoint, Route } from './route.ts'

/** The endpoints of an app that a change of the table takes away or brings. */
export interface EndpointMoves {
  readonly left: readonly Endpoint[]
  /** Only where others served before: where all are new there is nothing to compare them with. */
  readonly arrived: readonly Endpoint[]
}

/** Compares an app's endpoints before and after a change; one that is going away, though it may still serve, has left. */
export function findMoves(before: Route | undefined, after: Route | undefined): EndpointMoves {
  const was = endpointsOf(before)
  const is = endpointsOf(after)
  const isCold = ![...was.values()].some(({ serving }) => serving)
  return {
    left: [...was.values()].filter(({ key }) => is.get(key)?.terminating ?? true),
    arrived: isCold ? [] : [...is.values()].filter(({ key, serving, terminating }) => serving && !terminating && !was.get(key)?.serving),
  }
}

function endpointsOf(route: Route | undefined): Map<string, Endpoint> {
  const all = [...(route?.endpoints ?? []), ...(route?.steering?.canary?.endpoints ?? [])]
  return new Map(all.map(endpoint => [endpoint.key, endpoint]))
}
