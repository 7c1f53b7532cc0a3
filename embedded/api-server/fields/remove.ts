import { type Json, setKey } from '../schema/decode.ts'
import type { Shape } from '../schema/schema.ts'
import type { FieldSet } from './field-set.ts'
import { shapeIn, structureOf } from './structure.ts'

/** A copy of a value without the members of a set; what is emptied by that becomes `null` (`removingWalker`). */
export function removeFields(shape: Shape, value: unknown, set: FieldSet): unknown {
  const structure = structureOf(shape)
  if (structure.kind === 'leaf' || typeof value !== 'object' || value === null) return structure.kind === 'leaf' ? value : null
  if (structure.kind === 'list') {
    const rest = (value as unknown[]).flatMap(element => {
      const name = structure.elementOf(element)
      if (set.members.has(name)) return []
      const below = set.children.get(name)
      return [below ? removeFields(structure.of, element, below) : element]
    })
    return rest.length > 0 ? rest : null
  }
  const rest: Json = {}
  for (const [name, child] of Object.entries(value)) {
    const element = `f:${name}`
    if (set.members.has(element)) continue
    const below = set.children.get(element)
    const inner = structure.kind === 'map' ? structure.of : shapeIn(structure.fields, name)
    setKey(rest, name, below ? removeFields(inner, child, below) : child)
  }
  return Object.keys(rest).length > 0 ? rest : null
}
