import { apiVersion } from '../../kernel/kubernetes/objects.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { applyFields } from './fields/apply.ts'
import { structureFaults } from './fields/check.ts'
import { shapeOf } from './fields/track.ts'
import type { Target } from './http-request.ts'
import type { Draft, Kind } from './kinds/kind.ts'
import { parseYaml } from './parse-body.ts'
import type { PatchRequest } from './patch-object.ts'
import { DecodeError, decode, type Json } from './schema/decode.ts'
import { ApiError, badRequest, conflict, invalid, notFound, STALE } from './status.ts'
import { createObject, keyIn, now, tableOf, updateObject, type WriteOptions } from './write.ts'

/**
 * Server-side apply: makes the object where there is none, else lays the configuration over it.
 *
 * @throws {ApiError} 400, 404 for a subresource of nothing, 409 for fields of others, 422
 */
export async function applyObject(store: ObjectStore, target: Target, request: PatchRequest): Promise<{ object: Draft; isNew: boolean }> {
  if (!request.fieldManager) {
    throw invalid({ kind: 'PatchOptions', group: 'meta.k8s.io' }, '', [
      { reason: 'FieldValueRequired', message: 'Required value: is required for apply patch', field: 'fieldManager' },
    ])
  }
  const { kind, namespace, name, subresource } = target
  const { value, duplicates } = await parseYaml(request.body)
  if (duplicates.length > 0) refuseDuplicates(duplicates, request)
  const config = checkConfig(kind, target, value)
  const revision = store.get(tableOf(kind), keyIn(namespace, name))
  const live = revision?.object as Draft | undefined
  if (!live && subresource) throw notFound(kind, name)
  const { resourceVersion, uid } = config.metadata
  if (live && resourceVersion && resourceVersion !== live.metadata.resourceVersion) throw conflict(kind, name, STALE)
  if (uid && !live) {
    throw conflict(kind, name, `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`)
  }
  const applier = { manager: request.fieldManager, subresource, time: now(), force: request.force ?? false }
  const applied = applyFields(kind, live, config, applier)
  const draft = decodeApplied(kind, applied.object)
  if (!live) draft.metadata.resourceVersion = ''
  const options: WriteOptions = { ...request.options, isPatch: true, managers: applied.managers }
  if (!revision) return { object: createObject(store, kind, namespace, draft, options), isNew: true }
  return { object: updateObject(store, kind, revision, draft, subresource === 'status' ? 'status' : 'main', options), isNew: false }
}

function checkConfig(kind: Kind, { namespace, name }: Target, value: unknown): Draft {
  if (typeof value !== 'object' || Array.isArray(value)) throw badRequest('error decoding patch: expected an object')
  const config = (value ?? {}) as Json
  const wanted = apiVersion(kind)
  if (config['apiVersion'] !== wanted || config['kind'] !== kind.kind) {
    const version = String(config['apiVersion'] ?? '')
    throw badRequest(`invalid object type: ${version.includes('/') ? version : `/${version}`}, Kind=${config['kind'] ?? ''}`)
  }
  if (typeof (config['metadata'] ?? {}) !== 'object') throw badRequest('error decoding patch: metadata is no object')
  const metadata = { ...(config['metadata'] as Json | undefined) }
  if (metadata['managedFields']) throw badRequest('metadata.managedFields must be nil')
  metadata['name'] ??= name
  if (metadata['name'] !== name)
    throw badRequest(`the name of the object (${metadata['name']}) does not match the name on the URL (${name})`)
  if (metadata['namespace'] && metadata['namespace'] !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request')
  }
  // Before anything is merged: what merges takes for granted that lists are lists.
  const typeFault = decodeFault(kind, { ...config, metadata })
  const fault = typeFault ?? structureFaults(shapeOf(kind), { ...config, metadata }).next().value
  if (fault) throw untyped(kind, String(metadata['namespace'] ?? ''), name, fault)
  return { ...config, metadata } as unknown as Draft
}

function decodeFault(kind: Kind, config: Json): string | undefined {
  try {
    decode(kind.type, config)
    return undefined
  } catch (error) {
    if (error instanceof DecodeError) return error.message
    throw error
  }
}

/** 500, as the real server, which takes the configuration for its own object here. */
function untyped(kind: Kind, namespace: string, name: string, fault: string): ApiError {
  const object = `${namespace}/${name}; ${kind.group}/${kind.version}, Kind=${kind.kind}`
  return new ApiError(500, '', `failed to create typed patch object (${object}): ${fault}`)
}

function refuseDuplicates(duplicates: readonly string[], { validation, options }: PatchRequest): void {
  const [first = ''] = duplicates
  const [, path] = /^duplicate field "(.*)"$/.exec(first) ?? []
  const text = path === undefined ? first : `line 1: key "${path.slice(path.lastIndexOf('.') + 1)}" already set in map`
  if (validation === 'Strict') throw badRequest(`error strict decoding patch: ${text}`)
  if (validation === 'Warn') options.warn(text)
}

function decodeApplied(kind: Kind, object: Json): Draft {
  try {
    const draft = decode(kind.type, object).object as Draft
    kind.defaults?.(draft)
    return draft
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw badRequest(`error decoding patch: ${error.message}`)
  }
}
