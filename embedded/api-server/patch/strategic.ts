import { isDeepStrictEqual } from 'node:util'
import { type Json, setKey } from '../schema/decode.ts'
import { type Field, type Shape, type Type, typeOf } from '../schema/schema.ts'

/** The patch cannot be merged into this object. */
export class StrategicPatchError extends Error {
  override readonly name = 'StrategicPatchError'
  /** The HTTP status that the real server gives it; 500 for what it did not foresee. */
  readonly code: 400 | 422 | 500

  constructor(message: string, code: 400 | 422 | 500 = 500) {
    super(message)
    this.code = code
  }
}

/**
 * Applies a strategic merge patch: maps are merged, lists of the kinds that have a merge key element by element, with the directives
 * `$patch`, `$retainKeys`, `$setElementOrder/…` and `$deleteFromPrimitiveList/…`.
 *
 * @param typeName `io.k8s.api.core.v1.Pod`
 * @returns a new object; neither argument is changed
 * @throws {StrategicPatchError}
 * @see https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
 */
export function strategicPatch(typeName: string, target: Json, patch: Json): Json {
  return mergeMap(structuredClone(target), structuredClone(patch), typeOf(typeName))
}

const DIRECTIVE = '$patch'
const RETAIN = '$retainKeys'
const DELETE_PREFIX = '$deleteFromPrimitiveList/'
const ORDER_PREFIX = '$setElementOrder/'

function mergeMap(original: Json, patch: Json, type: Type | undefined): Json {
  const directive = patch[DIRECTIVE]
  if (directive !== undefined) {
    if (directive === 'replace') {
      const { [DIRECTIVE]: _, ...rest } = patch
      return rest
    }
    if (directive === 'delete') return {}
    if (directive !== 'merge') throw unknownDirective(patch)
    delete patch[DIRECTIVE]
  }
  retainKeys(original, patch)
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith(DELETE_PREFIX)) {
      const name = key.slice(DELETE_PREFIX.length)
      original[name] = listOf(original[name]).filter(element => !listOf(value).some(gone => isDeepStrictEqual(gone, element)))
      if (listOf(original[name]).length === 0) delete original[name]
      continue
    }
    if (key.startsWith(ORDER_PREFIX)) {
      const name = key.slice(ORDER_PREFIX.length)
      // With the list itself in the patch it is merged there, in this order.
      if (!(name in patch)) orderList(original, name, listOf(value), type?.[name])
      continue
    }
    if (value === null) {
      delete original[key]
      continue
    }
    const order = patch[`${ORDER_PREFIX}${key}`]
    setKey(original, key, mergeValue(Object.hasOwn(original, key) ? original[key] : undefined, value, type?.[key], order))
  }
  return original
}

function mergeValue(original: unknown, patch: unknown, field: Field | undefined, order: unknown): unknown {
  const strategies = (field?.patch ?? '').split(',')
  if (isMap(patch)) {
    const type = childType(field)
    if (strategies.includes('replace')) return stripDirectives(patch)
    return mergeMap(isMap(original) ? original : {}, patch, type)
  }
  if (Array.isArray(patch)) {
    if (!strategies.includes('merge')) return patch
    return mergeList(listOf(original), patch, field as Field, order)
  }
  return patch
}

function mergeList(original: unknown[], patch: unknown[], field: Field, order: unknown): unknown[] {
  const key = field.mergeKey
  if (!key) {
    const merged = [...original, ...patch.filter(element => !original.includes(element))]
    return sortBy(merged, original, order === undefined ? patch : listOf(order), element => element)
  }
  const type = childType(field.of)
  const directives = patch.filter(element => isMap(element) && element[DIRECTIVE] !== undefined) as Json[]
  let result = original as Json[]
  if (directives.some(element => element[DIRECTIVE] === 'replace')) {
    return patch.filter(element => !(isMap(element) && element[DIRECTIVE] !== undefined))
  }
  for (const directive of directives) {
    if (directive[DIRECTIVE] !== 'delete') continue
    if (directive[key] === undefined) throw missingKey(directive, key)
    result = result.filter(element => element[key] !== directive[key])
  }
  for (const element of patch as Json[]) {
    if (!isMap(element)) throw new StrategicPatchError('expected a list of objects in the patch')
    if (element[DIRECTIVE] === 'delete') continue
    if (element[DIRECTIVE] !== undefined && element[DIRECTIVE] !== 'merge') throw unknownDirective(element)
    if (element[key] === undefined) throw missingKey(element, key)
    const index = result.findIndex(existing => existing[key] === element[key])
    // A new element is taken as it is: directives in it are unknown fields, and told as such.
    if (index < 0) result = [...result, element]
    else result = result.with(index, mergeMap(result[index] ?? {}, element, type))
  }
  const named = (order === undefined ? patch : listOf(order)) as Json[]
  return sortBy(result, original as Json[], named, element => element[key])
}

/**
 * Puts what the order names into its order, and the rest around it: a named element comes first unless both stood in the original list the
 * other way round (`mergeSortedSlice`). So what is new comes in front.
 */
function sortBy<T>(list: readonly T[], original: readonly T[], order: readonly T[], keyOf: (element: T) => unknown): T[] {
  const rank = new Map(order.map((element, index) => [keyOf(element), index]))
  const position = new Map(original.map((element, index) => [keyOf(element), index]))
  const isNamed = (element: T) => rank.has(keyOf(element))
  const named = list.filter(isNamed).sort((a, b) => rank.get(keyOf(a))! - rank.get(keyOf(b))!)
  const rest = list.filter(element => !isNamed(element))
  const result: T[] = []
  let next = 0
  for (const element of rest) {
    const at = position.get(keyOf(element)) ?? -1
    while (next < named.length) {
      const other = position.get(keyOf(named[next]!)) ?? -1
      if (at >= 0 && other >= 0 && at < other) break
      result.push(named[next++]!)
    }
    result.push(element)
  }
  return [...result, ...named.slice(next)]
}

function orderList(original: Json, name: string, order: unknown[], field: Field | undefined): void {
  const current = listOf(original[name])
  if (current.length === 0) return
  const key = field?.mergeKey
  original[name] = sortBy(current, current, order, element => (key && isMap(element) ? element[key] : element))
}

function retainKeys(original: Json, patch: Json): void {
  const keep = patch[RETAIN]
  if (keep === undefined) return
  delete patch[RETAIN]
  for (const key of Object.keys(patch)) {
    if (!key.startsWith('$') && patch[key] !== null && !listOf(keep).includes(key)) {
      throw new StrategicPatchError('patch should not contain fields that are not in the $retainKeys list', 422)
    }
  }
  for (const key of Object.keys(original)) if (!listOf(keep).includes(key)) delete original[key]
}

function childType(shape: Shape | undefined): Type | undefined {
  if (shape?.t === 'object') return typeOf(shape.ref!)
  return undefined
}

function stripDirectives(patch: Json): Json {
  return Object.fromEntries(Object.entries(patch).filter(([key, value]) => !key.startsWith('$') && value !== null))
}

function missingKey(element: Json, key: string): StrategicPatchError {
  return new StrategicPatchError(`map: ${goMap(element)} does not contain declared merge key: ${key}`)
}

function unknownDirective(map: Json): StrategicPatchError {
  return new StrategicPatchError(`unknown patch type: ${String(map[DIRECTIVE])}`)
}

/** A flat map as Go prints it. */
function goMap(map: Json): string {
  const entries = Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1))
  return `map[${entries.map(([key, value]) => `${key}:${isMap(value) ? goMap(value) : String(value)}`).join(' ')}]`
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}

function isMap(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
