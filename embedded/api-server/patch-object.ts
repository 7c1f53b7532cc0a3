import { apiVersion } from '../../kernel/kubernetes/objects.ts'
import type { ObjectStore, Revision } from '../store/object-store.ts'
import { applyObject } from './apply-object.ts'
import { invalidValue } from './field-error.ts'
import type { Target } from './http-request.ts'
import type { Draft, Kind } from './kinds/kind.ts'
import { parseJson } from './parse-body.ts'
import { JsonPatchError, jsonPatch, OPERATIONS_MAX, type Operation } from './patch/json.ts'
import { mergePatch } from './patch/merge.ts'
import { StrategicPatchError, strategicPatch } from './patch/strategic.ts'
import { type FieldValidation, type Parsed, strictFaults } from './read-object.ts'
import { type Decoded, DecodeError, decode, type Json } from './schema/decode.ts'
import { ApiError, badRequest, invalid } from './status.ts'
import { readStored, updateObject, type WriteOptions } from './write.ts'

export interface PatchRequest {
  readonly contentType: string
  readonly body: string
  /** Of server-side apply only; `undefined` when the query has none. */
  readonly force: boolean | undefined
  readonly fieldManager: string
  readonly validation: FieldValidation
  readonly options: WriteOptions
}

const TYPES = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
]

/**
 * Applies a patch of any kind to a stored object.
 *
 * @throws {ApiError} 400, 404, 409, 415 or 422
 */
export async function patchObject(store: ObjectStore, target: Target, request: PatchRequest): Promise<{ object: Draft; isNew: boolean }> {
  const type = request.contentType.split(';')[0]!.trim().toLowerCase()
  if (!TYPES.includes(type)) {
    throw new ApiError(415, 'UnsupportedMediaType', '415: Unsupported Media Type', {})
  }
  if (type === 'application/apply-patch+yaml') return applyObject(store, target, request)
  if (request.force !== undefined) {
    throw invalid({ kind: 'PatchOptions', group: 'meta.k8s.io' }, '', [
      { reason: 'FieldValueForbidden', message: 'Forbidden: may not be specified for non-apply patch', field: 'force' },
    ])
  }
  const parsed = parsePatch(request.body)
  const { kind, namespace, name, subresource } = target
  const revision = readStored(store, kind, namespace, name)
  const patched = applyPatch(kind, type, revision, parsed)
  const next = decodePatched(kind, patched, parsed, type, request)
  const object = updateObject(store, kind, revision, next, subresource === 'status' ? 'status' : 'main', {
    ...request.options,
    isPatch: true,
  })
  return { object, isNew: false }
}

const REASONS = { 400: 'BadRequest', 422: 'Invalid', 500: '' } as const

function applyPatch(kind: Kind, type: string, revision: Revision, { value }: Parsed): Json {
  const current = revision.object as unknown as Json
  try {
    if (type === 'application/json-patch+json') {
      if (!Array.isArray(value))
        throw badRequest('error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp')
      if (value.length > OPERATIONS_MAX) {
        const message = `The allowed maximum operations in a JSON patch is ${OPERATIONS_MAX}, got ${value.length}`
        throw new ApiError(413, 'RequestEntityTooLarge', message)
      }
      return jsonPatch(current, value as Operation[]) as Json
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw badRequest(
        `json: cannot unmarshal ${Array.isArray(value) ? 'array' : typeof value} into Go value of type map[string]interface {}`,
      )
    }
    if (type === 'application/merge-patch+json') return mergePatch(current, value) as Json
    return strategicPatch(kind.type, current, value as Json)
  } catch (error) {
    if (error instanceof JsonPatchError) {
      // The real server keeps to itself which operation failed.
      throw new ApiError(422, 'Invalid', 'the server rejected our request due to an error in our request', {})
    }
    if (error instanceof StrategicPatchError) throw new ApiError(error.code, REASONS[error.code], error.message)
    throw error
  }
}

function parsePatch(body: string): Parsed {
  try {
    return parseJson(body)
  } catch {
    throw badRequest('invalid JSON patch')
  }
}

/** The patched object as an object again; what is wrong with it is said of the patch. */
function decodePatched(
  kind: Kind,
  patched: Json,
  { value, duplicates }: Parsed,
  type: string,
  { validation, options }: PatchRequest,
): Draft {
  // The real server shows a strategic patch as Go prints it, and the result of the others as JSON.
  const shown = type === 'application/strategic-merge-patch+json' ? goFormat(value) : JSON.stringify(patched)
  const refuse = (message: string) => invalid({ kind: '', group: '' }, '', [invalidValue('patch', shown, message)])
  const isStrategic = type === 'application/strategic-merge-patch+json'
  if (isStrategic) Object.assign(patched, { apiVersion: apiVersion(kind), kind: kind.kind })
  else if (patched['apiVersion'] !== apiVersion(kind) || patched['kind'] !== kind.kind) {
    throw refuse(`no kind "${patched['kind']}" is registered for version "${patched['apiVersion']}" in scheme`)
  }
  let decoded: Decoded
  try {
    decoded = decode(kind.type, patched)
  } catch (error) {
    if (error instanceof DecodeError) throw refuse(isStrategic && error.mismatch ? conversionFault(error.mismatch) : error.message)
    throw error
  }
  const faults = strictFaults(decoded, duplicates)
  if (faults.length > 0 && validation === 'Strict') throw refuse(`strict decoding error: ${faults.join(', ')}`)
  if (validation === 'Warn') faults.forEach(options.warn)
  const draft = decoded.object as Draft
  kind.defaults?.(draft)
  return draft
}

/** A strategic patch's result does not go through JSON in the real server, so its faults have other words. */
function conversionFault({ value, type, go }: NonNullable<DecodeError['mismatch']>): string {
  const kinds: Record<string, string> = { boolean: 'bool', number: Number.isInteger(value) ? 'int64' : 'float64', object: 'map' }
  const kind = Array.isArray(value) ? 'slice' : (kinds[typeof value] ?? typeof value)
  if (type === 'list' || type === 'bytes') return `cannot restore slice from ${kind}`
  if (type === 'map') return `cannot restore map from ${kind}`
  if (type === 'object') return `cannot restore struct from: ${kind}`
  return `unrecognized type: ${type === 'bool' || /^u?int|^float/.test(type) ? type : /^u?int|^float|^bool/.test(go) ? go : 'string'}`
}

/** As Go's `%+v`: `map[spec:map[replicas:1]]`. */
function goFormat(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(goFormat).join(' ')}]`
  if (typeof value !== 'object' || value === null) return value === null ? '<nil>' : String(value)
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `map[${entries.map(([key, each]) => `${key}:${goFormat(each)}`).join(' ')}]`
}
