import type { Json } from '../schema/decode.ts'
import type { Shape } from '../schema/schema.ts'
import { FieldSet } from './field-set.ts'
import { shapeIn, structureOf } from './structure.ts'

/** Every path that an object sets: what one who applies it owns (`toFieldSetWalker`). */
export function collectFields(shape: Shape, value: unknown): FieldSet {
  const set = new FieldSet()
  collect(shape, value, [], set)
  return set
}

function collect(shape: Shape, value: unknown, path: readonly string[], set: FieldSet): void {
  const structure = structureOf(shape)
  if (structure.kind === 'leaf') {
    set.insert(path)
    return
  }
  if (value === null || value === undefined) return
  if (structure.kind === 'list') {
    for (const element of Array.isArray(value) ? value : []) {
      const place = [...path, structure.elementOf(element)]
      collect(structure.of, element, place, set)
      set.insert(place)
    }
    return
  }
  for (const [name, child] of Object.entries(value as Json)) {
    const place = [...path, `f:${name}`]
    const isField = structure.kind === 'struct' && Object.hasOwn(structure.fields, name)
    collect(structure.kind === 'map' ? structure.of : shapeIn(structure.fields, name), child, place, set)
    if (!isField || child === null || isEmptyMap(child)) set.insert(place)
  }
}

/** Adds the struct fields on the way to each member, so that taking a member out can take the emptied struct too. */
export function withNamedFields(shape: Shape, set: FieldSet): FieldSet {
  const structure = structureOf(shape)
  const result = new FieldSet(set.members)
  for (const [element, child] of set.children) {
    const name = element.slice(2)
    let inner: Shape = { t: 'raw', go: '' }
    if (structure.kind === 'struct') {
      inner = shapeIn(structure.fields, name)
      if (Object.hasOwn(structure.fields, name)) result.members.add(element)
    } else if (structure.kind !== 'leaf') inner = structure.of
    result.children.set(element, withNamedFields(inner, child))
  }
  return result
}

function isEmptyMap(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0
}
