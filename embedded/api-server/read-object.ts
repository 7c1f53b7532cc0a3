import { apiVersion } from '../../kernel/kubernetes/objects.ts'
import type { Draft, Kind } from './kinds/kind.ts'
import { KINDS } from './kinds/registry.ts'
import { type Decoded, DecodeError, decode, type Json } from './schema/decode.ts'
import { badRequest } from './status.ts'

/** How unknown and doubled fields are met. */
export type FieldValidation = 'Strict' | 'Warn' | 'Ignore'

/** A value that came in as JSON or YAML, and what is to be said of keys that stood in it twice. */
export interface Parsed {
  readonly value: unknown
  readonly duplicates: readonly string[]
}

/** Gets a warning for the client's `Warning` header. */
export type Warn = (text: string) => void

/**
 * Makes an object of what a client sent: its type checked, unknown fields met as asked, defaults filled in.
 *
 * @throws {ApiError} 400
 */
export function readObject(kind: Kind, { value, duplicates }: Parsed, validation: FieldValidation, warn: Warn): Draft {
  if (typeof value !== 'object' || Array.isArray(value)) throw unreadable(kind, value)
  // Go takes null for an object without fields.
  const sent = checkKind(kind, (value ?? {}) as Json)
  const decoded = decodeOrRefuse(kind, sent)
  const faults = strictFaults(decoded, duplicates)
  if (faults.length > 0 && validation === 'Strict') {
    throw badRequest(
      `${kind.kind} in version "${kind.version}" cannot be handled as a ${kind.kind}: strict decoding error: ${faults.join(', ')}`,
    )
  }
  if (validation === 'Warn') faults.forEach(warn)
  const object = decoded.object as Draft
  kind.defaults?.(object)
  return object
}

/** The list of a strict decoding error. */
export function strictFaults(decoded: Decoded, duplicates: readonly string[]): string[] {
  return [...duplicates, ...decoded.unknown.map(path => `unknown field ${JSON.stringify(path)}`)]
}

/** Brings an object that is not from a request body into its form: the result of a patch. @throws {ApiError} 400 */
export function decodeOrRefuse(kind: Kind, value: Json): Decoded {
  try {
    return decode(kind.type, value)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw badRequest(`${kind.kind} in version "${kind.version}" cannot be handled as a ${kind.kind}: ${error.message}`)
  }
}

function checkKind(kind: Kind, value: Json): Json {
  const wanted = apiVersion(kind)
  const sentVersion = value['apiVersion'] || wanted
  const sentKind = value['kind'] || kind.kind
  if (typeof sentVersion !== 'string' || typeof sentKind !== 'string') throw unreadable(kind, value)
  if (sentVersion !== wanted) {
    const [version = ''] = sentVersion.split('/').slice(-1)
    const text = unregistered(sentKind, sentVersion)
    throw badRequest(`${sentKind} in version "${version}" cannot be handled as a ${kind.kind}: ${text}`)
  }
  if (sentKind !== kind.kind) {
    const isKnown = KINDS.some(each => each.kind === sentKind && apiVersion(each) === wanted)
    const text = isKnown ? `converting (v1.${sentKind}) to (${kind.kind}): unknown conversion` : unregistered(sentKind, wanted)
    throw badRequest(`${sentKind} in version "${kind.version}" cannot be handled as a ${kind.kind}: ${text}`)
  }
  return { ...value, apiVersion: wanted, kind: kind.kind }
}

function unregistered(kind: string, version: string): string {
  return `no kind "${kind}" is registered for version "${version}" in scheme "pkg/runtime/scheme.go:111"`
}

function unreadable(kind: Kind, value: unknown) {
  const text = JSON.stringify(value)
  return badRequest(`couldn't get version/kind; json parse error: json: cannot unmarshal ${text.slice(0, 100)} into a ${kind.kind}`)
}
