import { headValue } from '../http1/fields.ts'
import type { HeadInLog, RequestHead } from '../http1/request-head.ts'
import { ERRORS, type ErrorCode } from './errors.ts'
import type { Exchange } from './exchange.ts'
import { traceIdIn } from './trace-context.ts'

/** The form of an access line. */
export type AccessLogFormat = 'classic' | 'json'

const REFUSED_LINE_CHARS_MAX = 200

/** The access line of an exchange, as latin1, without its end. */
export function accessLine(format: AccessLogFormat, exchange: Exchange): string {
  return format === 'json' ? jsonLine(exchange) : classicLine(exchange)
}

/**
 * The line of the Deis router, which Workflow's fluentd takes apart at ` - ` and reads by position (contract 5.9): order and separator are
 * fixed. What a client sends is escaped so that it can neither end a line nor make a field.
 */
function classicLine(exchange: Exchange): string {
  const { head, origin } = exchange
  const now = exchange.endedAt
  const upstreamTime = exchange.upstreamAt === 0 ? '-' : seconds(now - exchange.upstreamAt)
  head.inLog ??= headInLog(head)
  const { user, request, agents } = head.inLog
  return (
    `[${isoTime(now)}] - ${exchange.route?.app ?? '-'} - ${origin.address} - ${user} - ${exchange.status} - ${request} - ${exchange.bytesSent}` +
    ` - ${agents} - "${serverName(exchange)}" - ${exchange.endpoint?.key ?? '-'} - ${head.host || '-'} - ${upstreamTime} - ${seconds(now - exchange.startedAt)}`
  )
}

function headInLog(head: RequestHead): HeadInLog {
  return {
    user: user(head.raw) || '-',
    request: `"${head.method} ${escaped(head.target)} HTTP/${head.version}"`,
    agents: `"${escaped(headValue(head.raw, 'referer')) || '-'}" - "${escaped(headValue(head.raw, 'user-agent')) || '-'}"`,
  }
}

/** As nginx calls the server that took it: by the host, or `_` where that is nobody's. */
export function serverName({ head, route, table }: Exchange): string {
  return route === undefined || route === table.settings.defaultService ? '_' : head.host || '_'
}

/** The same facts and more, by name. Written by hand, which takes half the time of JSON.stringify() and its object. */
function jsonLine(exchange: Exchange): string {
  const { head, origin } = exchange
  const now = exchange.endedAt
  const referer = headValue(head.raw, 'referer')
  // Of a router that begins no traces the client's passes on all the same.
  const traceId = exchange.traceId || (TRACEPARENT_LINE.test(head.raw) ? traceIdIn(head.raw) : '')
  const userAgent = headValue(head.raw, 'user-agent')
  return (
    `{"time":"${isoTimeMs()}"${exchange.route === undefined ? '' : `,"app":${quoted(exchange.route.app)}`},"client":"${origin.address}"` +
    `,"scheme":"${origin.scheme}","method":${quoted(head.method)},"host":${quoted(head.host)},"target":${quoted(head.target)}` +
    `,"status":${exchange.status}${exchange.code === undefined ? '' : `,"code":"${exchange.code}"`},"bytes":${exchange.bytesSent}` +
    `${referer === '' ? '' : `,"referer":${quoted(referer)}`}${userAgent === '' ? '' : `,"userAgent":${quoted(userAgent)}`}` +
    `${exchange.endpoint === undefined ? '' : `,"endpoint":"${exchange.endpoint.key}","attempts":${exchange.attempts}`}` +
    `${exchange.requestId === '' ? '' : `,"requestId":${quoted(exchange.requestId)}`}` +
    `${traceId === '' ? '' : `,"traceId":"${traceId}"`}` +
    `${exchange.upstreamAnsweredAt === 0 ? '' : `,"upstreamSeconds":${seconds(exchange.upstreamAnsweredAt - exchange.upstreamAt)}`}` +
    `,"seconds":${seconds(now - exchange.startedAt)}}`
  )
}

/** Something that was no request, as far as it can be told. */
export interface Refusal {
  readonly code: ErrorCode
  readonly address: string
  /** What came of its head; may be anything. */
  readonly text: string
  readonly bytesSent: number
}

/** The access line of what was no request; its own first line stands where a request's would. */
export function refusalLine(format: AccessLogFormat, refusal: Refusal): string {
  const { code, address, bytesSent } = refusal
  const { status } = ERRORS[code]
  const line = firstLine(refusal)
  if (format === 'json')
    return asLatin1(JSON.stringify({ time: new Date().toISOString(), client: address, line, status, code, bytes: bytesSent }))
  return `[${isoTime()}] - - - ${address} - - - ${status} - "${escaped(line) || '-'}" - ${bytesSent} - "-" - "-" - "_" - - - - - - - 0.000`
}

/** What stands where a request's first line would. */
export function firstLine({ text }: Refusal): string {
  return text.slice(0, REFUSED_LINE_CHARS_MAX).trimStart().split('\r\n')[0] as string
}

const TRACEPARENT_LINE = /\r\ntraceparent:/i

let expiresAt = Number.NEGATIVE_INFINITY
let timeText = ''

/**
 * As nginx writes `$time_iso8601`. The wall clock is read once a second, as the question costs a fifth of a line.
 *
 * @param at now, on the monotonic clock
 */
export function isoTime(at = performance.now()): string {
  if (at >= expiresAt) {
    const now = Date.now()
    timeText = `${new Date(now).toISOString().slice(0, 19)}+00:00`
    expiresAt = at + 1000 - (now % 1000)
  }
  return timeText
}

let secondAt = 0
let secondText = ''

function isoTimeMs(): string {
  const now = Date.now()
  const ms = now % 1000
  if (now - ms !== secondAt) {
    secondAt = now - ms
    secondText = new Date(now).toISOString().slice(0, 20)
  }
  return `${secondText}${ms < 10 ? '00' : ms < 100 ? '0' : ''}${ms}Z`
}

/** Milliseconds as seconds with three digits; most exchanges take under a second, so toFixed() is spared. */
export function seconds(ms: number): string {
  const whole = Math.round(ms)
  return whole < 1000 ? `0.${whole < 10 ? '00' : whole < 100 ? '0' : ''}${whole}` : (ms / 1000).toFixed(3)
}

/** The name in a Basic authorization, as nginx's `$remote_user`; never the password. Its blanks are escaped, as nothing quotes it. */
export function user(head: string): string {
  const authorization = headValue(head, 'authorization')
  if (authorization === '' || !/^basic /i.test(authorization)) return ''
  const name = Buffer.from(authorization.slice(6), 'base64').toString('latin1').split(':')[0] as string
  return escaped(name).replaceAll(' ', '\\x20')
}

const ODD = /["\\\x00-\x1f\x7f-\xff]| - /

/** nginx's escaping, and the hyphen of the separator as well. */
export function escaped(text: string): string {
  if (!ODD.test(text)) return text
  return text
    .replace(/["\\\x00-\x1f\x7f-\xff]/g, char => `\\x${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)
    .replaceAll(' - ', ' \\x2D ')
    .replaceAll(' - ', ' \\x2D ')
}

const PLAIN = /^[\x20!#-[\]-~]*$/

/** A JSON string, in UTF-8 bytes as latin1; a peer's bytes count as latin1, since nothing says that they are anything else. */
function quoted(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : asLatin1(JSON.stringify(text).replaceAll('\x7f', '\\u007f'))
}

function asLatin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}
