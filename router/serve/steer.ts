import { headValue } from '../http1/fields.ts'
import type { Endpoint } from '../table/route.ts'
import type { Canary, Steering, Sticky } from '../table/steering.ts'
import { choose, type EndpointLoads, isFit } from './balance.ts'
import type { Exchange } from './exchange.ts'

// Cookies of one name: those of a host, of its domain, and of some paths.
const VALUES_MAX = 16

/**
 * Chooses an endpoint for an app that steers: the one that the client's cookie names while it is in order, else one of the Service whose
 * turn it is, else one of the other Service. A second attempt stays with the Service of the first while that has another endpoint.
 */
export function steer(steering: Steering, exchange: Exchange, loads: EndpointLoads, tried?: Endpoint): Endpoint | undefined {
  const { stable, canary, sticky } = steering
  const { raw } = exchange.head
  const wish = canary && wishOf(canary, raw)
  if (sticky && tried === undefined) {
    const endpoint = namedBy(sticky, raw)
    const isWished = wish === undefined || isAmong(canary?.endpoints ?? [], endpoint) === wish
    if (endpoint !== undefined && isWished && isFit(endpoint, loads)) return endpoint
  }
  if (canary === undefined) return choose(stable, loads, tried)
  const isCanary = tried === undefined ? (wish ?? Math.random() * 100 < canary.weight) : isAmong(canary.endpoints, tried)
  const chosen = choose(isCanary ? canary.endpoints : stable, loads, tried)
  if (chosen !== undefined && chosen.key !== tried?.key) return chosen
  return choose(isCanary ? stable : canary.endpoints, loads, tried) ?? chosen
}

/** The line that binds a client to the endpoint that answers; none when it is bound to it already. */
export function stickyLine({ sticky }: Steering, exchange: Exchange): string {
  const token = sticky?.tokens.get(exchange.endpoint?.key ?? '')
  if (sticky === undefined || token === undefined) return ''
  if (namedBy(sticky, exchange.head.raw)?.key === exchange.endpoint?.key) return ''
  const secure = exchange.origin.secure ? '; Secure' : ''
  return `Set-Cookie: ${sticky.cookie}=${token}; Path=${sticky.path}; HttpOnly; SameSite=Lax${secure}\r\n`
}

/** What the client itself wishes: true for the canary, false for the other. */
function wishOf({ header, cookie }: Canary, head: string): boolean | undefined {
  const field = header === undefined ? undefined : readWish(headValue(head, header.toLowerCase()))
  return field ?? (cookie === undefined ? undefined : readWish(cookieValues(head, cookie)[0] ?? ''))
}

function readWish(value: string): boolean | undefined {
  return value === 'always' ? true : value === 'never' ? false : undefined
}

/** A path below another app's host may be sent the cookies of both: the one that is ours counts. */
function namedBy(sticky: Sticky, head: string): Endpoint | undefined {
  for (const value of cookieValues(head, sticky.cookie)) {
    const endpoint = sticky.endpoints.get(value)
    if (endpoint !== undefined) return endpoint
  }
  return undefined
}

/** Looks for the name alone: a field of 128 KB, which HTTP/2 sends in some bytes, has 100,000 pairs to take apart. */
function cookieValues(head: string, name: string): string[] {
  const field = headValue(head, 'cookie')
  const values: string[] = []
  for (let at = field.indexOf(name); at >= 0 && values.length < VALUES_MAX; at = field.indexOf(name, at)) {
    let start = at - 1
    while (isBlank(field.charCodeAt(start))) start--
    at += name.length
    while (isBlank(field.charCodeAt(at))) at++
    if ((start >= 0 && field[start] !== ';') || field[at] !== '=') continue
    const end = field.indexOf(';', at)
    values.push(field.slice(at + 1, end < 0 ? field.length : end).trim())
    at = end < 0 ? field.length : end
  }
  return values
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9
}

function isAmong(endpoints: readonly Endpoint[], one: Endpoint | undefined): boolean {
  return one !== undefined && endpoints.some(({ key }) => key === one.key)
}
