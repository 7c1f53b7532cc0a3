import { isDeepStrictEqual } from 'node:util'
import { type Json, setKey } from '../schema/decode.ts'

export interface Operation {
  readonly op: string
  readonly path?: string
  readonly from?: string
  readonly value?: unknown
}

/** The patch cannot be applied to this object. */
export class JsonPatchError extends Error {
  override readonly name = 'JsonPatchError'
}

/** 10,000, as the real server: each operation may copy the object. */
export const OPERATIONS_MAX = 10_000

/**
 * Applies a JSON patch (RFC 6902) to a private copy and returns it.
 *
 * @throws {JsonPatchError} for a path that is not there, a failed test or an unknown operation
 */
export function jsonPatch(target: unknown, operations: readonly Operation[]): unknown {
  const root = { '': structuredClone(target) }
  for (const operation of operations) applyOperation(root, operation)
  return root['']
}

function applyOperation(root: Json, { op, path, from, value }: Operation): void {
  if (typeof path !== 'string') throw new JsonPatchError(`${op} operation does not apply: missing path`)
  switch (op) {
    case 'add':
      add(root, path, structuredClone(value))
      return
    case 'remove':
      remove(root, path, 'remove')
      return
    case 'replace': {
      const place = locate(root, path, 'replace')
      // A field that is not there is made, as the real server's library does; only a place in a list must exist.
      if (Array.isArray(place.parent) && !has(place)) throw missingKey('replace', path)
      assign(place.parent, place.key, structuredClone(value))
      return
    }
    case 'move':
      if (typeof from !== 'string') throw new JsonPatchError('move operation does not apply: missing from')
      if (path.startsWith(`${from}/`)) throw new JsonPatchError(`move operation does not apply: "${path}" is within "${from}"`)
      add(root, path, remove(root, from, 'move'))
      return
    case 'copy': {
      if (typeof from !== 'string') throw new JsonPatchError('copy operation does not apply: missing from')
      const place = locate(root, from, 'copy')
      if (Array.isArray(place.parent) && !has(place)) throw missingKey('copy', from)
      // What is not there is copied as null, as the real server's library does.
      add(root, path, has(place) ? structuredClone((place.parent as Json)[place.key]) : null)
      return
    }
    case 'test': {
      const place = locate(root, path, 'test')
      const found = has(place) ? (place.parent as Json)[place.key] : undefined
      if (!isDeepStrictEqual(found ?? null, value ?? null)) throw new JsonPatchError(`testing value ${path} failed: test failed`)
      return
    }
    default:
      throw new JsonPatchError(`Unexpected kind: ${op}`)
  }
}

interface Place {
  readonly parent: Json | unknown[]
  readonly key: string
}

/** The container that a pointer leads into, and the key in it. */
function locate(root: Json, path: string, op: string): Place {
  if (path !== '' && !path.startsWith('/'))
    throw new JsonPatchError(`${op} operation does not apply: doc is missing path: "${path}": missing value`)
  const keys = path.split('/').map(key => key.replaceAll('~1', '/').replaceAll('~0', '~'))
  let parent: unknown = root
  for (const key of keys.slice(0, -1)) {
    const next: unknown = isContainer(parent) && Object.hasOwn(parent, key) ? (parent as Json)[key] : undefined
    if (!isContainer(next)) throw new JsonPatchError(`${op} operation does not apply: doc is missing path: "${path}": missing value`)
    parent = next
  }
  return { parent: parent as Json, key: keys.at(-1) ?? '' }
}

function find(root: Json, path: string, op: string): Place {
  const place = locate(root, path, op)
  if (!has(place)) throw missingKey(op, path)
  return place
}

function missingKey(op: string, path: string): JsonPatchError {
  return new JsonPatchError(`${op} operation does not apply: doc is missing key: ${path}: missing value`)
}

function has({ parent, key }: Place): boolean {
  return Array.isArray(parent) ? /^(0|[1-9]\d*)$/.test(key) && Number(key) < parent.length : Object.hasOwn(parent, key)
}

function add(root: Json, path: string, value: unknown): void {
  const { parent, key } = locate(root, path, 'add')
  if (!Array.isArray(parent)) {
    setKey(parent, key, value)
    return
  }
  const index = key === '-' ? parent.length : /^(0|[1-9]\d*)$/.test(key) ? Number(key) : Number.NaN
  if (!(index <= parent.length)) throw new JsonPatchError(`add operation does not apply: doc is missing path: "${path}": invalid index`)
  parent.splice(index, 0, value)
}

function remove(root: Json, path: string, op: string): unknown {
  const { parent, key } = find(root, path, op)
  if (Array.isArray(parent)) return parent.splice(Number(key), 1)[0]
  const value = parent[key]
  delete parent[key]
  return value
}

function assign(parent: Json | unknown[], key: string, value: unknown): void {
  if (Array.isArray(parent)) parent[Number(key)] = value
  else setKey(parent, key, value)
}

function isContainer(value: unknown): value is Json | unknown[] {
  return typeof value === 'object' && value !== null
}
