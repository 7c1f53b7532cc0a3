import assert from 'node:assert/strict'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import type { Answer, Json } from './api.ts'

/** Asserts a `Status` of kind `Failure`, on the wire and in the body. A text is compared whole. */
export function isFailure(answer: Answer, code: number, reason: string, message?: string | RegExp): void {
  assert.equal(answer.status, code, answer.text)
  const { kind, apiVersion, status, reason: given, code: inner, message: said } = answer.body ?? {}
  assert.deepEqual(
    { kind, apiVersion, status, reason: given, code: inner },
    { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason, code },
    answer.text,
  )
  if (message instanceof RegExp) assert.match(said, message)
  else if (message !== undefined) assert.equal(said, message)
}

/**
 * Asserts a 422 with exactly these causes, in any order, and the message that goes with them.
 *
 * @param causes `field: message`, as they stand in the Status's own message
 */
export function isInvalid(answer: Answer, plural: string, name: string, causes: readonly string[]): void {
  const resource = Object.values(RESOURCES).find(each => each.plural === plural)
  assert.ok(resource)
  isFailure(answer, 422, 'Invalid')
  const { causes: given, ...subject } = answer.body.details
  assert.deepEqual(subject, {
    ...(name ? { name } : {}),
    ...(resource.group ? { group: resource.group } : {}),
    kind: resource.kind,
  })
  assert.deepEqual(given.map((each: Json) => `${each.reason} ${each.field}: ${each.message}`).sort(), causes.map(withReason).sort())
  const kind = resource.group ? `${resource.kind}.${resource.group}` : resource.kind
  if (causes.length === 1) assert.equal(answer.body.message, `${kind} "${name}" is invalid: ${causes[0]}`)
  else assert.ok(answer.body.message.startsWith(`${kind} "${name}" is invalid: [`), answer.body.message)
}

/** Asserts that an object holds at least what `part` holds; arrays are compared whole, their objects again in part. */
export function holds(object: Json, part: Json, path = ''): void {
  if (Array.isArray(part)) {
    assert.equal(object?.length, part.length, `${path}: ${JSON.stringify(object)}`)
    for (const [index, each] of part.entries()) holds(object[index], each, `${path}[${index}]`)
  } else if (part !== null && typeof part === 'object') {
    assert.ok(object !== null && typeof object === 'object', `${path}: ${JSON.stringify(object)}`)
    for (const [key, value] of Object.entries(part)) holds(object[key], value, `${path}.${key}`)
  } else assert.equal(object, part, path)
}

/** The names of a list's objects, in its order. */
export function names(list: Json): string[] {
  return list.items.map((item: Json) => item.metadata.name)
}

const REASONS: readonly (readonly [start: string, reason: string])[] = [
  ['Invalid value', 'FieldValueInvalid'],
  ['Required value', 'FieldValueRequired'],
  ['Duplicate value', 'FieldValueDuplicate'],
  ['Unsupported value', 'FieldValueNotSupported'],
  ['Forbidden', 'FieldValueForbidden'],
  ['Not found', 'FieldValueNotFound'],
  ['Too long', 'FieldValueTooLong'],
  ['Too many', 'FieldValueTooMany'],
]

function withReason(cause: string): string {
  const message = cause.slice(cause.indexOf(': ') + 2)
  const reason = REASONS.find(([start]) => message.startsWith(start))
  assert.ok(reason, `no reason is known for: ${cause}`)
  return `${reason[1]} ${cause}`
}
