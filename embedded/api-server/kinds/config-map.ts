import { RESOURCES } from '../../../kernel/kubernetes/objects.ts'
import { type FieldError, forbiddenField, invalidValue, tooLong } from '../field-error.ts'
import { AGE, age, column, NAME } from './columns.ts'
import { isSame } from './compare.ts'
import type { Draft, Kind } from './kind.ts'
import { configKeyFaults, subdomainFaults } from './names.ts'

/** 1 MiB, the limit of ConfigMaps and Secrets alike. */
export const DATA_BYTES_MAX = 1_048_576

export const configMap: Kind = {
  ...RESOURCES.configMaps,
  singular: 'configmap',
  shortNames: ['cm'],
  type: 'io.k8s.api.core.v1.ConfigMap',
  status: false,
  scale: false,
  deleteCollection: true,
  generation: false,
  changesFirst: true,
  nameFaults: subdomainFaults,
  validate,
  validateUpdate: (next, previous) => immutableFaults(next, previous, ['data', 'binaryData']),
  columns: [NAME, column('Data', 'How many entries it holds.'), AGE],
  cells: (object, now) => [object.metadata.name, size(object['data']) + size(object['binaryData']), age(object, now)],
}

/** What may not change once `immutable: true` is set; ConfigMaps and Secrets share it. */
export function immutableFaults(next: Draft, previous: Draft, fields: readonly string[]): FieldError[] {
  if (!previous['immutable']) return []
  const message = 'field is immutable when `immutable` is set'
  return [
    ...(next['immutable'] ? [] : [forbiddenField('immutable', message)]),
    ...fields.filter(field => !isSame(next[field], previous[field])).map(field => forbiddenField(field, message)),
  ]
}

function validate(object: Draft): FieldError[] {
  const errors: FieldError[] = []
  const binary = (object['binaryData'] ?? {}) as Record<string, string>
  let bytes = 0
  for (const [key, value] of Object.entries((object['data'] ?? {}) as Record<string, string>)) {
    for (const fault of configKeyFaults(key)) errors.push(invalidValue(`data[${key}]`, key, fault))
    if (Object.hasOwn(binary, key)) errors.push(invalidValue(`data[${key}]`, key, 'duplicate of key present in binaryData'))
    bytes += Buffer.byteLength(value)
  }
  for (const [key, value] of Object.entries(binary)) {
    for (const fault of configKeyFaults(key)) errors.push(invalidValue(`binaryData[${key}]`, key, fault))
    bytes += Buffer.byteLength(value, 'base64')
  }
  if (bytes > DATA_BYTES_MAX) errors.push(tooLong('', DATA_BYTES_MAX))
  return errors
}

function size(map: unknown): number {
  return Object.keys((map ?? {}) as object).length
}
