import type { Readable } from 'node:stream'
import type { HttpClient } from '../../kernel/http.ts'
import type { Log } from '../../kernel/log.ts'
import { mayUse } from '../domain/access.ts'
import { Refusal } from '../domain/refusal.ts'
import type { Records } from '../records.ts'
import type { AppCall } from './call.ts'
import { noContent, plainText, type Reply } from './reply.ts'
import type { Routes } from './routes.ts'

export interface LogParts {
  readonly records: Records
  /** A client whose base is the logger. */
  readonly logger: HttpClient
  readonly log: Log
  /** How often a reader who follows is asked again whether he still may. */
  readonly recheckMs: number
}

const LINES_DEFAULT = 100
// Streams that one user may hold open; each keeps a connection here and one at the logger.
const FOLLOWED_MAX = 32

/** The log of an app, passed on from the logger as it comes. */
export function logRoutes(routes: Routes, parts: LogParts): void {
  const followed = new Map<string, number>()
  const count = (username: string, change: 1 | -1) => {
    const streams = (followed.get(username) ?? 0) + change
    if (streams > 0) followed.set(username, streams)
    else followed.delete(username)
  }

  routes.app('/logs', {
    async GET(call) {
      const query = new URLSearchParams(call.query)
      const lines = query.get('log_lines') ?? ''
      query.set('log_lines', /^-?\d{1,9}$/.test(lines) ? lines : String(LINES_DEFAULT))
      const isFollowed = query.get('follow') === 'true'
      const { username } = call.user
      if (isFollowed && (followed.get(username) ?? 0) >= FOLLOWED_MAX)
        throw new Refusal(429, { detail: `At most ${FOLLOWED_MAX} logs can be followed at once` })
      try {
        const answer = await parts.logger.stream('GET', `/logs/${call.app.id}?${query}`, undefined, {
          signal: call.gone,
          ...(isFollowed ? { answerTimeoutMs: 0 } : {}),
        })
        if (answer.status === 200) {
          if (!isFollowed) return plainText(200, answer.body)
          count(username, 1)
          answer.body.once('close', () => count(username, -1))
          return plainText(200, whileAllowed(answer.body, call, parts))
        }
        answer.body.resume()
        return answer.status === 204 || answer.status === 404 ? noContent() : failed(call)
      } catch (error) {
        if (!call.gone.aborted) parts.log.warn('logger not reached', { app: call.app.id, error: (error as Error).message })
        return failed(call)
      }
    },
  })
}

function failed(call: AppCall): Reply {
  return plainText(500, `Error accessing logs for ${call.app.id}`)
}

/** Ends the stream when the reader loses his rights: he would go on reading for ever otherwise. */
function whileAllowed(body: Readable, call: AppCall, { records, recheckMs }: LogParts): Readable {
  const timer = setInterval(() => {
    const app = records.apps.get(call.app.id)
    const user = records.users.byToken(call.tokenHash)
    if (!app || app.uuid !== call.app.uuid || app.deleting || !user?.isActive || !mayUse(user, app)) body.destroy()
  }, recheckMs)
  body.once('close', () => clearInterval(timer))
  body.on('error', () => {})
  return body
}
