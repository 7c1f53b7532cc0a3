import { canonicalQuantity } from './quantity.ts'
import { type Field, type Shape, shortName, typeOf } from './schema.ts'

export type Json = Record<string, unknown>

/** The value does not fit its type; the message is the one that Go's decoder would give. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError'
  /** What was found and what was wanted, where that is what is wrong. */
  readonly mismatch?: { readonly value: unknown; readonly type: string; readonly go: string }

  constructor(message: string, found?: { readonly value: unknown; readonly type: string; readonly go: string }) {
    super(message)
    if (found) this.mismatch = found
  }
}

/** A value in the form in which the API server keeps it, and the fields that it did not know. */
export interface Decoded {
  readonly object: Json
  /** Paths, `spec.containers[0].foo`. */
  readonly unknown: readonly string[]
}

/**
 * Brings a JSON object into the form that Kubernetes gives it by decoding it into its Go type and encoding it again: unknown
 * fields dropped, nulls and empty optional fields left out, required ones filled with their zero value, amounts and times
 * in their one spelling.
 *
 * @param typeName `io.k8s.api.core.v1.Pod`
 * @throws {DecodeError}
 */
export function decode(typeName: string, value: unknown): Decoded {
  const unknown: string[] = []
  const object = decodeObject(typeName, value, { unknown, fields: '', path: '', struct: '' }, typeName)
  return { object, unknown }
}

/** Sets a key that may be `__proto__`, which an assignment would take for something else. */
export function setKey(target: Json, key: string, value: unknown): void {
  if (key === '__proto__') Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true })
  else target[key] = value
}

interface Place {
  readonly unknown: string[]
  /** Field names without indices, as Go's messages write them. */
  readonly fields: string
  /** With indices, as the list of unknown fields writes them. */
  readonly path: string
  /** The innermost struct. */
  readonly struct: string
}

function decodeObject(typeName: string, value: unknown, place: Place, go: string): Json {
  if (value === null || value === undefined) value = {}
  if (typeof value !== 'object' || Array.isArray(value)) throw mismatch(value, place, go, 'object')
  const type = typeOf(typeName)
  const struct = shortName(typeName)
  const source = value as Json
  const object: Json = {}
  for (const name in type) {
    const field = type[name]!
    const given = Object.hasOwn(source, name) ? source[name] : undefined
    if (given === null || given === undefined) {
      const zero = absent(field)
      if (zero !== undefined) object[name] = zero
      continue
    }
    const fields = place.fields ? `${place.fields}.${name}` : name
    const decoded = decodeValue(field, given, { ...place, fields, path: place.path ? `${place.path}.${name}` : name, struct })
    if (!isOmitted(field, decoded)) object[name] = decoded
  }
  for (const name of Object.keys(source)) {
    if (!Object.hasOwn(type, name)) place.unknown.push(place.path ? `${place.path}.${name}` : name)
  }
  return object
}

function decodeValue(shape: Shape, value: unknown, place: Place): unknown {
  switch (shape.t) {
    case 'string':
      if (typeof value !== 'string') throw mismatch(value, place, shape.go, shape.t)
      return value
    case 'bool':
      if (typeof value !== 'boolean') throw mismatch(value, place, shape.go, shape.t)
      return value
    case 'int':
    case 'int32':
    case 'int64':
    case 'uint32':
    case 'float64':
      return decodeNumber(shape, value, place)
    case 'object':
      return decodeObject(shape.ref!, value, place, shape.go)
    case 'list':
      if (!Array.isArray(value)) throw mismatch(value, place, shape.go, shape.t)
      return value.map((element, index) => {
        if (element === null) return zeroOf(shape.of!)
        return decodeValue(shape.of!, element, { ...place, path: `${place.path}[${index}]` })
      })
    case 'map':
      return decodeMap(shape, value, place)
    case 'quantity':
      return decodeText(value, text => canonicalQuantity(text.trim()))
    case 'intOrString':
      if (typeof value === 'number' && Number.isInteger(value) && Math.abs(value) < 2 ** 31) return value
      if (typeof value === 'string') return value
      throw typeof value === 'number'
        ? mismatch(value, place, 'int32')
        : new DecodeError(`json: cannot unmarshal ${kindOf(value)} into Go value of type int32`)
    case 'time':
    case 'microTime':
      return decodeTime(value, shape.t === 'microTime')
    case 'bytes':
      if (typeof value !== 'string') throw mismatch(value, place, shape.go, shape.t)
      return decodeBytes(value)
    case 'raw':
      return value
  }
}

const RANGES: Record<string, [number, number]> = {
  int: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  uint32: [0, 2 ** 32 - 1],
}

function decodeNumber(shape: Shape, value: unknown, place: Place): number {
  if (typeof value !== 'number') throw mismatch(value, place, shape.go, shape.t)
  const range = RANGES[shape.t]
  if (range && (!Number.isInteger(value) || value < range[0] || value > range[1])) throw mismatch(value, place, shape.go, shape.t)
  return value
}

function decodeMap(shape: Shape, value: unknown, place: Place): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw mismatch(value, place, shape.go, shape.t)
  const map: Json = {}
  for (const [key, element] of Object.entries(value)) {
    const decoded =
      element === null
        ? shape.of!.t === 'bytes'
          ? ''
          : zeroOf(shape.of!)
        : decodeValue(shape.of!, element, { ...place, path: `${place.path}.${key}` })
    setKey(map, key, decoded)
  }
  return map
}

function decodeText(value: unknown, read: (text: string) => string): string {
  try {
    return read(typeof value === 'number' ? String(value) : typeof value === 'string' ? value : JSON.stringify(value))
  } catch (error) {
    throw new DecodeError(error instanceof Error ? error.message : String(error))
  }
}

/** Six digits, no more and no fewer: clients that send milliseconds fail on a cluster, so they do here. */
const MICRO_FRACTION_LENGTH = '.000000'.length

function decodeTime(value: unknown, micro: boolean): string {
  const layout = micro ? '2006-01-02T15:04:05.000000Z07:00' : '2006-01-02T15:04:05Z07:00'
  if (typeof value !== 'string') throw new DecodeError(`json: cannot unmarshal ${kindOf(value)} into Go value of type string`)
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)$/.exec(value)
  if (match && micro && match[2]?.length !== MICRO_FRACTION_LENGTH) {
    const rest = `${match[2] ?? ''}${match[3]}`
    throw new DecodeError(`parsing time ${JSON.stringify(value)} as "${layout}": cannot parse ${JSON.stringify(rest)} as ".000000"`)
  }
  const date = match ? new Date(`${match[1]}${match[3]}`) : undefined
  if (!match || !date || Number.isNaN(date.getTime())) {
    throw new DecodeError(`parsing time ${JSON.stringify(value)} as "${layout}": cannot parse ${JSON.stringify(value)} as "2006"`)
  }
  const seconds = date.toISOString().slice(0, 19)
  return micro ? `${seconds}${(match[2] ?? '.').slice(0, 7).padEnd(7, '0')}Z` : `${seconds}Z`
}

function decodeBytes(text: string): string {
  const clean = text.replace(/[\r\n]/g, '')
  const wrong = /[^A-Za-z0-9+/=]/.exec(clean)?.index ?? /=[^=]/.exec(clean)?.index ?? -1
  if (wrong >= 0) throw new DecodeError(`illegal base64 data at input byte ${wrong}`)
  if (clean.length % 4 !== 0 || /={3,}$/.test(clean))
    throw new DecodeError(`illegal base64 data at input byte ${clean.length - (clean.length % 4)}`)
  return clean
}

/** What stands in the answer for a field that was not sent; `undefined` when nothing does. */
function absent(field: Field): unknown {
  if (field.ptr) return field.omit ? undefined : null
  if (field.omit === 'zero') return undefined
  if (field.omit === 'empty') {
    // Go's omitempty has no effect on structs.
    if (field.t === 'object') return decodeObject(field.ref!, {}, ROOT, field.go)
    if (field.t === 'time' || field.t === 'microTime') return null
    return undefined
  }
  return zeroOf(field)
}

const ROOT: Place = { unknown: [], fields: '', path: '', struct: '' }

function zeroOf(shape: Shape): unknown {
  switch (shape.t) {
    case 'string':
      return ''
    case 'bool':
      return false
    case 'int':
    case 'int32':
    case 'int64':
    case 'uint32':
    case 'float64':
    case 'intOrString':
      return 0
    case 'quantity':
      return '0'
    case 'object':
      return decodeObject(shape.ref!, {}, ROOT, shape.go)
    default:
      return null
  }
}

function isOmitted(field: Field, value: unknown): boolean {
  if (!field.omit) return false
  if (field.ptr) return false
  if (value === '' || value === 0 || value === false || value === null) return field.t !== 'intOrString'
  if (field.t === 'list' || field.t === 'bytes') return (value as unknown[]).length === 0
  if (field.t === 'map' || (field.t === 'object' && field.omit === 'zero')) return Object.keys(value as Json).length === 0
  return false
}

function mismatch(value: unknown, place: Place, go: string, type = go): DecodeError {
  const found = { value, type, go }
  const kind = typeof value === 'number' && /^u?int/.test(go) ? `number ${value}` : kindOf(value)
  if (!place.struct) return new DecodeError(`json: cannot unmarshal ${kind} into Go value of type ${go}`, found)
  return new DecodeError(`json: cannot unmarshal ${kind} into Go struct field ${place.struct}.${place.fields} of type ${go}`, found)
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  return typeof value === 'boolean' ? 'bool' : typeof value
}
