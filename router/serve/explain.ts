import { X509Certificate } from 'node:crypto'
import { parseRequestHead } from '../http1/request-head.ts'
import { stapleKey } from '../ocsp/subject.ts'
import type { EndpointView, Explanation, WhyQuestion } from '../questions.ts'
import { AppLoad } from '../table/app-load.ts'
import { normalHost } from '../table/host.ts'
import { locate, plainAddress, type Route } from '../table/route.ts'
import type { Table } from '../table/table.ts'
import { Client } from './client.ts'
import { decide, decideUnclaimed, refuse } from './decide.ts'
import { ERRORS, type Reply } from './errors.ts'
import { type Downstream, Exchange } from './exchange.ts'
import type { Phases } from './phases.ts'

/**
 * What would become of a request, and why, for people who ask why a healthy app is not served. It passes the same phases as a request up to the
 * choice of an endpoint, with rates left out, which would count it; it sends nothing.
 *
 * @param view how this worker sees an endpoint
 */
export function explain(table: Table, question: WhyQuestion, phases: Phases, view: (endpoint: string) => EndpointView): Explanation {
  const host = normalHost(question.host)
  const match = table.explain(host)
  const base = { host, tableVersion: table.version, conditions: [], ...certificateOf(table, host) }
  const exchange = exchangeOf(table, host, question)
  if (exchange === undefined) return { ...base, outcome: '400', code: 'R40', reason: 'No HTTP request can name this host, path or method' }
  const isDefault = match === undefined && table.settings.defaultService !== undefined && !question.isSecure
  const route = match === undefined ? (isDefault ? table.settings.defaultService : undefined) : locate(match.route, question.path)
  if (route === undefined) {
    const reason = host === '' ? `Cannot read host "${question.host}"` : 'No app claims this host'
    return { ...base, ...outcomeOf(decideUnclaimed(exchange)), reason }
  }
  exchange.route = route
  const about = {
    ...base,
    ...(match && { pattern: match.pattern }),
    app: route.app,
    service: `${route.namespace}/${route.service}`,
    conditions: conditionsOf(route, question),
    endpoints: route.endpoints.map(endpoint => ({
      ...view(endpoint.key),
      ...(!endpoint.serving && { isServing: false as const }),
      ...(endpoint.terminating && { isTerminating: true as const }),
    })),
  }
  const { allow, edge } = route.policy
  if ((allow || edge?.deny) && question.from === undefined)
    return { ...about, outcome: 'unknown', reason: 'It depends on the address of the client: say from=' }
  const calm = withoutCounters(route)
  const answer = refuse(exchange, calm, phases) ?? decide(exchange, calm, phases)
  if (answer !== undefined) return { ...about, ...outcomeOf(answer), reason: reasonOf(answer, route, question) }
  if (!about.endpoints.some(({ isServing }) => isServing !== false) && route.steering?.canary === undefined)
    return { ...about, outcome: '503', code: 'R20', reason: 'None of the app’s endpoints is ready' }
  const how = match ? `“${match.pattern}” leads to ${about.service}` : 'No app claims this host: the default service gets it'
  return { ...about, outcome: 'forward', reason: route === match?.route || !match ? how : `${how}, which serves this path` }
}

function certificateOf(table: Table, host: string): Pick<Explanation, 'certificate' | 'stapledUntil'> {
  const certificate = table.certificate(host)
  if (certificate === undefined) return {}
  const staple = table.stapleCount > 0 ? table.staple(stapleKey(new X509Certificate(certificate.chain).raw)) : undefined
  return { certificate: certificate.names, ...(staple && { stapledUntil: new Date(staple.validUntilMs).toISOString() }) }
}

/** The request in question, as if it had come. @returns `undefined` for what is no request */
function exchangeOf(table: Table, host: string, { method, path, from, isSecure }: WhyQuestion): Exchange | undefined {
  if (/[\s\0]/.test(method + path)) return undefined
  const limits = { requestLineBytesMax: 16 * 1024, fieldCountMax: 10 }
  const head = parseRequestHead(`${method} ${path} HTTP/1.1\r\nHost: ${host || 'unknown'}\r\n\r\n`, limits)
  if (typeof head === 'string') return undefined
  const client = new Client(plainAddress(from ?? '0.0.0.0'), 0, isSecure, true)
  return new Exchange(head, { client, bytesSent: 0 } as unknown as Downstream, table)
}

function withoutCounters(route: Route): Route {
  const load = Object.assign(new AppLoad(), { requests: route.load.requests, connections: route.load.connections })
  const { edge, ...policy } = route.policy
  if (edge === undefined) return { ...route, load }
  const { clientRate: _clientRate, appRate: _appRate, ...rest } = edge
  return { ...route, load, policy: { ...policy, edge: rest } }
}

function outcomeOf({ status, code, fields }: Reply): Pick<Explanation, 'outcome' | 'code' | 'location'> {
  const location = /^location: *(.*)\r$/im.exec(fields)?.[1]
  return { outcome: String(status), ...(code && { code }), ...(location !== undefined && { location }) }
}

function reasonOf({ code, fields }: Reply, { policy }: Route, { from }: WhyQuestion): string {
  if (code === 'R12')
    return policy.edge?.deny?.check(plainAddress(from ?? '')) ? `x-deny names ${from}` : `The whitelist does not hold ${from}`
  if (code === 'R20') return 'The app has no endpoint: its Service selects no pod, or all are gone'
  if (code !== undefined) return ERRORS[code].text
  return /^location:/im.test(fields) ? 'The app sends its clients elsewhere, see the conditions' : 'The router answers by itself'
}

/** All that stands between a client and the app, each in a sentence, in the order in which it is asked. */
function conditionsOf({ policy, steering }: Route, { from, isSecure }: WhyQuestion): string[] {
  const { allow, edge } = policy
  const verdict = (passes: boolean) => (from === undefined ? 'depends on from=' : passes ? 'passes' : 'decides')
  const address = plainAddress(from ?? '')
  const conditions = [
    edge?.deny && `x-deny keeps some clients out: ${verdict(!edge.deny.check(address))}`,
    allow && `whitelist lets in only some clients: ${verdict(allow.check(address))}`,
    edge?.clientRate && 'x-rate-limit: one client may be answered 429 (R15)',
    edge?.appRate && 'x-rate-limit-app: all clients together may be answered 429 (R15)',
    edge?.auth !== undefined && `x-basic-auth: who knows no password of Secret ${edge.auth} is answered 401 (R14)`,
    policy.maintenance && 'maintenance: decides (R21)',
    policy.sslEnforce && `ssl.enforce, of the app or the router: ${isSecure ? 'passes' : 'decides, redirects to https'}`,
    edge?.canonicalHost !== undefined && `x-canonical-host: other hosts are sent to ${edge.canonicalHost}`,
    edge?.redirects && `${edge.redirects.length} redirects of paths`,
    policy.bodyBytesMax > 0 && `bodies over ${sizeOf(policy.bodyBytesMax)} are refused with 413 (R43)`,
    edge?.requestsMax !== undefined && `x-requests-max: over ${edge.requestsMax} in flight are answered 503 (R22)`,
    edge?.connectionsMax !== undefined && `x-connections-max: over ${edge.connectionsMax} open are answered 503 (R22)`,
    steering?.canary && `a canary gets ${steering.canary.weight} % of the requests`,
    steering?.sticky && `a cookie, ${steering.sticky.cookie}, keeps clients at their endpoint`,
  ]
  return conditions.filter(condition => typeof condition === 'string')
}

function sizeOf(bytes: number): string {
  return bytes % 1024 ** 2 === 0 ? `${bytes / 1024 ** 2} MB` : bytes % 1024 === 0 ? `${bytes / 1024} KB` : `${bytes} bytes`
}
