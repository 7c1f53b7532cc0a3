import { randomFillSync } from 'node:crypto'
import { corsLines } from '../edge/cors.ts'
import { CHUNKED } from '../http1/body.ts'
import { beginning } from '../http1/request-head.ts'
import type { RouterSettings } from '../table/route.ts'
import type { ErrorCode } from './errors.ts'
import type { Exchange } from './exchange.ts'

// Our name in CDN-Loop. A router may stand before another of ours, and that before a third; an app whose endpoint is a router goes round.
const LOOP_NAME = 'drycc'
const LOOP_LINE = `CDN-Loop: ${LOOP_NAME}\r\n`
const LOOP_COUNT_MAX = 3
const LOOP_ENTRY = new RegExp(`(?:^|,)[\\t ]*${LOOP_NAME}[\\t ]*(?=,|$)`, 'g')

/** Whether a request has passed routers of ours so often that it goes in a circle (RFC 8586). */
export function goesInCircle(loop: string): boolean {
  return loop !== '' && (loop.match(LOOP_ENTRY)?.length ?? 0) >= LOOP_COUNT_MAX
}

/**
 * The head that goes to the app, written anew: one Host, one framing, what the client may say, what only we may say (contract 5.5).
 *
 * Our own lines stand after everything that Connection could remove, so that no client can take them away.
 */
export function requestText(exchange: Exchange): string {
  const { head, fields, origin } = exchange
  let text = (head.beginning !== '' && fields === head.fields ? head.beginning : beginning(head, fields)) + origin.lines
  text += head.loop === '' ? LOOP_LINE : `CDN-Loop: ${head.loop}, ${LOOP_NAME}\r\n`
  const requestStart = exchange.route?.policy.requestStart === true
  if (head.trustedFields !== '' && exchange.downstream.client.trusted(exchange.table.settings))
    text += requestStart ? head.trustedFields.replace(/^x-request-start:[^\r]*\r\n/gim, '') : head.trustedFields
  if (requestStart) text += `X-Request-Start: t=${(Date.now() / 1000).toFixed(3)}\r\n`
  if (exchange.requestId !== '') text += idLines(exchange)
  else if (head.idFields !== '') text += head.idFields
  if (head.length === CHUNKED) text += `${head.trailer}Transfer-Encoding: chunked\r\n`
  else if (head.length > 0 || head.method === 'POST' || head.method === 'PUT' || head.method === 'PATCH')
    text += `Content-Length: ${head.length}\r\n`
  if (head.expectsContinue) text += 'Expect: 100-continue\r\n'
  if (head.upgrade !== '') text += `Connection: upgrade\r\nUpgrade: ${head.upgrade}\r\n`
  return `${text}\r\n`
}

const HSTS_LINE = /^strict-transport-security:[^\n]*\n/gim

/** An app's lines without its own HSTS where the router sets one: browsers heed the first alone, and two are an error (RFC 6797 §7.1). */
export function withoutOwnHsts(fields: string, exchange: Exchange): string {
  return exchange.origin.secure ? fields.replace(HSTS_LINE, '') : fields
}

/** The lines that the router adds to every answer of an app's host, its own error pages included. */
export function answerLines(exchange: Exchange): string {
  const policy = exchange.route?.policy
  let lines = exchange.requestId === '' ? '' : idLines(exchange)
  if (policy === undefined) {
    const referrerPolicy = exchange.table.settings.referrerPolicy
    return referrerPolicy === undefined ? lines : `${lines}Referrer-Policy: ${referrerPolicy}\r\n`
  }
  if (policy.hsts !== undefined && exchange.origin.secure) lines += `Strict-Transport-Security: ${policy.hsts}\r\n`
  if (policy.referrerPolicy !== undefined) lines += `Referrer-Policy: ${policy.referrerPolicy}\r\n`
  if (policy.edge?.cors !== undefined) lines += corsLines(exchange, policy.edge.cors)
  return lines
}

/** The line that names an error to programs, where the operator wants one. */
export function errorLine(code: ErrorCode, settings: RouterSettings): string {
  return settings.errorHeader === undefined ? '' : `${settings.errorHeader}: ${code}\r\n`
}

// Sixteen ids are written at once, and each is a piece of that text: who remembers one keeps half a kilobyte.
const ID_DIGITS = 32
const TEXT_BYTES = (16 * ID_DIGITS) / 2
const random = Buffer.allocUnsafe(64 * TEXT_BYTES)
let used = random.length
let ids = ''
let idAt = 0

/** 32 random hexadecimal digits; the random bytes are drawn for 1024 ids at once. */
export function newRequestId(): string {
  if (idAt === ids.length) {
    if (used === random.length) {
      randomFillSync(random)
      used = 0
    }
    ids = random.toString('hex', used, used + TEXT_BYTES)
    used += TEXT_BYTES
    idAt = 0
  }
  idAt += ID_DIGITS
  return ids.slice(idAt - ID_DIGITS, idAt)
}

/** The same lines go to the app and to the client. */
function idLines(exchange: Exchange): string {
  const { head, requestId } = exchange
  if (exchange.idLines !== '') return exchange.idLines
  const correlation = head.correlationId === '' ? requestId : `${head.correlationId},${requestId}`
  exchange.idLines = `X-Request-Id: ${requestId}\r\nX-Correlation-Id: ${correlation}\r\n`
  return exchange.idLines
}
