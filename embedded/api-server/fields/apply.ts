import { apiVersion } from '../../../kernel/kubernetes/objects.ts'
import type { Draft, Kind } from '../kinds/kind.ts'
import { decode, type Json } from '../schema/decode.ts'
import { ApiError } from '../status.ts'
import { collectFields, withNamedFields } from './collect.ts'
import { compareObjects } from './compare.ts'
import { type FieldSet, formatPath } from './field-set.ts'
import { identify, type Manager, type Managers, readManagers } from './managers.ts'
import { mergeFields } from './merge.ts'
import { removeFields } from './remove.ts'
import { filterComparison, ignoredFields, shapeOf, takeOver, withoutManagers } from './track.ts'

export interface Applier {
  readonly manager: string
  readonly subresource: string
  /** RFC 3339. */
  readonly time: string
  /** Takes fields of others instead of refusing. */
  readonly force: boolean
}

/** What is to be stored: still without defaults, and without `managedFields`. */
export interface Applied {
  readonly object: Json
  readonly managers: Managers
}

/**
 * Applies a configuration (server-side apply): its fields are laid over the object and become the applier's; fields that it applied before
 * and no longer has go, unless another owns them too.
 *
 * @param live absent when the object is new
 * @param config what was sent, unchanged
 * @throws {ApiError} 409 that names each field and its owner
 * @see https://github.com/kubernetes-sigs/structured-merge-diff/blob/master/merge/update.go
 */
export function applyFields(kind: Kind, live: Draft | undefined, config: Json, applier: Applier): Applied {
  const shape = shapeOf(kind)
  const before = live ? withoutManagers(live) : decode(kind.type, { kind: kind.kind, apiVersion: apiVersion(kind) }).object
  const managers = live ? managersOf(kind, live) : new Map<string, Manager>()
  const self = { manager: applier.manager, operation: 'Apply' as const, apiVersion: apiVersion(kind), subresource: applier.subresource }
  const name = identify(self)
  const last = managers.get(name)?.set
  const sent = collectFields(shape, config)
  const set = sent.without(ignoredFields(kind, applier.subresource))
  managers.set(name, { ...self, time: applier.time, set })
  const merged = mergeFields(shape, before, config)
  const object = last ? prune(shape, merged, managers, last, sent) : merged
  const changes = filterComparison(kind, compareObjects(shape, before, object), applier.subresource)
  if (!applier.force) refuseConflicts(managers, changes.added.union(changes.modified), name)
  takeOver(managers, changes, name)
  return { object: object as Json, managers }
}

/** Before its first apply an object may have no managers: then all that it holds is one's who was there before. */
function managersOf(kind: Kind, live: Draft): Managers {
  const managers = readManagers(live)
  if (managers.size > 0) return managers
  const empty = decode(kind.type, { kind: kind.kind, apiVersion: apiVersion(kind) }).object
  const { added, modified } = filterComparison(kind, compareObjects(shapeOf(kind), empty, withoutManagers(live)), '')
  const set = added.union(modified)
  const first = { manager: 'before-first-apply', operation: 'Update' as const, apiVersion: apiVersion(kind), subresource: '' }
  return new Map([[identify(first), { ...first, time: live.metadata.creationTimestamp, set }]])
}

/** Takes out what the applier had applied and has no more, where no other owns it. @param sent with the name, which nobody owns but which stays */
function prune(shape: ReturnType<typeof shapeOf>, merged: unknown, managers: Managers, last: FieldSet, sent: FieldSet): unknown {
  const named = (set: FieldSet) => withNamedFields(shape, set)
  const pruned = removeFields(shape, merged, named(last))
  const owned = [...managers.values()].reduce((all, { set }) => all.union(set), sent)
  const mergedSet = named(collectFields(shape, merged))
  const keep = named(collectFields(shape, pruned)).union(named(owned))
  return removeFields(shape, merged, mergedSet.difference(keep).intersection(named(last)))
}

function refuseConflicts(managers: Managers, changed: FieldSet, self: string): void {
  const conflicts = [...managers].flatMap(([name, manager]) => {
    if (name === self) return []
    return [...manager.set.intersection(changed).paths()].map(path => ({ owner: describe(manager), field: formatPath(path) }))
  })
  if (conflicts.length === 0) return
  const causes = conflicts.map(({ owner, field }) => ({ reason: 'FieldManagerConflict', message: `conflict with ${owner}`, field }))
  throw new ApiError(409, 'Conflict', explain(conflicts), { causes })
}

function explain(conflicts: readonly { owner: string; field: string }[]): string {
  const [only] = conflicts
  if (conflicts.length === 1 && only) return `Apply failed with 1 conflict: conflict with ${only.owner}: ${only.field}`
  const byOwner = [...Map.groupBy(conflicts, ({ owner }) => owner)].sort(([a], [b]) => (a < b ? -1 : 1))
  const lines = byOwner.flatMap(([owner, list]) => [`conflicts with ${owner}:`, ...list.map(({ field }) => `- ${field}`)])
  return `Apply failed with ${conflicts.length} conflicts: ${lines.join('\n')}`
}

function describe({ manager, operation, subresource, apiVersion: version }: Manager): string {
  const name = JSON.stringify(manager) + (subresource ? ` with subresource ${JSON.stringify(subresource)}` : '')
  return operation === 'Update' ? `${name} using ${version}` : name
}
