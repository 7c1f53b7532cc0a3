import type { Call } from './call.ts'
import { ok, type Reply } from './reply.ts'

const LIMIT_DEFAULT = 100
// Far beyond any list that a client shows; what keeps one answer from taking the process with it.
const LIMIT_MAX = 10_000

/**
 * Answers with one page of a list, in the envelope that clients read: `{count, next, previous, results}`.
 *
 * @param show turns a row into what is shown; called for the rows of the page only
 */
export function page<R>(call: Pick<Call, 'query' | 'url'>, rows: readonly R[], show: (row: R) => unknown): Reply {
  const limit = Math.min(number(call.query.get('limit')) || LIMIT_DEFAULT, LIMIT_MAX)
  const offset = number(call.query.get('offset'))
  const at = (start: number) => {
    const url = new URL(call.url)
    url.searchParams.set('limit', String(limit))
    if (start > 0) url.searchParams.set('offset', String(start))
    else url.searchParams.delete('offset')
    return url.href
  }
  return ok({
    count: rows.length,
    next: offset + limit < rows.length ? at(offset + limit) : null,
    previous: offset > 0 ? at(Math.max(0, offset - limit)) : null,
    results: rows.slice(offset, offset + limit).map(show),
  })
}

/** A positive number, or 0 for everything else: clients send `limit=0` and `limit=-1` for "as you like". */
function number(text: string | null): number {
  return text !== null && /^\d{1,9}$/.test(text) ? Number(text) : 0
}
