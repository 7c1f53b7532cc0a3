import { headValue } from '../http1/fields.ts'
import { parseLogFormat } from '../table/log-format.ts'
import {
  type AccessLogFormat,
  accessLine,
  escaped,
  firstLine,
  isoTime,
  type Refusal,
  refusalLine,
  seconds,
  serverName,
  user,
} from './access-line.ts'
import type { Handshake } from './client.ts'
import { ERRORS } from './errors.ts'
import type { Exchange } from './exchange.ts'
import { traceIdIn } from './trace-context.ts'

/** Writes a worker's access lines: JSON where the process is told so, else the operator's own format, else the classic line. */
export class AccessLines {
  readonly #format: AccessLogFormat
  #text = ''
  #compiled: AccessFormat | undefined

  constructor(format: AccessLogFormat) {
    this.#format = format
  }

  line(exchange: Exchange): string {
    const { logFormat } = exchange.table.settings
    return logFormat === undefined || this.#format === 'json' ? accessLine(this.#format, exchange) : this.#own(logFormat).line(exchange)
  }

  /** @param logFormat of the table of the moment */
  refusal(refusal: Refusal, logFormat: string | undefined): string {
    return logFormat === undefined || this.#format === 'json' ? refusalLine(this.#format, refusal) : this.#own(logFormat).refusal(refusal)
  }

  #own(format: string): AccessFormat {
    if (this.#compiled === undefined || this.#text !== format) {
      this.#text = format
      this.#compiled = compileFormat(format)
    }
    return this.#compiled
  }
}

/** The operator's own line (`nginx.logFormat`), compiled once. */
export interface AccessFormat {
  line(exchange: Exchange): string
  /** Of what was no request: it has a time, a client, a status and a line. */
  refusal(refusal: Refusal): string
}

type Variable = (exchange: Exchange) => string

/**
 * Compiles a format. What nginx leaves empty is a hyphen; what a peer wrote is escaped, so that it ends neither a line nor a quotation.
 *
 * @throws {RangeError} as {@link parseLogFormat}; the table's is read before it comes here
 */
export function compileFormat(format: string): AccessFormat {
  const pieces = parseLogFormat(format)
  const exchanges = pieces.map(piece => (typeof piece === 'string' ? piece : variable(piece.variable)))
  const refusals = pieces.map(piece => (typeof piece === 'string' ? piece : (REFUSAL_VARIABLES[piece.variable] ?? (() => '-'))))
  return {
    line(exchange) {
      let line = ''
      for (const piece of exchanges) line += typeof piece === 'string' ? piece : piece(exchange) || '-'
      return line
    },
    refusal(refusal) {
      let line = ''
      for (const piece of refusals) line += typeof piece === 'string' ? piece : piece(refusal) || '-'
      return line
    },
  }
}

const path = ({ head: { target } }: Exchange) => target.split('?', 1)[0] as string
const query = ({ head: { target } }: Exchange) => (target.includes('?') ? target.slice(target.indexOf('?') + 1) : '')

const EXCHANGE_VARIABLES: Readonly<Record<string, Variable>> = {
  time_iso8601: exchange => isoTime(exchange.endedAt),
  time_local: localTime,
  msec: () => (Date.now() / 1000).toFixed(3),
  app_name: exchange => exchange.route?.app ?? '',
  remote_addr: exchange => exchange.origin.address,
  remote_port: exchange => String(exchange.downstream.client.port),
  remote_user: exchange => user(exchange.head.raw),
  status: exchange => String(exchange.status),
  request: ({ head }) => `${head.method} ${escaped(head.target)} HTTP/${head.version}`,
  request_method: exchange => exchange.head.method,
  request_uri: exchange => escaped(exchange.head.target),
  uri: exchange => escaped(path(exchange)),
  args: exchange => escaped(query(exchange)),
  query_string: exchange => escaped(query(exchange)),
  is_args: exchange => (query(exchange) === '' ? '' : '?'),
  bytes_sent: exchange => String(exchange.bytesSent),
  body_bytes_sent: exchange => String(exchange.bodyBytesSent),
  server_name: serverName,
  server_port: exchange => exchange.origin.port,
  server_protocol: exchange => `HTTP/${exchange.head.version}`,
  host: exchange => exchange.head.host,
  scheme: exchange => exchange.origin.scheme,
  upstream_addr: exchange => exchange.endpoint?.key ?? '',
  upstream_response_time: ({ upstreamAt, endedAt }) => (upstreamAt === 0 ? '' : seconds(endedAt - upstreamAt)),
  upstream_header_time: ({ upstreamAt, upstreamAnsweredAt }) => (upstreamAnsweredAt === 0 ? '' : seconds(upstreamAnsweredAt - upstreamAt)),
  upstream_status: exchange => (exchange.upstreamAnsweredAt === 0 ? '' : String(exchange.status)),
  request_time: ({ startedAt, endedAt }) => seconds(endedAt - startedAt),
  request_id: exchange => exchange.requestId,
  // The head, and the body as announced: a chunked one is not counted.
  request_length: ({ head }) => String(head.raw.length + Math.max(0, head.length)),
  ssl_protocol: ({ downstream }) => downstream.client.handshake?.protocol ?? '',
  ssl_cipher: ({ downstream }) => downstream.client.handshake?.cipher ?? '',
  ssl_server_name: ({ downstream }) => downstream.client.serverName,
  ssl_session_reused: ({ downstream }) => resumption(downstream.client.handshake),
  pid: () => String(process.pid),
  code: exchange => exchange.code ?? '',
  attempts: exchange => String(exchange.attempts),
  trace_id: exchange => exchange.traceId || traceIdIn(exchange.head.raw),
}

const REFUSAL_VARIABLES: Readonly<Record<string, (refusal: Refusal) => string>> = {
  time_iso8601: () => isoTime(),
  time_local: localTime,
  msec: () => (Date.now() / 1000).toFixed(3),
  remote_addr: refusal => refusal.address,
  status: refusal => String(ERRORS[refusal.code].status),
  request: refusal => escaped(firstLine(refusal)),
  bytes_sent: refusal => String(refusal.bytesSent),
  server_name: () => '_',
  request_time: () => '0.000',
  pid: () => String(process.pid),
  code: refusal => refusal.code,
}

function variable(name: string): Variable {
  const known = EXCHANGE_VARIABLES[name]
  if (known !== undefined) return known
  const [, family, rest = ''] = /^(http|cookie|arg|sent_http)_(.+)$/.exec(name) as RegExpExecArray
  if (family === 'http') {
    const field = rest.replaceAll('_', '-')
    // A password must not come into a log, whatever its format: `$remote_user` has the name.
    if (field === 'authorization' || field === 'proxy-authorization') return () => ''
    return exchange => escaped(headValue(exchange.head.raw, field))
  }
  if (family === 'sent_http') {
    const field = rest.replaceAll('_', '-')
    // What opens a session is as good as a password.
    if (field === 'set-cookie') return () => ''
    return exchange => escaped(headValue(`\r\n${exchange.sentFields}`, field))
  }
  if (family === 'cookie') {
    const pattern = new RegExp(`(?:^|; *)${rest}=([^;]*)`, 'i')
    return exchange => escaped(pattern.exec(headValue(exchange.head.raw, 'cookie'))?.[1] ?? '')
  }
  const pattern = new RegExp(`(?:^|&)${rest}=([^&]*)`, 'i')
  return exchange => escaped(pattern.exec(query(exchange))?.[1] ?? '')
}

function resumption(handshake: Handshake | undefined): string {
  return handshake === undefined ? '' : handshake.isResumed ? 'r' : '.'
}

/** As nginx writes `$time_local`; the router's clock is in UTC. */
function localTime(): string {
  const [, date, month, year, time] = new Date().toUTCString().split(' ') as [string, string, string, string, string]
  return `${date}/${month}/${year}:${time} +0000`
}
