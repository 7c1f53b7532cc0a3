import { apiVersion } from '../../../kernel/kubernetes/objects.ts'
import type { Draft, Kind } from '../kinds/kind.ts'
import { decode, type Json } from '../schema/decode.ts'
import type { Shape } from '../schema/schema.ts'
import { type Comparison, compareObjects } from './compare.ts'
import { FieldSet } from './field-set.ts'
import { identify, type Manager, type Managers, readManagers, writeManagers } from './managers.ts'

export interface Writer {
  readonly manager: string
  /** `''`, `status` or `scale`. */
  readonly subresource: string
  /** RFC 3339. */
  readonly time: string
}

/**
 * Notes in `managedFields` which fields a writer set: what changed becomes its own, and leaves the others.
 *
 * @param previous absent when the object is new
 * @param next as the writer sent it, defaults filled in; what the server itself sets comes later and is nobody's
 */
export function trackUpdate(kind: Kind, previous: Draft | undefined, next: Draft, writer: Writer): void {
  const sent = next.metadata.managedFields
  const isReset = sent?.length === 1 && Object.keys(sent[0]!).length === 0
  const managers = isReset ? new Map() : managersToStart(previous, next, writer)
  delete next.metadata.managedFields
  // An object that is without managers was made so on purpose, and stays so until it is applied.
  if (previous && managers.size === 0) return
  const before = previous ? withoutManagers(previous) : decode(kind.type, { kind: kind.kind, apiVersion: apiVersion(kind) }).object
  const changes = filterComparison(kind, compareObjects(shapeOf(kind), before, next), writer.subresource)
  takeOver(managers, changes)
  // A Scale to zero says nothing of replicas in its JSON, so nobody owns them then.
  const isEmptyScale = writer.subresource === 'scale' && !next.spec?.['replicas']
  const gained = isEmptyScale ? new FieldSet() : changes.added.union(changes.modified)
  if (!gained.isEmpty) {
    const self = { manager: writer.manager, operation: 'Update' as const, apiVersion: apiVersion(kind), subresource: writer.subresource }
    const known = managers.get(identify(self))
    managers.set(identify(self), { ...self, time: writer.time, set: known ? known.set.union(gained) : gained })
  }
  writeManagers(next, managers)
}

/** Takes what changed or went from all managers but one. */
export function takeOver(managers: Managers, { added, modified, removed }: Comparison, except = ''): void {
  const changed = added.union(modified)
  for (const [name, manager] of managers) {
    if (name !== except) managers.set(name, { ...manager, set: manager.set.difference(changed).difference(removed) } satisfies Manager)
  }
}

/** The whole object as a value of its kind's type. */
export function shapeOf(kind: Kind): Shape {
  return { t: 'object', ref: kind.type, go: kind.kind }
}

/** What a write of this part cannot change is nobody's doing. */
export function filterComparison(kind: Kind, { added, modified, removed }: Comparison, subresource: string): Comparison {
  const ignored = ignoredFields(kind, subresource)
  return { added: added.without(ignored), modified: modified.without(ignored), removed: removed.without(ignored) }
}

const META = ['name', 'namespace', 'creationTimestamp', 'selfLink', 'uid', 'generation', 'managedFields', 'resourceVersion']
const IGNORED = new Map<string, FieldSet>()

/** Identity and what the server keeps, and the part that this way of writing leaves alone. */
export function ignoredFields(kind: Kind, subresource: string): FieldSet {
  const key = `${kind.type} ${subresource}`
  let set = IGNORED.get(key)
  if (!set) {
    set = new FieldSet(['f:apiVersion', 'f:kind'])
    for (const field of META) set.insert(['f:metadata', `f:${field}`])
    if (kind.status && subresource !== 'status') set.insert(['f:status'])
    if (subresource === 'status') {
      set.insert(['f:spec'])
      if (kind.kind === 'Deployment') set.insert(['f:metadata', 'f:labels'])
      if (kind.kind === 'Pod') set.insert(['f:metadata', 'f:ownerReferences'])
      set.insert(['f:metadata', 'f:deletionTimestamp'])
    }
    IGNORED.set(key, set)
  }
  return set
}

function managersToStart(previous: Draft | undefined, next: Draft, { subresource }: Writer): Managers {
  const sent = readManagers(next)
  return sent.size > 0 && !subresource ? sent : previous ? readManagers(previous) : new Map()
}

export function withoutManagers(object: Draft): Json {
  const { managedFields: _, ...metadata } = object.metadata
  return { ...object, metadata }
}
