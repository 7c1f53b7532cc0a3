import type { Draft } from '../kinds/kind.ts'
import { FieldSet, type FieldsV1 } from './field-set.ts'

/** Who has set fields, and how. One who both applies and updates is two managers. */
export interface Manager {
  readonly manager: string
  readonly operation: 'Apply' | 'Update'
  readonly apiVersion: string
  readonly subresource: string
  /** RFC 3339. */
  readonly time: string
  readonly set: FieldSet
}

/** Managers by what tells them apart. */
export type Managers = Map<string, Manager>

/** One applies under one name, whatever the version; updates are told apart by version and subresource. */
export function identify({ manager, operation, apiVersion, subresource }: Omit<Manager, 'set' | 'time'>): string {
  return JSON.stringify([operation, manager, operation === 'Apply' ? '' : apiVersion, subresource])
}

interface Entry {
  manager?: string
  operation?: string
  apiVersion?: string
  time?: string
  fieldsType?: string
  fieldsV1?: FieldsV1
  subresource?: string
}

export function readManagers({ metadata }: Draft): Managers {
  const managers: Managers = new Map()
  for (const entry of (metadata.managedFields ?? []) as Entry[]) {
    if (entry.operation !== 'Apply' && entry.operation !== 'Update') continue
    const manager: Manager = {
      manager: entry.manager ?? '',
      operation: entry.operation,
      apiVersion: entry.apiVersion ?? '',
      subresource: entry.subresource ?? '',
      time: entry.time ?? '',
      set: FieldSet.fromJson(entry.fieldsV1 ?? {}),
    }
    managers.set(identify(manager), manager)
  }
  return managers
}

/** More writers than this are put together, the oldest first. */
const UPDATERS_MAX = 10

/** Writes them in the real server's order: who applies first, then by time and name. */
export function writeManagers({ metadata }: Draft, managers: Managers): void {
  const list = [...managers.values()].filter(({ set }) => !set.isEmpty).sort(byOrder)
  const updaters = list.filter(({ operation }) => operation === 'Update')
  if (updaters.length > UPDATERS_MAX) {
    const old = updaters.slice(0, updaters.length - UPDATERS_MAX + 1)
    const last = old.at(-1)!
    const ancient = { ...last, manager: 'ancient-changes', set: old.reduce((set, each) => set.union(each.set), new FieldSet()) }
    list.splice(list.indexOf(old[0]!), old.length, ancient)
  }
  if (list.length === 0) delete metadata.managedFields
  else metadata.managedFields = list.map(encode)
}

function byOrder(a: Manager, b: Manager): number {
  const rank = (each: Manager) => [each.operation, each.time, each.manager, each.apiVersion, each.subresource]
  const [left, right] = [rank(a), rank(b)]
  const at = left.findIndex((part, index) => part !== right[index])
  return at < 0 ? 0 : left[at]! < right[at]! ? -1 : 1
}

function encode({ manager, operation, apiVersion, time, set, subresource }: Manager): object {
  return {
    manager,
    operation,
    apiVersion,
    ...(time && { time }),
    fieldsType: 'FieldsV1',
    fieldsV1: set.toJson(),
    ...(subresource && { subresource }),
  }
}
