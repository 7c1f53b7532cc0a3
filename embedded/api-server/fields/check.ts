import type { Json } from '../schema/decode.ts'
import type { Field, Shape } from '../schema/schema.ts'
import { formatPath } from './field-set.ts'
import { shapeIn, structureOf } from './structure.ts'

/** Why a configuration cannot be applied, in the real server's words: unknown fields, and list elements without or with the same keys. */
export function* structureFaults(shape: Shape | Field, value: unknown, path: readonly string[] = []): Generator<string> {
  const structure = structureOf(shape)
  if (structure.kind === 'leaf' || typeof value !== 'object' || value === null) return
  if (structure.kind === 'list') {
    if (Array.isArray(value)) yield* listFaults(shape as Field, structure, value, path)
    return
  }
  for (const [name, child] of Object.entries(value as Json)) {
    const place = [...path, `f:${name}`]
    if (structure.kind === 'map') yield* structureFaults(structure.of, child, place)
    else if (Object.hasOwn(structure.fields, name)) yield* structureFaults(shapeIn(structure.fields, name), child, place)
    else yield `${formatPath(place)}: field not declared in schema`
  }
}

function* listFaults(
  field: Field,
  { of, elementOf }: Extract<ReturnType<typeof structureOf>, { kind: 'list' }>,
  list: readonly unknown[],
  path: readonly string[],
): Generator<string> {
  const seen = new Set<string>()
  for (const [index, value] of list.entries()) {
    const element = elementOf(value)
    if (field.list !== 'set' && element.startsWith('k:')) {
      const given = JSON.parse(element.slice(2)) as Json
      const lacking = (field.keys ?? [field.mergeKey ?? '']).find(key => !(key in given))
      if (lacking) {
        yield `${formatPath(path)}: element ${index}: associative list with keys has an element that omits key field "${lacking}" (and doesn't have default value)`
        continue
      }
    }
    if (seen.has(element)) yield `${formatPath(path)}: duplicate entries for key ${formatPath([element])}`
    seen.add(element)
    yield* structureFaults(of, value, [...path, element])
  }
}
