import { findRedirect } from './extensions/redirects.ts'
import { normalHost } from './host.ts'
import { locate, plainAddress, type Route } from './route.ts'
import type { Table } from './table.ts'

export interface Question {
  readonly host: string
  readonly path: string
  /** The client's address, where it matters. */
  readonly from: string | undefined
  readonly isSecure: boolean
}

/** What would become of a request, and why: for people who ask why a healthy app is not served. */
export interface Explanation {
  readonly host: string
  readonly outcome: string
  readonly reason: string
  readonly pattern?: string
  readonly app?: string
  readonly service?: string
  readonly endpoints?: readonly string[]
  /** The names on the certificate that a client is shown; absent: the self-signed one. */
  readonly certificate?: readonly string[]
  readonly tableVersion: number
}

/** Answers by a table alone: it sends nothing, and knows nothing of an endpoint's health. */
export function explain(table: Table, question: Question): Explanation {
  const host = normalHost(question.host)
  const match = table.explain(host)
  const certificate = table.certificate(host)?.names
  const base = { host, tableVersion: table.version, ...(certificate && { certificate }) }
  if (!match) {
    const isDefault = table.settings.defaultService !== undefined && !question.isSecure
    if (isDefault) return { ...base, outcome: 'forward', reason: 'No app claims this host: it goes to the default service' }
    return { ...base, outcome: '404', reason: host ? 'No app claims this host' : `Cannot read host "${question.host}"` }
  }
  const route = locate(match.route, question.path)
  const { outcome, reason } = decide(route, { ...question, host })
  const usable = route.endpoints.filter(endpoint => endpoint.serving)
  return {
    ...base,
    pattern: match.pattern,
    app: route.app,
    service: `${route.namespace}/${route.service}`,
    endpoints: usable.map(({ key, terminating }) => (terminating ? `${key} (terminating)` : key)),
    outcome,
    reason,
  }
}

function decide({ policy, endpoints }: Route, { host, path, from, isSecure }: Question): { outcome: string; reason: string } {
  const { edge } = policy
  if (edge?.deny && from === undefined) return { outcome: 'unknown', reason: 'The app denies some networks: say from= which address' }
  if (from !== undefined && edge?.deny?.check(plainAddress(from))) return { outcome: '403', reason: `The app denies ${from}` }
  if (policy.allow && from === undefined) return { outcome: 'unknown', reason: 'The app has a whitelist: say from= which address' }
  if (policy.allow && from !== undefined && !policy.allow.check(plainAddress(from)))
    return { outcome: '403', reason: `The whitelist does not hold ${from}` }
  if (policy.maintenance) return { outcome: '503', reason: 'The app is in maintenance' }
  if (!endpoints.some(endpoint => endpoint.serving)) return { outcome: '503', reason: 'The app has no endpoint that serves' }
  if (policy.sslEnforce && !isSecure) return { outcome: '301', reason: 'The app wants https' }
  if (edge?.canonicalHost !== undefined && edge.canonicalHost !== host)
    return { outcome: '301', reason: `The app wants to be called ${edge.canonicalHost}` }
  const redirect = edge?.redirects && findRedirect(edge.redirects, path.replace(/\?.*$/s, ''))
  if (redirect) return { outcome: String(redirect.status), reason: `The app has moved ${redirect.from || '/'} to ${redirect.to}` }
  return { outcome: 'forward', reason: 'Goes to one of the endpoints' }
}
