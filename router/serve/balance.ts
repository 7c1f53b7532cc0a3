import type { Endpoint } from '../table/route.ts'

/** What is known beside the table of an endpoint's state. */
export interface EndpointLoads {
  load(endpoint: Endpoint): number
  isEjected(endpoint: Endpoint): boolean
}

// With fewer than this share of an app's endpoints in order, those that fail take part again: the few would only drown in what all were
// made for, and an app that fails as a whole is not helped by sending all to its last endpoint (Envoy's panic threshold).
const PANIC_SHARE = 0.3

// In the order in which they are taken.
const GOOD = 0
const EJECTED = 1
const TERMINATING = 2
const TRIED = 3
const UNFIT = 4

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
  if (first !== undefined && second !== undefined && rank(first, loads, tried) === GOOD && rank(second, loads, tried) === GOOD) {
    return loads.load(second) < loads.load(first) ? second : first
  }
  return chooseAmongAll(endpoints, loads, tried)
}

/** Whether a request may go there by its own wish, as one that sticks to its endpoint does. */
export function isFit(endpoint: Endpoint, loads: EndpointLoads, tried?: Endpoint): boolean {
  return rank(endpoint, loads, tried) === GOOD
}

function rank(endpoint: Endpoint, loads: EndpointLoads, tried: Endpoint | undefined): number {
  if (!endpoint.serving) return UNFIT
  if (endpoint.key === tried?.key) return TRIED
  if (endpoint.terminating) return TERMINATING
  return loads.isEjected(endpoint) ? EJECTED : GOOD
}

/** The slow way, while some endpoints are not good: the least loaded of the best kind there is. */
function chooseAmongAll(endpoints: readonly Endpoint[], loads: EndpointLoads, tried: Endpoint | undefined): Endpoint | undefined {
  const isPanic = tried === undefined && isInPanic(endpoints, loads)
  const start = Math.floor(Math.random() * endpoints.length)
  let chosen: Endpoint | undefined
  let chosenRank = UNFIT
  let chosenLoad = 0
  for (let step = 0; step < endpoints.length; step++) {
    const endpoint = endpoints[(start + step) % endpoints.length] as Endpoint
    let kind = rank(endpoint, loads, tried)
    if (kind === EJECTED && isPanic) kind = GOOD
    if (kind > chosenRank || kind === UNFIT) continue
    const load = loads.load(endpoint)
    if (kind === chosenRank && load >= chosenLoad) continue
    chosen = endpoint
    chosenRank = kind
    chosenLoad = load
  }
  return chosen
}

function isInPanic(endpoints: readonly Endpoint[], loads: EndpointLoads): boolean {
  let good = 0
  let ejected = 0
  for (const endpoint of endpoints) {
    const kind = rank(endpoint, loads, undefined)
    if (kind === GOOD) good++
    else if (kind === EJECTED) ejected++
  }
  return good < (good + ejected) * PANIC_SHARE
}
