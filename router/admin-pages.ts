import type { AdminReply } from '../kernel/admin.ts'
import type { RecentRequest } from '../kernel/contract.ts'
import type { Fleet } from './fleet.ts'
import type { EndpointView, Explanation } from './questions.ts'
import type { TableBuilder } from './table/build.ts'
import { nearMisses } from './table/near-misses.ts'

const ROUTES_MAX = 500
const REQUESTS_MAX = 1000

/**
 * `/routes`: apps with their hosts, endpoints, policy and faults, at most 500 at once; `next` of a page is `after` of the one that follows. `?app=` or
 * `?service=` picks one, `?faults` those that have any.
 */
export function routesPage(builder: TableBuilder, { searchParams: query }: URL): AdminReply {
  const limit = limitOf(query, ROUTES_MAX)
  const { router, apps, next } = builder.report({
    ...picked(query, 'app'),
    ...picked(query, 'service'),
    ...picked(query, 'after'),
    ...(query.has('faults') && { faults: true }),
    limit,
  })
  return { body: { version: builder.version, router, apps, ...(next !== undefined && { next }) } }
}

/** `/why?host=…&path=…&from=…&scheme=…&method=…`: what would become of such a request, by the table and the endpoints' state of the workers. */
export async function whyPage(builder: TableBuilder, fleet: Fleet | undefined, url: URL, accept: string): Promise<AdminReply> {
  const { searchParams: query } = url
  const host = query.get('host')
  if (host === null)
    return { status: 400, body: 'Say which host: /why?host=shop.example.com&path=/&from=192.0.2.1&scheme=https&method=GET\n' }
  const [first, ...others] =
    (await fleet?.ask({
      about: 'why',
      host,
      path: query.get('path') || '/',
      method: query.get('method') || 'GET',
      from: query.get('from') || undefined,
      isSecure: query.get('scheme') === 'https' || query.get('scheme') === 'wss',
    })) ?? []
  if (!first) return { status: 503, body: 'No worker serves yet\n' }
  const endpoints = first.endpoints?.map(one => together(one, others))
  const explanation = { ...first, ...(endpoints && { endpoints }), nearMisses: nearMisses(builder, first.host, first.service) }
  return wantsText(query, accept) ? { body: whyText(explanation) } : { body: explanation }
}

/** `/requests?app=…` or `?namespace=…`: the last exchanges of all workers, the youngest first. */
export async function requestsPage(fleet: Fleet | undefined, { searchParams: query }: URL, accept: string): Promise<AdminReply> {
  const wanted = { ...picked(query, 'app'), ...picked(query, 'namespace') }
  if (Object.keys(wanted).length === 0) return { status: 400, body: 'Say whose: /requests?app=shop or /requests?namespace=shop\n' }
  const limit = limitOf(query, REQUESTS_MAX)
  const all = (await fleet?.ask({ about: 'requests', ...wanted })) ?? []
  const requests = all
    .flat()
    .sort((a, b) => (a.time > b.time ? -1 : 1))
    .slice(0, limit)
  return wantsText(query, accept) ? { body: requests.map(requestText).join('') } : { body: { requests } }
}

/** An endpoint as all workers see it: what runs there is added up, and whoever passes it over is counted. */
function together(one: EndpointView, others: readonly Explanation[]) {
  const views = [one, ...others.flatMap(({ endpoints }) => endpoints?.filter(({ endpoint }) => endpoint === one.endpoint) ?? [])]
  const sum = (of: (view: EndpointView) => number) => views.reduce((total, view) => total + of(view), 0)
  const ejectedBy = sum(view => Number(view.isEjected))
  return {
    ...one,
    active: sum(view => view.active),
    idle: sum(view => view.idle),
    load: sum(view => view.load),
    isEjected: ejectedBy > 0,
    ejectedBy,
  }
}

type Together = Explanation & { readonly nearMisses: readonly string[] }

function whyText({
  host,
  outcome,
  code,
  location,
  reason,
  pattern,
  app,
  service,
  conditions,
  endpoints,
  certificate,
  stapledUntil,
  tableVersion,
  nearMisses,
}: Together): string {
  const lines = [
    `${host || 'No host'}: ${outcome === 'forward' ? 'goes to the app' : outcome === 'unknown' ? 'it depends' : `answered ${outcome}`}${code ? ` (${code})` : ''}`,
    `  ${reason}`,
    ...(location === undefined ? [] : [`  Location: ${location}`]),
    ...(service === undefined ? [] : [`  app ${app}, Service ${service}${pattern === undefined ? '' : `, found by ${pattern}`}`]),
    ...(certificate
      ? [`  certificate for ${certificate.join(', ')}${stapledUntil ? `, with an OCSP response until ${stapledUntil}` : ''}`]
      : ['  no certificate: https shows a self-signed one']),
    ...section('What stands between', conditions),
    ...section(
      'Endpoints',
      (endpoints ?? []).map(({ endpoint, active, idle, isEjected, isServing, isTerminating }) => {
        const state =
          isServing === false ? 'not ready' : isTerminating ? 'terminating' : isEjected ? 'passed over after failures' : 'serves'
        return `${endpoint}  ${state}, ${active} under way, ${idle} kept`
      }),
    ),
    ...section('See also', nearMisses),
    `Table ${tableVersion}`,
  ]
  return `${lines.join('\n')}\n`
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length > 0 ? [title, ...lines.map(line => `  ${line}`)] : []
}

function requestText({ time, status, code, method, host, path, endpoint, seconds, attempts, client }: RecentRequest): string {
  return `${time} ${status} ${code ?? '-'} ${seconds.toFixed(3)} ${method} ${host}${path} ${client} -> ${endpoint ?? '-'}${attempts > 1 ? ` (${attempts} attempts)` : ''}\n`
}

/** Browsers and people get text when they ask for it, by name or by Accept. */
function wantsText(query: URLSearchParams, accept: string): boolean {
  return query.get('format') === 'text' || (query.get('format') === null && /^text\/(?:plain|html)/i.test(accept))
}

function limitOf(query: URLSearchParams, max: number): number {
  const text = query.get('limit') ?? ''
  return /^[1-9]\d{0,8}$/.test(text) ? Math.min(Number(text), max) : max
}

function picked<N extends string>(query: URLSearchParams, name: N): Partial<Record<N, string>> {
  const value = query.get(name)
  return value === null ? {} : ({ [name]: value } as Partial<Record<N, string>>)
}
