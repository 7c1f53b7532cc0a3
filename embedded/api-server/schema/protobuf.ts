import { type Json, setKey } from './decode.ts'
import { type Shape, typeOf } from './schema.ts'

/** The bytes are no object in Kubernetes' protobuf form. */
export class ProtobufError extends Error {
  override readonly name = 'ProtobufError'
}

/** `k8s` and a zero byte stand before every object. */
const MAGIC = Buffer.from([0x6b, 0x38, 0x73, 0x00])
const DEPTH_MAX = 100

/**
 * Reads an object in protobuf, which kubectl prefers to send for kinds that it knows, into the JSON that stands for it.
 *
 * @param typeFor the schema's type for an `apiVersion` and `kind`; `undefined` for one that is not known
 * @throws {ProtobufError}
 * @see https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding
 */
export function decodeProtobuf(bytes: Buffer, typeFor: (apiVersion: string, kind: string) => string | undefined): Json {
  if (bytes.length < MAGIC.length || !bytes.subarray(0, MAGIC.length).equals(MAGIC))
    throw new ProtobufError('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]')
  const envelope = gather(bytes.subarray(MAGIC.length))
  const head = gather(bytesOf(envelope.get(1)?.at(-1) ?? Buffer.alloc(0)))
  const apiVersion = textOf(head.get(1)?.at(-1) ?? Buffer.alloc(0))
  const kind = textOf(head.get(2)?.at(-1) ?? Buffer.alloc(0))
  const type = typeFor(apiVersion, kind)
  if (!type) throw new ProtobufError(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)}`)
  return { apiVersion, kind, ...message(type, bytesOf(envelope.get(2)?.at(-1) ?? Buffer.alloc(0)), 0) }
}

type Value = bigint | Buffer

/** The fields of one message by number, each as often as it stands there. */
function gather(bytes: Buffer): Map<number, Value[]> {
  const fields = new Map<number, Value[]>()
  let at = 0
  while (at < bytes.length) {
    const [tag, afterTag] = varint(bytes, at)
    const number = Number(tag >> 3n)
    let value: Value
    switch (Number(tag & 7n)) {
      case 0:
        ;[value, at] = varint(bytes, afterTag)
        break
      case 1:
        value = slice(bytes, afterTag, 8)
        at = afterTag + 8
        break
      case 2: {
        const [length, start] = varint(bytes, afterTag)
        value = slice(bytes, start, Number(length))
        at = start + Number(length)
        break
      }
      case 5:
        value = slice(bytes, afterTag, 4)
        at = afterTag + 4
        break
      default:
        throw new ProtobufError('unknown wire type')
    }
    const list = fields.get(number)
    if (list) list.push(value)
    else fields.set(number, [value])
  }
  return fields
}

function message(typeName: string, bytes: Buffer, depth: number): Json {
  if (depth > DEPTH_MAX) throw new ProtobufError('exceeded max depth')
  const fields = gather(bytes)
  /** Embedded messages, by the number under which they stand. */
  const embedded = new Map<number, Map<number, Value[]>>()
  const object: Json = {}
  for (const [name, field] of Object.entries(typeOf(typeName))) {
    const [first, second] = field.wire ?? []
    if (first === undefined) continue
    let values = fields.get(first)
    if (second !== undefined && values) {
      let inner = embedded.get(first)
      if (!inner) embedded.set(first, (inner = gather(bytesOf(values.at(-1)!))))
      values = inner.get(second)
    }
    if (values) object[name] = repeated(field, values, depth)
  }
  return object
}

function repeated(shape: Shape, values: readonly Value[], depth: number): unknown {
  if (shape.t === 'list') return values.map(value => single(shape.of!, value, depth))
  if (shape.t !== 'map') return single(shape, values.at(-1)!, depth)
  const map: Json = {}
  for (const entry of values) {
    const pair = gather(bytesOf(entry))
    const value = pair.get(2)?.at(-1) ?? Buffer.alloc(0)
    setKey(map, textOf(pair.get(1)?.at(-1) ?? Buffer.alloc(0)), repeated(shape.of!, [value], depth))
  }
  return map
}

function single(shape: Shape, value: Value, depth: number): unknown {
  switch (shape.t) {
    case 'string':
      return textOf(value)
    case 'bool':
      return value !== 0n
    case 'int':
    case 'int32':
    case 'int64':
    case 'uint32':
      return numberOf(value)
    case 'float64':
      return bytesOf(value).readDoubleLE()
    case 'bytes':
      return bytesOf(value).toString('base64')
    case 'object':
      return message(shape.ref!, bytesOf(value), depth + 1)
    case 'quantity':
      return textOf(gather(bytesOf(value)).get(1)?.at(-1) ?? Buffer.from('0'))
    case 'intOrString': {
      const parts = gather(bytesOf(value))
      return parts.get(1)?.at(-1) === 1n ? textOf(parts.get(3)?.at(-1) ?? Buffer.alloc(0)) : numberOf(parts.get(2)?.at(-1) ?? 0n)
    }
    case 'time':
    case 'microTime':
      return timeOf(gather(bytesOf(value)))
    case 'raw': {
      const json = textOf(gather(bytesOf(value)).get(1)?.at(-1) ?? Buffer.alloc(0))
      return json ? JSON.parse(json) : null
    }
    case 'list':
    case 'map':
      throw new ProtobufError('a list of lists is not supported')
  }
}

/** Seconds and nanoseconds since 1970; the zero time has neither. */
function timeOf(parts: Map<number, Value[]>): string | null {
  const seconds = numberOf(parts.get(1)?.at(-1) ?? 0n)
  const nanos = numberOf(parts.get(2)?.at(-1) ?? 0n)
  if (seconds === 0 && nanos === 0) return null
  const date = new Date(seconds * 1000)
  if (Number.isNaN(date.getTime())) throw new ProtobufError('a time is out of range')
  return `${date.toISOString().slice(0, 19)}.${String(Math.trunc(nanos / 1000)).padStart(6, '0')}Z`
}

function varint(bytes: Buffer, at: number): [value: bigint, next: number] {
  let value = 0n
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = bytes[at++]
    if (byte === undefined) throw new ProtobufError('unexpected EOF')
    value |= BigInt(byte & 0x7f) << shift
    if (byte < 0x80) return [value, at]
  }
  throw new ProtobufError('varint is too long')
}

function slice(bytes: Buffer, start: number, length: number): Buffer {
  if (!(length >= 0) || start + length > bytes.length) throw new ProtobufError('unexpected EOF')
  return bytes.subarray(start, start + length)
}

/** Negative numbers come as 64-bit two's complement. */
function numberOf(value: Value): number {
  if (typeof value !== 'bigint') throw new ProtobufError('wrong wire type for a number')
  return Number(BigInt.asIntN(64, value))
}

function bytesOf(value: Value): Buffer {
  if (typeof value === 'bigint') throw new ProtobufError('wrong wire type for a message')
  return value
}

function textOf(value: Value): string {
  return bytesOf(value).toString()
}
