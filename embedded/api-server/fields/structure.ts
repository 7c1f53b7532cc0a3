import type { Json } from '../schema/decode.ts'
import { type Field, type Shape, typeOf } from '../schema/schema.ts'

/** How a value is taken apart into owned pieces. */
export type Structure =
  | { readonly kind: 'leaf' }
  /** A struct: its fields are not owned themselves, only what is in them. */
  | { readonly kind: 'struct'; readonly fields: Readonly<Record<string, Field>> }
  | { readonly kind: 'map'; readonly of: Shape }
  | { readonly kind: 'list'; readonly of: Shape; readonly elementOf: (value: unknown) => string }

const LEAF: Structure = { kind: 'leaf' }

/** The structure of a field, an element or a whole object. */
export function structureOf(shape: Shape | Field): Structure {
  if (shape.atomic) return LEAF
  if (shape.t === 'object') return { kind: 'struct', fields: typeOf(shape.ref!) }
  if (shape.t === 'map') return { kind: 'map', of: shape.of! }
  if (shape.t === 'list') {
    const { list, keys, patch = '', mergeKey } = shape as Field
    const merges = patch.split(',').includes('merge')
    const type = list ?? (merges ? (mergeKey ? 'map' : 'set') : 'atomic')
    if (type === 'set') return { kind: 'list', of: shape.of!, elementOf: value => `v:${JSON.stringify(value)}` }
    if (type === 'map') {
      const sorted = [...(keys ?? [mergeKey!])].sort()
      const fields = shape.of!.t === 'object' ? typeOf(shape.of!.ref!) : {}
      return { kind: 'list', of: shape.of!, elementOf: value => keyElement(sorted, fields, value) }
    }
  }
  return LEAF
}

/** What a list of ports is keyed by may be left out and still counts (`default` in OpenAPI). */
const KEY_DEFAULTS: Json = { protocol: 'TCP' }

function keyElement(keys: readonly string[], fields: Readonly<Record<string, Field>>, value: unknown): string {
  const object = (value ?? {}) as Json
  return `k:${JSON.stringify(
    Object.fromEntries(
      keys.flatMap(key => {
        const part = object[key] ?? KEY_DEFAULTS[key] ?? zeroOf(fields[key])
        return part === undefined ? [] : [[key, part]]
      }),
    ),
  )}`
}

/** A required field that is left out counts as empty. */
function zeroOf(field: Field | undefined): unknown {
  if (!field || field.omit) return undefined
  return field.t === 'string' ? '' : /^u?int/.test(field.t) ? 0 : undefined
}

/** The shape of a field of a struct; what the schema does not know is a leaf. */
export function shapeIn(fields: Readonly<Record<string, Field>>, name: string): Shape {
  return Object.hasOwn(fields, name) ? fields[name]! : { t: 'raw', go: '' }
}
