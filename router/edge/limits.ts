import { errorReply, type Reply } from '../serve/errors.ts'
import type { Exchange } from '../serve/exchange.ts'
import { shareOf } from '../serve/limits.ts'
import type { Phases } from '../serve/phases.ts'
import type { Edge } from '../table/edge.ts'
import type { Route } from '../table/route.ts'

/** Refuses who comes more often than the app wants. */
export function rateReply(exchange: Exchange, route: Route, { clientRate, appRate }: Edge, phases: Phases): Reply | undefined {
  const { origin, startedAt } = exchange
  let waitMs = 0
  if (clientRate !== undefined)
    waitMs = phases.rates.takeClient(`${route.namespace}/${route.service}`, origin.address, clientRate, startedAt)
  if (waitMs === 0 && appRate !== undefined) waitMs = phases.rates.takeApp(route.load, appRate, phases.workers, startedAt)
  return waitMs === 0 ? undefined : errorReply('R15', `Retry-After: ${Math.ceil(waitMs / 1000)}\r\n`)
}

/**
 * Counts a request for its app, and the connection it came on, until it is recorded and the connection closed: an app that hangs must not
 * fill the worker.
 *
 * @returns an answer where the app is full
 */
export function admit(exchange: Exchange, route: Route, phases: Phases): Reply | undefined {
  const { load } = route
  const { edge } = route.policy
  const requestsMax = edge?.requestsMax === undefined ? usualMax(exchange, phases) : Math.ceil(edge.requestsMax / phases.workers)
  if (load.requests >= requestsMax) return errorReply('R22')
  const { client } = exchange.downstream
  if (client.load !== load) {
    if (edge?.connectionsMax !== undefined && load.connections >= Math.ceil(edge.connectionsMax / phases.workers)) return errorReply('R22')
    client.serves(load)
  }
  load.requests++
  load.begun++
  exchange.load = load
  return undefined
}

/** Half of the connections at most, whatever the operator has made of their number. */
function usualMax({ table }: Exchange, { limits }: Phases): number {
  const { workerConnectionsMax } = table.settings
  return workerConnectionsMax === undefined ? limits.appRequestsMax : Math.min(limits.appRequestsMax, shareOf(workerConnectionsMax))
}
