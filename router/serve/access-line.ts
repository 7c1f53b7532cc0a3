import { headValue } from '../http1/head.ts'
import { ERRORS, type ErrorCode } from './errors.ts'
import type { Exchange } from './exchange.ts'

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
  const now = performance.now()
  const upstreamTime = exchange.upstreamAt === 0 ? '-' : seconds((exchange.upstreamAnsweredAt || now) - exchange.upstreamAt)
  return (
    `[${isoTime()}] - ${exchange.route?.app ?? '-'} - ${origin.address} - ${user(head.raw)} - ${exchange.status}` +
    ` - "${head.method} ${escaped(head.target)} HTTP/1.${head.minor}" - ${exchange.bytesSent}` +
    ` - "${escaped(headValue(head.raw, 'referer')) || '-'}" - "${escaped(headValue(head.raw, 'user-agent')) || '-'}"` +
    ` - "${head.host || '_'}" - ${exchange.endpoint?.key ?? '-'} - ${head.host || '-'} - ${upstreamTime} - ${seconds(now - exchange.startedAt)}`
  )
}

/** The same facts and more, by name. */
function jsonLine(exchange: Exchange): string {
  const { head, origin } = exchange
  return asLatin1(
    JSON.stringify({
      time: new Date().toISOString(),
      app: exchange.route?.app,
      client: origin.address,
      scheme: origin.scheme,
      method: head.method,
      host: head.host,
      target: head.target,
      status: exchange.status,
      code: exchange.code,
      bytes: exchange.bytesSent,
      referer: headValue(head.raw, 'referer') || undefined,
      userAgent: headValue(head.raw, 'user-agent') || undefined,
      endpoint: exchange.endpoint?.key,
      attempts: exchange.attempts || undefined,
      requestId: exchange.requestId || undefined,
      upstreamSeconds: exchange.upstreamAnsweredAt === 0 ? undefined : Number(seconds(exchange.upstreamAnsweredAt - exchange.upstreamAt)),
      seconds: Number(seconds(performance.now() - exchange.startedAt)),
    }),
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
  const line = refusal.text.slice(0, REFUSED_LINE_CHARS_MAX).trimStart().split('\r\n')[0] as string
  if (format === 'json')
    return asLatin1(JSON.stringify({ time: new Date().toISOString(), client: address, line, status, code, bytes: bytesSent }))
  return `[${isoTime()}] - - - ${address} - - - ${status} - "${escaped(line) || '-'}" - ${bytesSent} - "-" - "-" - "_" - - - - - - - 0.000`
}

let timeAt = 0
let timeText = ''

/** As nginx writes `$time_iso8601`, made once a second. */
function isoTime(): string {
  const now = Math.floor(Date.now() / 1000)
  if (now !== timeAt) {
    timeAt = now
    timeText = `${new Date(now * 1000).toISOString().slice(0, 19)}+00:00`
  }
  return timeText
}

/** Milliseconds as seconds with three digits; most exchanges take under a second, so toFixed() is spared. */
function seconds(ms: number): string {
  const whole = Math.round(ms)
  return whole < 1000 ? `0.${whole < 10 ? '00' : whole < 100 ? '0' : ''}${whole}` : (ms / 1000).toFixed(3)
}

/** The name in a Basic authorization, as nginx's `$remote_user`; never the password. */
function user(head: string): string {
  const authorization = headValue(head, 'authorization')
  if (authorization === '' || !/^basic /i.test(authorization)) return '-'
  const name = Buffer.from(authorization.slice(6), 'base64').toString('latin1').split(':')[0] as string
  return name === '' ? '-' : escaped(name)
}

const ODD = /["\\\x00-\x1f\x7f-\xff]| - /

/** nginx's escaping, and the hyphen of the separator as well. */
function escaped(text: string): string {
  if (!ODD.test(text)) return text
  return text
    .replace(/["\\\x00-\x1f\x7f-\xff]/g, char => `\\x${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)
    .replaceAll(' - ', ' \\x2D ')
    .replaceAll(' - ', ' \\x2D ')
}

function asLatin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}
