import { answer } from '../answer.ts'
import type { Exchange } from '../api.ts'
import { flagParameter, integerParameter, type Target } from '../http-request.ts'
import { type ListQuery, listObjects, parseVersion } from '../list.ts'
import { renderObject, renderPage } from '../render.ts'
import { formOf } from '../request-options.ts'
import { parseSelectors } from '../selector.ts'
import { ApiError, invalid, tooLargeVersion } from '../status.ts'
import { watchObjects } from '../watch.ts'
import { readStored } from '../write.ts'

/** GET of one object. */
export async function getOne(exchange: Exchange, { kind, namespace, name }: Target): Promise<void> {
  const form = formOf(exchange)
  const { url, store } = exchange
  const version = url.searchParams.get('resourceVersion')
  if (version && parseVersion(version) > store.version) throw tooLargeVersion(parseVersion(version), store.version)
  const revision = readStored(store, kind, namespace, name)
  await store.settled()
  return answer(exchange, 200, renderObject(kind, revision, form), form)
}

/** GET of a collection. */
export async function list(exchange: Exchange, target: Target): Promise<void> {
  const form = formOf(exchange)
  const page = listObjects(exchange.store, target.kind, listQuery(exchange, target))
  await exchange.store.settled()
  return answer(exchange, 200, renderPage(target.kind, page, form), form)
}

/** Timers cannot be set further ahead; 24 days. */
const TIMER_MS_MAX = 2 ** 31 - 1
/** 30 to 60 minutes when the client does not say, so that watches do not all end at once. */
const WATCH_SECONDS_MIN = 1800

/** GET of a collection with `watch`. */
export async function watch(exchange: Exchange, { kind, namespace }: Target): Promise<void> {
  const { url, store, api, response } = exchange
  const query = url.searchParams
  const form = formOf(exchange)
  const sendInitialEvents = flagParameter(query, 'sendInitialEvents')
  const match = query.get('resourceVersionMatch') ?? ''
  const text = query.get('resourceVersion') ?? ''
  if (query.has('sendInitialEvents') && match !== 'NotOlderThan') {
    throw optionError('resourceVersionMatch', 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan')
  }
  if (match && !query.has('sendInitialEvents'))
    throw optionError('resourceVersionMatch', 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided')
  if (query.get('continue')) throw optionError('resourceVersionMatch', 'resourceVersionMatch is forbidden when continue is provided')
  const version = text ? watchVersion(text) : 0
  const filter = parseSelectors(kind, query.get('labelSelector') ?? '', query.get('fieldSelector') ?? '')
  const seconds = integerParameter(query, 'timeoutSeconds') || WATCH_SECONDS_MIN * (1 + Math.random())
  await store.settled()
  if (sendInitialEvents && version > store.version) throw tooLargeVersion(version, store.version)
  if (api.watchCount >= api.options.watchMax) {
    throw new ApiError(429, 'TooManyRequests', 'too many watches are open, please try again later', { retryAfterSeconds: 1 })
  }
  api.watchCount++
  try {
    const allowBookmarks = flagParameter(query, 'allowWatchBookmarks')
    const wanted = {
      namespace,
      filter,
      version,
      sendInitialEvents,
      allowBookmarks,
      timeoutMs: Math.min(seconds * 1000, TIMER_MS_MAX),
      form,
    }
    await watchObjects(store, kind, wanted, api.options, response, api.stopping)
  } finally {
    api.watchCount--
  }
}

/** Which objects a list, or the delete of a collection, is about. */
export function listQuery({ url }: Exchange, { kind, namespace }: Target): ListQuery {
  const query = url.searchParams
  if (query.has('sendInitialEvents')) {
    throw optionError('sendInitialEvents', 'sendInitialEvents is forbidden for list')
  }
  integerParameter(query, 'timeoutSeconds')
  const limit = integerParameter(query, 'limit') ?? 0
  return {
    namespace,
    filter: parseSelectors(kind, query.get('labelSelector') ?? '', query.get('fieldSelector') ?? ''),
    limit,
    continue: query.get('continue') ?? '',
    resourceVersion: query.get('resourceVersion') ?? '',
    resourceVersionMatch: query.get('resourceVersionMatch') ?? '',
  }
}

/** The real server does not know this error of its own in a watch, so it is 500 there and 400 in a list. */
function watchVersion(text: string): number {
  if (/^\d+$/.test(text)) return Number(text)
  throw new ApiError(500, '', `strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`)
}

function optionError(field: string, message: string): ApiError {
  return invalid({ kind: 'ListOptions', group: 'meta.k8s.io' }, '', [
    { reason: 'FieldValueForbidden', message: `Forbidden: ${message}`, field },
  ])
}
