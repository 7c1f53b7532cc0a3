import { isDeepStrictEqual } from 'node:util'
import type { Json } from '../schema/decode.ts'
import type { Shape } from '../schema/schema.ts'
import { FieldSet } from './field-set.ts'
import { shapeIn, structureOf } from './structure.ts'

/** Which paths differ between two objects. */
export interface Comparison {
  readonly added: FieldSet
  readonly modified: FieldSet
  readonly removed: FieldSet
}

/**
 * Compares two objects of one type, path by path (`compareWalker` of structured-merge-diff).
 *
 * @param before `undefined` values are absent; `null` is a value
 */
export function compareObjects(shape: Shape, before: unknown, after: unknown): Comparison {
  const comparison = { added: new FieldSet(), modified: new FieldSet(), removed: new FieldSet() }
  compare(shape, before, after, [], comparison)
  return comparison
}

function compare(shape: Shape, before: unknown, after: unknown, path: readonly string[], result: Comparison): void {
  if (before === after) return
  const structure = structureOf(shape)
  if (structure.kind === 'leaf' || (isEmpty(before) && isEmpty(after))) {
    leaf(before, after, path, result)
    return
  }
  if (structure.kind === 'list') {
    const left = index(before, structure.elementOf)
    const right = index(after, structure.elementOf)
    for (const element of new Set([...left.keys(), ...right.keys()])) {
      const [before, after] = [left.get(element), right.get(element)]
      // What stands twice cannot be told apart, so it is owned whole.
      if ((before?.length ?? 0) > 1 || (after?.length ?? 0) > 1) leaf(before, after, [...path, element], result)
      else compare(structure.of, before?.[0], after?.[0], [...path, element], result)
    }
  } else {
    const left = (before ?? {}) as Json
    const right = (after ?? {}) as Json
    for (const name of new Set([...Object.keys(left), ...Object.keys(right)])) {
      const inner = structure.kind === 'map' ? structure.of : shapeIn(structure.fields, name)
      compare(inner, own(left, name), own(right, name), [...path, `f:${name}`], result)
    }
  }
  if (path.length === 0) return
  if (before === undefined) result.added.insert(path)
  else if (after === undefined) result.removed.insert(path)
}

function leaf(before: unknown, after: unknown, path: readonly string[], result: Comparison): void {
  if (before === undefined) result.added.insert(path)
  else if (after === undefined) result.removed.insert(path)
  else if (!isDeepStrictEqual(before, after)) result.modified.insert(path)
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || (typeof value === 'object' && Object.keys(value).length === 0)
}

function index(list: unknown, elementOf: (value: unknown) => string): Map<string, unknown[]> {
  return Map.groupBy(Array.isArray(list) ? list : [], elementOf)
}

function own(object: Json, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined
}
