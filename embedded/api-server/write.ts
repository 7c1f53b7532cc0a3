import { randomInt, randomUUID } from 'node:crypto'
import type { ObjectStore, Revision } from '../store/object-store.ts'
import { invalidValue } from './field-error.ts'
import { type Managers, writeManagers } from './fields/managers.ts'
import { trackUpdate } from './fields/track.ts'
import { isIdentical, isSame } from './kinds/compare.ts'
import type { Draft, Kind } from './kinds/kind.ts'
import { KINDS } from './kinds/registry.ts'
import { validateMetadata, validateMetadataUpdate } from './metadata.ts'
import { quotaRefusal } from './quota/quota.ts'
import type { Warn } from './read-object.ts'
import { ApiError, alreadyExists, badRequest, conflict, forbidden, invalid, notFound, STALE } from './status.ts'

export interface WriteOptions {
  readonly dryRun: boolean
  /** Who writes, for managedFields. */
  readonly manager: string
  readonly warn: Warn
  /** What `managedFields` shall say: an apply has worked it out. */
  readonly managers?: Managers
  /** Where that is not told by the part that is written. */
  readonly subresource?: string
  /** The object was made from the stored one, so it has its uid. */
  readonly isPatch?: true
}

/** Which part of the object a write may change. */
export type Part = 'main' | 'status'

/** The table of the store that holds a kind. */
export function tableOf(kind: Kind): string {
  return kind.group ? `${kind.plural}.${kind.group}` : kind.plural
}

export function keyIn(namespace: string, name: string): string {
  return namespace ? `${namespace}/${name}` : name
}

/** The stored revision. @throws {ApiError} 404 */
export function readStored(store: ObjectStore, kind: Kind, namespace: string, name: string): Revision {
  const revision = store.get(tableOf(kind), keyIn(namespace, name))
  if (!revision) throw notFound(kind, name)
  return revision
}

/**
 * Creates an object.
 *
 * @param draft read and with its defaults; becomes the stored object
 * @throws {ApiError} 403 in a namespace that goes, 404 in none, 409 when the name is taken, 422
 */
export function createObject(store: ObjectStore, kind: Kind, namespace: string, draft: Draft, options: WriteOptions): Draft {
  const { metadata } = draft
  if (kind.deprecation) options.warn(kind.deprecation)
  placeIn(kind, namespace, draft)
  if (metadata.resourceVersion) {
    // 500, not 400: the real server does not know its own error here.
    throw new ApiError(500, '', 'resourceVersion should not be set on objects to be created')
  }
  delete metadata.deletionTimestamp
  delete metadata.deletionGracePeriodSeconds
  track(kind, undefined, draft, options)
  if (kind.namespaced) checkNamespace(store, kind, namespace, metadata.name || metadata.generateName || '')
  metadata.uid = randomUUID()
  metadata.creationTimestamp = now()
  if (kind.generation) metadata.generation = 1
  else delete metadata.generation
  if (!metadata.name && metadata.generateName) metadata.name = generateName(metadata.generateName)
  kind.prepareCreate?.(draft)
  const refusal = kind.admit?.(draft)
  if (refusal) throw forbidden(kind, metadata.name, refusal)
  const errors = [...validateMetadata(kind, draft), ...(kind.validateCreate?.(draft) ?? []), ...(kind.validate?.(draft) ?? [])]
  if (errors.length > 0) throw invalid(kind, metadata.name ?? '', errors)
  kind.warnings?.(draft).forEach(options.warn)
  const table = tableOf(kind)
  const key = keyIn(namespace, metadata.name)
  const standing = store.get(table, key)
  if (standing) throw alreadyExists(kind, metadata.name, standing.object.metadata.deletionTimestamp !== undefined)
  const exceeded = kind.namespaced ? quotaRefusal(store, kind, draft) : undefined
  if (exceeded) throw forbidden(kind, metadata.name, exceeded)
  const refused = kind.allocate?.(draft, undefined, () => others(store, table)) ?? []
  if (refused.length > 0) throw invalid(kind, metadata.name, refused)
  // What was generated has defaults too: the label of a namespace's name, the labels of a job.
  kind.defaults?.(draft)
  if (options.dryRun) return draft
  return store.put(table, key, draft).object as Draft
}

/**
 * Changes an object.
 *
 * @param next read and with its defaults, or a patched copy of what is stored
 * @throws {ApiError} 409 when it has changed since `next` was read, 422
 */
export function updateObject(store: ObjectStore, kind: Kind, revision: Revision, next: Draft, part: Part, options: WriteOptions): Draft {
  const previous = revision.object as Draft
  const { metadata } = next
  const { name } = previous.metadata
  if (kind.deprecation) options.warn(kind.deprecation)
  checkPlace(kind, previous.metadata, next)
  if (metadata.uid && metadata.uid !== previous.metadata.uid) {
    if (options.isPatch) throw invalid(kind, name, [invalidValue('metadata.uid', metadata.uid, 'field is immutable')])
    const detail = `Precondition failed: UID in precondition: ${metadata.uid}, UID in object meta: ${previous.metadata.uid}`
    throw conflict(kind, name, detail)
  }
  if (metadata.resourceVersion && metadata.resourceVersion !== previous.metadata.resourceVersion) throw conflict(kind, name, STALE)
  if (!metadata.resourceVersion && kind.versionRequired) {
    throw invalid(kind, name, [
      { reason: 'FieldValueInvalid', message: 'Invalid value: 0: must be specified for an update', field: 'metadata.resourceVersion' },
    ])
  }
  keepSystemMetadata(next, previous)
  track(kind, previous, next, { ...options, subresource: options.subresource ?? (part === 'status' ? 'status' : '') })
  if (part === 'status') kind.prepareStatus?.(next, previous)
  else kind.prepareUpdate?.(next, previous)
  bumpGeneration(kind, next, previous, part)
  const errors = validateMetadataUpdate(next, previous)
  if (part === 'status') errors.push(...(kind.validateStatus?.(next, previous) ?? []))
  else {
    const changes = kind.validateUpdate?.(next, previous) ?? []
    const whole = kind.validate?.(next) ?? []
    errors.push(...(kind.changesFirst ? [...changes, ...whole] : [...whole, ...changes]))
  }
  if (errors.length > 0) throw invalid(kind, name, errors)
  if (part === 'main') kind.warnings?.(next).forEach(options.warn)
  const table = tableOf(kind)
  const refused = part === 'main' ? (kind.allocate?.(next, previous, () => others(store, table)) ?? []) : []
  if (refused.length > 0) throw invalid(kind, name, refused)
  return commitUpdate(store, kind, revision, next, options.dryRun)
}

/** Writes the changed object, or takes it away when it was only waiting for its last finalizer. */
export function commitUpdate(store: ObjectStore, kind: Kind, revision: Revision, next: Draft, dryRun: boolean): Draft {
  const table = tableOf(kind)
  const previous = revision.object as Draft
  if (isUnchanged(next, previous)) return previous
  const finished =
    next.metadata.deletionTimestamp &&
    (next.metadata.finalizers ?? []).length === 0 &&
    !(next.metadata.deletionGracePeriodSeconds ?? 0) &&
    !(kind.kind === 'Namespace' && ((next.spec?.['finalizers'] ?? []) as string[]).length > 0)
  if (dryRun) return next
  if (finished) return store.delete(table, revision.key, next).object as Draft
  return store.put(table, revision.key, next).object as Draft
}

/** Nothing is written, and no watcher woken, for an update that changes nothing but when it was. */
function isUnchanged(next: Draft, previous: Draft): boolean {
  const timeless = ({ metadata }: Draft) => (metadata.managedFields ?? []).map(entry => ({ ...entry, time: undefined }))
  const rest = ({ metadata: { managedFields: _, ...metadata }, ...fields }: Draft) => ({ ...fields, metadata })
  return isIdentical(rest(next), rest(previous)) && isIdentical(timeless(next), timeless(previous))
}

/** RFC 3339 in seconds, as metav1.Time. */
export function now(): string {
  return `${new Date().toISOString().slice(0, 19)}Z`
}

/** Notes who set which field: before the server adds what is its own. */
function track(kind: Kind, previous: Draft | undefined, next: Draft, { manager, managers, subresource = '' }: WriteOptions): void {
  if (managers) writeManagers(next, managers)
  else trackUpdate(kind, previous, next, { manager, subresource, time: now() })
}

function placeIn(kind: Kind, namespace: string, { metadata }: Draft): void {
  if (!kind.namespaced) return
  if (metadata.namespace && metadata.namespace !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request')
  }
  metadata.namespace = namespace
}

/** An object that is sent to a path must be the one that the path names. @throws {ApiError} 400 */
export function checkPlace(kind: Kind, { name, namespace = '' }: { name: string; namespace?: string }, { metadata }: Draft): void {
  if (metadata.name && metadata.name !== name) {
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`)
  }
  if (!metadata.name) throw badRequest(`the name of the object (${name} based on URL) was undeterminable: name must be provided`)
  placeIn(kind, namespace, { metadata } as Draft)
}

/** Nothing is made in a namespace that is not there or about to go. */
function checkNamespace(store: ObjectStore, kind: Kind, namespace: string, name: string): void {
  const found = store.get('namespaces', namespace)
  if (!found) throw notFound(KINDS.find(each => each.kind === 'Namespace')!, namespace)
  if (!found.object.metadata.deletionTimestamp) return
  const detail = `unable to create new content in namespace ${namespace} because it is being terminated`
  throw forbidden(kind, name, detail, [
    { reason: 'NamespaceTerminating', message: `namespace ${namespace} is being terminated`, field: 'metadata.namespace' },
  ])
}

const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789'
const SUFFIX_LENGTH = 5
const BASE_LENGTH_MAX = 63 - SUFFIX_LENGTH

/** A prefix and five letters that make no words. */
function generateName(prefix: string): string {
  let suffix = ''
  for (let index = 0; index < SUFFIX_LENGTH; index++) suffix += ALPHABET[randomInt(ALPHABET.length)]
  return `${prefix.slice(0, BASE_LENGTH_MAX)}${suffix}`
}

/** What a client may not change is put back as it was. */
function keepSystemMetadata(next: Draft, previous: Draft): void {
  const { metadata } = next
  const old = previous.metadata
  metadata.uid = old.uid
  metadata.resourceVersion = old.resourceVersion
  const kept = metadata as unknown as Record<string, unknown>
  for (const field of ['deletionTimestamp', 'deletionGracePeriodSeconds'] as const) {
    // A client may not set them, which validation tells it; and what is set stays.
    if (old[field] !== undefined) kept[field] = old[field]
  }
  for (const field of ['creationTimestamp', 'generation'] as const) {
    if (old[field] === undefined) delete kept[field]
    else kept[field] = old[field]
  }
}

function bumpGeneration(kind: Kind, next: Draft, previous: Draft, part: Part): void {
  if (!kind.generation || part === 'status') return
  const isChanged =
    kind.generation === 'all'
      ? !isSame({ ...next, metadata: undefined }, { ...previous, metadata: undefined }) ||
        !isSame(next.metadata.labels, previous.metadata.labels)
      : !isSame(next.spec, previous.spec) ||
        (kind.generation === 'spec and annotations' && !isSame(next.metadata.annotations, previous.metadata.annotations))
  if (isChanged) next.metadata.generation = (previous.metadata.generation ?? 0) + 1
}

function* others(store: ObjectStore, table: string): Iterable<Draft> {
  for (const revision of store.list(table)) yield revision.object as Draft
}

/** For a write that lost against another one that came between; the request reads again and repeats. */
export function isStale(error: unknown): boolean {
  return error instanceof ApiError && error.status.reason === 'Conflict' && error.message.endsWith(STALE)
}
