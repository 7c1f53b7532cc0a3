import type { ObjectStore, Revision } from '../store/object-store.ts'
import { invalidValue } from './field-error.ts'
import type { Draft, Kind } from './kinds/kind.ts'
import { conflict, forbidden, invalid } from './status.ts'
import { commitUpdate, now, tableOf, type WriteOptions } from './write.ts'

/** `metav1.DeleteOptions` as far as they say something here. */
export interface DeleteRequest {
  readonly gracePeriodSeconds?: number
  readonly propagationPolicy?: string
  readonly orphanDependents?: boolean
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string }
}

/** What became of the object. */
export interface Deletion {
  readonly object: Draft
  /** It is gone; else it waits for finalizers or its grace period. */
  readonly isGone: boolean
}

const IMMORTAL = ['default', 'kube-system', 'kube-public']
const POLICIES = ['Background', 'Foreground', 'Orphan']

/**
 * Deletes an object, or marks it and waits: for its finalizers, for the kubelet to stop a pod, for a namespace's content to go.
 *
 * @throws {ApiError} 409 when a precondition fails, 422 for options that make no sense
 */
export function deleteObject(store: ObjectStore, kind: Kind, revision: Revision, request: DeleteRequest, options: WriteOptions): Deletion {
  checkRequest(request)
  if (kind.kind === 'Namespace' && IMMORTAL.includes(revision.key)) throw forbidden(kind, revision.key, 'this namespace may not be deleted')
  const current = revision.object as Draft
  checkPreconditions(kind, current, request)
  const next = structuredClone(current)
  const grace = gracePeriod(kind, current, request)
  const finalizers = propagate(kind, current, request)
  if (finalizers.length > 0) next.metadata.finalizers = finalizers
  else delete next.metadata.finalizers
  const hasSpecFinalizers = kind.kind === 'Namespace' && ((current.spec?.['finalizers'] ?? []) as string[]).length > 0
  if (finalizers.length === 0 && grace === 0 && !hasSpecFinalizers) {
    if (!options.dryRun)
      return { object: store.delete(tableOf(kind), revision.key, mark(next, kind, current, 0)).object as Draft, isGone: true }
    return { object: current, isGone: true }
  }
  mark(next, kind, current, grace)
  return { object: commitUpdate(store, kind, revision, next, options.dryRun), isGone: false }
}

/** Sets the deletion marks, which only ever move towards now. */
function mark(next: Draft, kind: Kind, current: Draft, grace: number): Draft {
  const { metadata } = next
  const before = current.metadata.deletionGracePeriodSeconds
  if (current.metadata.deletionTimestamp && (before ?? 0) <= grace) return next
  if (current.metadata.deletionTimestamp) {
    // A shorter grace period counts from when the first one began.
    const began = Date.parse(current.metadata.deletionTimestamp) - (before ?? 0) * 1000
    metadata.deletionTimestamp = `${new Date(began + grace * 1000).toISOString().slice(0, 19)}Z`
  } else {
    metadata.deletionTimestamp = `${new Date(Date.parse(now()) + grace * 1000).toISOString().slice(0, 19)}Z`
    if (kind.generation && metadata.generation) metadata.generation++
  }
  metadata.deletionGracePeriodSeconds = grace
  if (kind.kind === 'Namespace') next.status = { ...next.status, phase: 'Terminating' }
  return next
}

function gracePeriod(kind: Kind, current: Draft, request: DeleteRequest): number {
  if (kind.kind !== 'Pod') return 0
  // Nobody runs it, or it has ended: there is nothing to wait for.
  if (!current.spec?.['nodeName']) return 0
  if (current.status?.['phase'] === 'Failed' || current.status?.['phase'] === 'Succeeded') return 0
  const wanted = request.gracePeriodSeconds ?? Number(current.spec['terminationGracePeriodSeconds'] ?? 0)
  const seconds = wanted < 0 ? 1 : wanted
  if (!current.metadata.deletionTimestamp) return seconds
  return request.gracePeriodSeconds === undefined
    ? (current.metadata.deletionGracePeriodSeconds ?? 0)
    : Math.min(seconds, current.metadata.deletionGracePeriodSeconds ?? 0)
}

/** The finalizers that the garbage collector acts on, as the policy asks (`deletionFinalizersForGarbageCollection`). */
function propagate(kind: Kind, current: Draft, { propagationPolicy, orphanDependents }: DeleteRequest): string[] {
  const present = current.metadata.finalizers ?? []
  const policy = propagationPolicy ?? (orphanDependents === undefined ? undefined : orphanDependents ? 'Orphan' : 'Background')
  const others = present.filter(finalizer => finalizer !== 'orphan' && finalizer !== 'foregroundDeletion')
  const standing = present.filter(finalizer => !others.includes(finalizer))
  if (policy === 'Orphan') return [...others, 'orphan']
  if (policy === 'Foreground') return [...others, 'foregroundDeletion']
  if (policy === 'Background') return others
  if (standing.length > 0) return present
  return kind.orphansByDefault ? [...others, 'orphan'] : others
}

function checkRequest(request: DeleteRequest): void {
  const { propagationPolicy, orphanDependents } = request
  const about = { kind: 'DeleteOptions', group: 'meta.k8s.io' }
  if (propagationPolicy !== undefined && orphanDependents !== undefined) {
    throw invalid(about, '', [
      invalidValue('propagationPolicy', propagationPolicy, 'orphanDependents and deletionPropagation cannot be both set'),
    ])
  }
  if (propagationPolicy !== undefined && !POLICIES.includes(propagationPolicy)) {
    const values = ['Foreground', 'Background', 'Orphan', 'nil'].map(value => JSON.stringify(value)).join(', ')
    throw invalid(about, '', [
      {
        reason: 'FieldValueNotSupported',
        message: `Unsupported value: "${propagationPolicy}": supported values: ${values}`,
        field: 'propagationPolicy',
      },
    ])
  }
}

function checkPreconditions(kind: Kind, current: Draft, { preconditions }: DeleteRequest): void {
  const { uid, resourceVersion, name } = current.metadata
  if (preconditions?.uid && preconditions.uid !== uid) {
    const text = `the UID in the precondition (${preconditions.uid}) does not match the UID in record (${uid}). The object might have been deleted and then recreated`
    throw conflict({ ...kind, plural: kind.kind }, name, text)
  }
  if (preconditions?.resourceVersion && preconditions.resourceVersion !== resourceVersion) {
    const detail = `the ResourceVersion in the precondition (${preconditions.resourceVersion}) does not match the ResourceVersion in record (${resourceVersion}). The object might have been modified`
    throw conflict({ ...kind, plural: kind.kind }, name, detail)
  }
}
