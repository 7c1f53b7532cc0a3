import { RESOURCES } from '../../../kernel/kubernetes/objects.ts'
import { type FieldError, invalidValue, required, tooLong } from '../field-error.ts'
import { setKey } from '../schema/decode.ts'
import { AGE, age, column, NAME } from './columns.ts'
import { DATA_BYTES_MAX, immutableFaults } from './config-map.ts'
import type { Draft, Kind } from './kind.ts'
import { configKeyFaults, subdomainFaults } from './names.ts'

export const secret: Kind = {
  ...RESOURCES.secrets,
  singular: 'secret',
  shortNames: [],
  type: 'io.k8s.api.core.v1.Secret',
  status: false,
  scale: false,
  deleteCollection: true,
  generation: false,
  changesFirst: true,
  nameFaults: subdomainFaults,
  defaults,
  validate,
  validateUpdate: (next, previous) => [
    ...(next['type'] === previous['type'] ? [] : [invalidValue('type', next['type'], 'field is immutable')]),
    ...immutableFaults(next, previous, ['data']),
  ],
  selectableFields: object => ({ type: String(object['type'] ?? '') }),
  columns: [NAME, column('Type', 'What the data is for.'), column('Data', 'How many entries it holds.'), AGE],
  cells: (object, now) => [object.metadata.name, String(object['type'] ?? ''), Object.keys(data(object)).length, age(object, now)],
}

/** `stringData` is for writing only: it goes into `data`. */
function defaults(object: Draft): void {
  object['type'] ||= 'Opaque'
  const plain = object['stringData'] as Record<string, string> | undefined
  if (!plain) return
  const merged = { ...data(object) }
  for (const [key, value] of Object.entries(plain)) setKey(merged, key, Buffer.from(value).toString('base64'))
  object['data'] = merged
  delete object['stringData']
}

/** Which entries a type asks for. */
const REQUIRED: Record<string, readonly string[]> = {
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
  'kubernetes.io/dockercfg': ['.dockercfg'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
}

function validate(object: Draft): FieldError[] {
  const errors: FieldError[] = []
  const entries = data(object)
  const type = String(object['type'])
  let bytes = 0
  for (const [key, value] of Object.entries(entries).sort(([a], [b]) => (a < b ? -1 : 1))) {
    for (const fault of configKeyFaults(key)) errors.push(invalidValue(`data[${key}]`, key, fault))
    bytes += Buffer.byteLength(value, 'base64')
  }
  if (bytes > DATA_BYTES_MAX) errors.push(tooLong('data', DATA_BYTES_MAX))
  // A private key must be there; the others need only be told.
  const isMissing = (key: string) => (type === 'kubernetes.io/ssh-auth' ? !entries[key] : !Object.hasOwn(entries, key))
  for (const key of REQUIRED[type] ?? []) if (isMissing(key)) errors.push(required(`data[${key}]`))
  if (type === 'kubernetes.io/basic-auth' && !Object.hasOwn(entries, 'username') && !Object.hasOwn(entries, 'password')) {
    errors.push(required('data[username]'), required('data[password]'))
  }
  if (type === 'kubernetes.io/service-account-token' && !object.metadata.annotations?.['kubernetes.io/service-account.name']) {
    errors.push(required('metadata.annotations[kubernetes.io/service-account.name]'))
  }
  if (type.startsWith('kubernetes.io/dockerc')) {
    const key = REQUIRED[type]![0]!
    const fault = Object.hasOwn(entries, key) ? jsonFault(entries[key]!) : undefined
    if (fault) errors.push(invalidValue(`data[${key}]`, '<secret contents redacted>', fault))
  }
  return errors
}

/** In Go's words for the two commonest faults. */
function jsonFault(base64: string): string | undefined {
  const text = Buffer.from(base64, 'base64').toString()
  try {
    JSON.parse(text)
    return undefined
  } catch {
    const [, brace = '', first] = /^\s*(\{?)\s*(\S?)/.exec(text) ?? []
    if (!first) return 'unexpected end of JSON input'
    const place = brace ? 'object key string' : 'value'
    return `invalid character '${first}' looking for beginning of ${place}`
  }
}

function data(object: Draft): Record<string, string> {
  return (object['data'] ?? {}) as Record<string, string>
}
