import type { ObjectStore } from '../store/object-store.ts'
import { type FieldError, invalidValue } from './field-error.ts'
import type { Target } from './http-request.ts'
import { formatSelector } from './kinds/columns.ts'
import { isSame } from './kinds/compare.ts'
import type { Draft, Kind } from './kinds/kind.ts'
import { parseJson } from './parse-body.ts'
import { JsonPatchError, jsonPatch, type Operation } from './patch/json.ts'
import { mergePatch } from './patch/merge.ts'
import { type FieldValidation, type Parsed, strictFaults } from './read-object.ts'
import { DecodeError, decode, type Json } from './schema/decode.ts'
import { ApiError, badRequest, conflict, invalid, notImplemented, STALE } from './status.ts'
import { readStored, updateObject, type WriteOptions } from './write.ts'

const SCALE = { kind: 'Scale', group: 'autoscaling' }
const SCALE_TYPE = 'io.k8s.api.autoscaling.v1.Scale'

/** A Deployment or ReplicaSet seen as `autoscaling/v1` Scale. */
export function scaleOf(_kind: Kind, { metadata, spec, status }: Draft): Json {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = metadata
  const replicas = Number(spec?.['replicas'] ?? 0)
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: replicas ? { replicas } : {},
    status: { replicas: Number(status?.['replicas'] ?? 0), selector: formatSelector(spec?.['selector']) },
  }
}

/** Writes a Scale's replicas. @throws {ApiError} 400, 404, 409 or 422 */
export function putScale(store: ObjectStore, target: Target, parsed: Parsed, validation: FieldValidation, options: WriteOptions): Draft {
  const { kind, namespace, name } = target
  const revision = readStored(store, kind, namespace, name)
  const sent = readScale(parsed, validation, options)
  const metadata = (sent['metadata'] ?? {}) as { name?: string; namespace?: string; resourceVersion?: string }
  if (metadata.name && metadata.name !== name) {
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`)
  }
  return writeScale(store, target, revision.object as Draft, sent, options)
}

/** Patches a Scale by merge or JSON patch. */
export function patchScale(store: ObjectStore, target: Target, contentType: string, body: string, options: WriteOptions): Draft {
  const { kind, namespace, name } = target
  const revision = readStored(store, kind, namespace, name)
  const current = scaleOf(kind, revision.object as Draft)
  const type = contentType.split(';')[0]!.trim()
  let patched: unknown
  if (type === 'application/apply-patch+yaml') throw notImplemented('server-side apply of a Scale: apply the object itself')
  const { value } = parseJson(body)
  if (type === 'application/json-patch+json') patched = applyJson(current, value as Operation[])
  else if (type === 'application/merge-patch+json' || type === 'application/strategic-merge-patch+json')
    patched = mergePatch(current, value)
  else {
    const types = 'application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json'
    throw new ApiError(
      415,
      'UnsupportedMediaType',
      `the body of the request was in an unknown format - accepted media types include: ${types}`,
    )
  }
  const sent = readPatched(patched, options)
  return writeScale(store, target, revision.object as Draft, sent, options)
}

/** What is wrong with the result is said of the patch. */
function readPatched(patched: unknown, options: WriteOptions): Json {
  try {
    decode(SCALE_TYPE, patched)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw invalid({ kind: '', group: '' }, '', [invalidValue('patch', JSON.stringify(patched), error.message)])
  }
  return readScale({ value: patched, duplicates: [] }, 'Warn', options)
}

function readScale({ value, duplicates }: Parsed, validation: FieldValidation, { warn }: WriteOptions): Json {
  const { kind = 'Scale', apiVersion = 'autoscaling/v1' } = (value ?? {}) as { kind?: string; apiVersion?: string }
  if (kind !== 'Scale' || apiVersion !== 'autoscaling/v1') {
    throw badRequest(
      `${kind} in version "v1" cannot be handled as a Scale: no kind "${kind}" is registered for version "${apiVersion}" in scheme "pkg/runtime/scheme.go:111"`,
    )
  }
  try {
    const decoded = decode(SCALE_TYPE, value)
    const faults = strictFaults(decoded, duplicates)
    if (faults.length > 0 && validation === 'Strict') throw new DecodeError(`strict decoding error: ${faults.join(', ')}`)
    if (validation === 'Warn') faults.forEach(warn)
    return decoded.object
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw badRequest(`Scale in version "v1" cannot be handled as a Scale: ${error.message}`)
  }
}

function writeScale(store: ObjectStore, target: Target, current: Draft, sent: Json, options: WriteOptions): Draft {
  const { kind, namespace, name } = target
  const replicas = Number(((sent['spec'] ?? {}) as Json)['replicas'] ?? 0)
  const errors: FieldError[] = []
  if (replicas < 0) errors.push(invalidValue('spec.replicas', replicas, 'must be greater than or equal to 0'))
  if (errors.length > 0) throw invalid(SCALE, name, errors)
  const { resourceVersion } = (sent['metadata'] ?? {}) as { resourceVersion?: string }
  if (resourceVersion && resourceVersion !== current.metadata.resourceVersion) throw conflict(kind, name, STALE)
  const next = structuredClone(current)
  next.spec = { ...next.spec, replicas }
  if (isSame(next, current)) return current
  return updateObject(store, kind, readStored(store, kind, namespace, name), next, 'main', {
    ...options,
    subresource: 'scale',
  } as WriteOptions)
}

function applyJson(current: Json, operations: readonly Operation[]): unknown {
  try {
    return jsonPatch(current, operations)
  } catch (error) {
    if (!(error instanceof JsonPatchError)) throw error
    throw new ApiError(422, 'Invalid', `the server rejected our request due to an error in our request: ${error.message}`, {})
  }
}
