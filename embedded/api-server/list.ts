import type { ObjectStore, Revision } from '../store/object-store.ts'
import { ExpiredError } from '../store/object-store.ts'
import type { Draft, Kind } from './kinds/kind.ts'
import type { Filter } from './selector.ts'
import { type ApiError, badRequest, expired, invalid, tooLargeVersion } from './status.ts'
import { tableOf } from './write.ts'

export interface ListQuery {
  readonly namespace: string
  /** Only the object of this name: a list or watch with a `metadata.name` field selector is asked often, so it is looked up. */
  readonly name?: string
  readonly filter: Filter | undefined
  readonly limit: number
  readonly continue: string
  readonly resourceVersion: string
  readonly resourceVersionMatch: string
}

export interface Page {
  readonly revisions: readonly Revision[]
  readonly resourceVersion: string
  readonly continue?: string
  readonly remaining?: number
}

const CONTINUE_EXPIRED =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.'

/** One page of a collection; all pages of a list show the same moment. @throws {ApiError} 400, 410, 422 or 504 */
export function listObjects(store: ObjectStore, kind: Kind, query: ListQuery): Page {
  checkMatch(query)
  const token = query.continue ? readToken(query.continue) : undefined
  const prefix = query.namespace ? `${query.namespace}/` : ''
  const table = tableOf(kind)
  const current = store.version
  const version = token ? (token.version < 0 ? current : token.version) : exactVersion(query, current)
  const after = token?.after ?? ''
  let all: Revision[]
  try {
    all = version === current ? [...store.list(table, prefix, after)] : store.listAt(table, version, prefix, after)
  } catch (error) {
    if (!(error instanceof ExpiredError)) throw error
    throw token ? continueExpired(after) : expired(`The resourceVersion for the provided list is too old.`)
  }
  const { filter, limit } = query
  const matching = filter ? all.filter(revision => filter(revision.object as Draft)) : all
  const base = { resourceVersion: String(version) }
  if (limit <= 0 || matching.length <= limit) return { ...base, revisions: matching }
  const revisions = matching.slice(0, limit)
  return {
    ...base,
    revisions,
    continue: writeToken(version, revisions.at(-1)!.key),
    // With a selector the real server does not know how many are left without reading them all.
    ...(filter ? {} : { remaining: matching.length - limit }),
  }
}

/** A version of the query. @throws {ApiError} 400 */
export function parseVersion(text: string): number {
  if (!/^\d+$/.test(text)) {
    throw badRequest(`invalid resource version: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`)
  }
  return Number(text)
}

function exactVersion(query: ListQuery, current: number): number {
  if (!query.resourceVersion) return current
  const version = parseVersion(query.resourceVersion)
  if (version > current) throw tooLargeVersion(version, current)
  return query.resourceVersionMatch === 'Exact' ? version : current
}

function checkMatch({ resourceVersion, resourceVersionMatch, continue: token }: ListQuery): void {
  const refuse = (message: string) =>
    invalid({ kind: 'ListOptions', group: 'meta.k8s.io' }, '', [
      { reason: 'FieldValueForbidden', message: `Forbidden: ${message}`, field: 'resourceVersionMatch' },
    ])
  if (token && resourceVersion && resourceVersion !== '0')
    throw badRequest('specifying resource version is not allowed when using continue')
  if (!resourceVersionMatch) return
  if (token) throw refuse('resourceVersionMatch is forbidden when continue is provided')
  if (!resourceVersion) throw refuse('resourceVersionMatch is forbidden unless resourceVersion is provided')
  if (resourceVersionMatch !== 'Exact' && resourceVersionMatch !== 'NotOlderThan') {
    throw invalid({ kind: 'ListOptions', group: 'meta.k8s.io' }, '', [
      {
        reason: 'FieldValueNotSupported',
        message: `Unsupported value: "${resourceVersionMatch}": supported values: "Exact", "NotOlderThan", ""`,
        field: 'resourceVersionMatch',
      },
    ])
  }
  if (resourceVersionMatch === 'Exact' && resourceVersion === '0') {
    throw refuse('resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
  }
}

function continueExpired(after: string): ApiError {
  const error = expired(CONTINUE_EXPIRED)
  error.status.metadata.continue = writeToken(-1, after)
  return error
}

function writeToken(version: number, after: string): string {
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: version, start: after })).toString('base64url')
}

function readToken(text: string): { version: number; after: string } {
  try {
    const { v, rv, start } = JSON.parse(Buffer.from(text, 'base64url').toString()) as { v: string; rv: number; start: string }
    if (v === 'meta.k8s.io/v1' && Number.isInteger(rv) && typeof start === 'string') return { version: rv, after: start }
  } catch {
    // What is no JSON is refused like the rest.
  }
  throw badRequest('invalid continue token: continue key is not valid: encoded continue version "" is not recognized')
}
