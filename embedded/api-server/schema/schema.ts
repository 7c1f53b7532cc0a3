import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** How one JSON value is typed, as {@link ./generate.ts} found it in Kubernetes' own source. */
export interface Shape {
  readonly t:
    | 'string'
    | 'bool'
    | 'int'
    | 'int32'
    | 'int64'
    | 'uint32'
    | 'float64'
    | 'bytes'
    | 'list'
    | 'map'
    | 'object'
    | 'quantity'
    | 'intOrString'
    | 'time'
    | 'microTime'
    | 'raw'
  /** The type of an `object`. */
  readonly ref?: string
  /** The elements of a `list`, the values of a `map`. */
  readonly of?: Shape
  /** The Go type, for error messages. */
  readonly go: string
  /** Owned and replaced whole. */
  readonly atomic?: true
}

/** One field of a type. */
export interface Field extends Shape {
  /** A pointer in Go: a zero value that was sent stays. */
  readonly ptr?: true
  /** When the field is left out of the answer: `empty` as Go's omitempty, `zero` as its omitzero. */
  readonly omit?: 'empty' | 'zero'
  readonly list?: 'atomic' | 'set' | 'map'
  readonly keys?: readonly string[]
  /** The number of the field in protobuf; more than one where it stands in an embedded message. */
  readonly wire?: readonly number[]
  /** Strategic merge: `merge`, `replace`, `retainKeys` or a comma list of them. */
  readonly patch?: string
  readonly mergeKey?: string
}

export type Type = Readonly<Record<string, Field>>

const types = JSON.parse(readFileSync(join(import.meta.dirname, 'schema.json'), 'utf8')) as Record<string, Type>

/** The fields of a type. @param name as in OpenAPI, `io.k8s.api.core.v1.Pod` */
export function typeOf(name: string): Type {
  const type = types[name]
  if (!type) throw new RangeError(`Cannot find the type "${name}" in schema.json: make it anew with generate.ts`)
  return type
}

/** `PodSpec` of `io.k8s.api.core.v1.PodSpec`: what Go calls it in messages. */
export function shortName(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1)
}
