import { write } from 'node:fs'
import { headValue } from '../http1/head.ts'
import type { Exchange } from './exchange.ts'

// Lines are gathered and leave in one write a tenth of a second. When the reader of our output stands still, lines are dropped and counted
// rather than kept: the log must never hold up or fill up a router.
const FLUSH_MS = 100
const GATHERED_BYTES_MAX = 64 * 1024
const WAITING_BYTES_MAX = 8 * 1024 * 1024

/** The form of an access line. */
export type AccessLogFormat = 'classic' | 'json'

/** Writes access lines in batches, without ever waiting. */
export class AccessLog {
  /** Lines that were dropped since the start. */
  dropped = 0
  readonly #format: (exchange: Exchange) => string
  readonly #fd: number
  readonly #timer: NodeJS.Timeout
  #gathered = ''
  #lines = 0
  #writing = false

  constructor(format: AccessLogFormat, fd: number) {
    this.#format = format === 'json' ? jsonLine : classicLine
    this.#fd = fd
    this.#timer = setInterval(() => this.#flush(), FLUSH_MS)
    this.#timer.unref()
  }

  add(exchange: Exchange): void {
    if (this.#gathered.length > WAITING_BYTES_MAX) {
      this.dropped++
      return
    }
    this.#gathered += `${this.#format(exchange)}\n`
    this.#lines++
    if (this.#gathered.length > GATHERED_BYTES_MAX) this.#flush()
  }

  /** Writes what is left. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    const deadline = performance.now() + 1000
    while ((this.#writing || this.#gathered !== '') && performance.now() < deadline) {
      this.#flush()
      await new Promise(resolve => setTimeout(resolve, 5))
    }
  }

  #flush(): void {
    if (this.#writing || this.#gathered === '') return
    this.#writing = true
    const bytes = Buffer.from(this.#gathered, 'latin1')
    const lines = this.#lines
    this.#gathered = ''
    this.#lines = 0
    this.#write(bytes, 0, lines)
  }

  #write(bytes: Buffer, from: number, lines: number): void {
    // On a thread of libuv's pool, where a pipe that is full blocks nobody.
    write(this.#fd, bytes, from, bytes.length - from, null, (error, written) => {
      if (error !== null && error.code === 'EAGAIN') setTimeout(() => this.#write(bytes, from, lines), FLUSH_MS).unref()
      else if (error === null && from + written < bytes.length) this.#write(bytes, from + written, lines)
      else {
        if (error !== null) this.dropped += lines
        this.#writing = false
        if (this.#gathered.length > GATHERED_BYTES_MAX) this.#flush()
      }
    })
  }
}

/**
 * The line of the Deis router, which Workflow's fluentd takes apart at ` - ` and reads by position (contract 5.9): order and separator are
 * fixed. What a client sends is escaped so that it can neither end a line nor make a field.
 */
export function classicLine(exchange: Exchange): string {
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
export function jsonLine(exchange: Exchange): string {
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
