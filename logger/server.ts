import type { FastifyInstance, FastifyReply } from 'fastify'
import { fastify } from 'fastify'
import type { PlatformLine } from '../kernel/contract.ts'
import type { Log } from '../kernel/log.ts'
import type { Collector } from './collect.ts'
import { formatClassic, formatJson } from './format.ts'
import type { LogHub } from './hub.ts'
import { type LogRecord, sortableTime } from './record.ts'
import { type Follower, sendLines } from './tail.ts'

const LINES_DEFAULT = 100
const LINES_MAX = 10_000
const INGEST_BYTES_MAX = 4 * 1024 * 1024
const APP = /^[a-z0-9][a-z0-9-]{0,62}$/

interface LogQuery {
  readonly log_lines?: string
  readonly follow?: string
  readonly timeout?: string
  readonly process?: string
  readonly format?: string
}

/**
 * The logger's HTTP side: `GET /logs/<app>` as the classic logger answered it (text, oldest line first, 204 when there is none), with
 * `follow`, `process` and `format=json` beside it; `DELETE` when an app is destroyed; `POST` for the platform's own lines.
 */
export function logServer(options: {
  readonly hub: LogHub
  readonly collector: Pick<Collector, 'forget'>
  readonly log: Log
  readonly followerCountMax: number
}): FastifyInstance {
  const { hub, collector, log } = options
  const server = fastify({ forceCloseConnections: true, routerOptions: { ignoreTrailingSlash: true } })
  const followers = new Set<Follower>()
  server.addContentTypeParser(['application/x-ndjson', 'text/plain'], { parseAs: 'string', bodyLimit: INGEST_BYTES_MAX }, (_, body, done) =>
    done(null, body),
  )
  server.addHook('preClose', async () => {
    for (const follower of followers) follower.end()
  })
  server.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const status = error.statusCode ?? 500
    if (status >= 500) log.error('request failed', { path: request.url, error })
    return reply.code(status).send({ detail: status >= 500 ? 'Cannot reach the stored lines: see the log of the logger' : error.message })
  })

  server.get('/healthz', async (_, reply) => reply.code(200).send())

  server.get<{ Params: { app: string }; Querystring: LogQuery }>('/logs/:app', async (request, reply) => {
    const { app } = request.params
    if (!APP.test(app)) return reply.code(204).send()
    const { log_lines, follow, timeout, process, format } = request.query
    const lineCount = parseLineCount(log_lines)
    const chosen = process ? (record: LogRecord) => record.process === process : everything
    // Lines of one process may stand far apart.
    const reach = chosen === everything ? lineCount : LINES_MAX
    const write = format === 'json' ? formatJson : formatClassic
    const render = (records: readonly LogRecord[]) =>
      records
        .filter(chosen)
        .map(record => write(app, record))
        .join('')
    const type = format === 'json' ? 'application/x-ndjson' : 'text/plain; charset=utf-8'
    if (/^(true|1)$/i.test(follow ?? '')) {
      if (followers.size >= options.followerCountMax)
        return reply.code(503).header('retry-after', '10').send({ detail: 'Too many follow already: try again later' })
      const begin = (history: readonly LogRecord[]) => newest(history, lineCount, chosen)
      return followLines(reply, { type, app, reach, begin, render, timeoutMs: parseTimeout(timeout) })
    }
    const text = render(newest(await hub.last(app, reach), lineCount, chosen))
    return text === '' ? reply.code(204).send() : reply.type(type).send(text)
  })

  server.post<{ Params: { app: string }; Body: string }>('/logs/:app', async (request, reply) => {
    const { app } = request.params
    if (!APP.test(app)) return reply.code(400).send({ detail: `"${app}" is no name of an app` })
    const records = parsePlatformLines(String(request.body ?? ''))
    if (records.length > 0) await hub.add(app, records)
    return reply.code(204).send()
  })

  server.delete<{ Params: { app: string } }>('/logs/:app', async (request, reply) => {
    const { app } = request.params
    if (APP.test(app)) {
      await collector.forget(app)
      await hub.destroy(app)
    }
    return reply.code(200).send()
  })

  async function followLines(reply: FastifyReply, following: Following): Promise<void> {
    const { type, app, reach, begin, render, timeoutMs } = following
    reply.hijack()
    reply.raw.writeHead(200, { 'content-type': type, 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
    reply.raw.flushHeaders()
    const follower = sendLines(reply.raw, render, timeoutMs)
    followers.add(follower)
    reply.raw.once('close', () => followers.delete(follower))
    const { history, end } = await hub.follow(app, reach, follower.take)
    reply.raw.once('close', end)
    if (reply.raw.closed) end()
    follower.begin(begin(history))
  }

  return server
}

/** What one reader follows. */
interface Following {
  readonly app: string
  readonly type: string
  /** How many lines to look back over. */
  readonly reach: number
  /** What of those he is shown first. */
  readonly begin: (history: readonly LogRecord[]) => readonly LogRecord[]
  readonly render: (records: readonly LogRecord[]) => string
  readonly timeoutMs: number | undefined
}

function newest(records: readonly LogRecord[], count: number, isWanted: (record: LogRecord) => boolean): LogRecord[] {
  return records.filter(isWanted).slice(-count)
}

function everything(): boolean {
  return true
}

function parseLineCount(text: string | undefined): number {
  const count = /^\d{1,9}$/.test(text ?? '') ? Number(text) : LINES_DEFAULT
  return Math.min(count || LINES_DEFAULT, LINES_MAX)
}

/** Seconds, as the classic logger took them; none follows for ever. */
function parseTimeout(text: string | undefined): number | undefined {
  return /^\d{1,6}$/.test(text ?? '') && Number(text) > 0 ? Number(text) * 1000 : undefined
}

/** Lines that cannot be read are left out: one of them must not cost the others. */
function parsePlatformLines(body: string): LogRecord[] {
  return body.split('\n').flatMap(line => {
    if (line.trim() === '') return []
    try {
      const { ts, source, level, text } = JSON.parse(line) as Partial<PlatformLine>
      const time = sortableTime(String(ts))
      const isKnown = source === 'controller' || source === 'build' || source === 'release' || source === 'run'
      if (!time || !isKnown || typeof text !== 'string') return []
      return text
        .split('\n')
        .map(part => ({ ts: time, source, level: level === 'WARN' || level === 'ERROR' ? level : ('INFO' as const), text: part }))
    } catch {
      return []
    }
  })
}
