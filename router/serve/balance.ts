import type { Endpoint } from '../table/route.ts'

/** What is known beside the table of an endpoint's state. */
export interface EndpointLoads {
  load(endpoint: Endpoint): number
  isEjected(endpoint: Endpoint): boolean
}

/**
 * Chooses the less loaded of two endpoints drawn at random: nearly as even as the best of all, without every worker running to the same one
 * (Mitzenmacher 2001). Those that failed lately, and those that are going away, are used only when there is no other.
 *
 * @param tried an endpoint to avoid, as the attempt there has just failed
 */
export function choose(endpoints: readonly Endpoint[], loads: EndpointLoads, tried?: Endpoint): Endpoint | undefined {
  if (endpoints.length === 1) return endpoints[0]?.serving === true ? endpoints[0] : undefined
  const first = endpoints[Math.floor(Math.random() * endpoints.length)]
  const second = endpoints[Math.floor(Math.random() * endpoints.length)]
  if (first !== undefined && second !== undefined && isGood(first, loads, tried) && isGood(second, loads, tried)) {
    return loads.load(second) < loads.load(first) ? second : first
  }
  return chooseAmongAll(endpoints, loads, tried)
}

function isGood(endpoint: Endpoint, loads: EndpointLoads, tried: Endpoint | undefined): boolean {
  return endpoint.serving && !endpoint.terminating && endpoint.key !== tried?.key && !loads.isEjected(endpoint)
}

/** The slow way, while some endpoints are not good: the least loaded of the best kind there is. */
function chooseAmongAll(endpoints: readonly Endpoint[], loads: EndpointLoads, tried: Endpoint | undefined): Endpoint | undefined {
  const serving = endpoints.filter(endpoint => endpoint.serving)
  const kinds = [
    serving.filter(endpoint => isGood(endpoint, loads, tried)),
    serving.filter(endpoint => !endpoint.terminating && endpoint.key !== tried?.key),
    serving.filter(endpoint => endpoint.key !== tried?.key),
    serving,
  ]
  const best = kinds.find(kind => kind.length > 0) ?? []
  const start = Math.floor(Math.random() * best.length)
  let chosen = best[start]
  for (let step = 1; step < best.length; step++) {
    const endpoint = best[(start + step) % best.length] as Endpoint
    if (chosen === undefined || loads.load(endpoint) < loads.load(chosen)) chosen = endpoint
  }
  return chosen
}
