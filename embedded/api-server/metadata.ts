import { type FieldError, forbiddenField, invalidValue, required, tooLong } from './field-error.ts'
import { isSame } from './kinds/compare.ts'
import type { Draft, Kind } from './kinds/kind.ts'
import { labelFaults, qualifiedNameFaults } from './kinds/names.ts'
import { validateLabels } from './kinds/pod-spec/validate.ts'

const STANDARD_FINALIZERS = ['kubernetes', 'orphan', 'foregroundDeletion']
const FINALIZER_MESSAGE = 'name is neither a standard finalizer name nor is it fully qualified'
const ANNOTATION_BYTES_MAX = 262_144

/** Checks the metadata of a new object (`ValidateObjectMeta`). */
export function validateMetadata(kind: Kind, { metadata }: Draft): FieldError[] {
  const errors: FieldError[] = []
  const { name, generateName, namespace } = metadata
  if (generateName) {
    for (const fault of kind.nameFaults(generateName, true)) errors.push(invalidValue('metadata.generateName', generateName, fault))
  }
  if (!name) errors.push(required('metadata.name', 'name or generateName is required'))
  else for (const fault of kind.nameFaults(name, false)) errors.push(invalidValue('metadata.name', name, fault))
  if (kind.namespaced) {
    if (!namespace) errors.push(required('metadata.namespace'))
    else for (const fault of labelFaults(namespace)) errors.push(invalidValue('metadata.namespace', namespace, fault))
  } else if (namespace) errors.push(forbiddenField('metadata.namespace', 'not allowed on this type'))
  return [...errors, ...validateCommon(metadata)]
}

/** Checks what may not change (`ValidateObjectMetaUpdate`). Creation data is put back before, so it cannot differ. */
export function validateMetadataUpdate({ metadata }: Draft, { metadata: previous }: Draft): FieldError[] {
  const errors: FieldError[] = []
  const { finalizers = [], deletionTimestamp } = metadata
  if (previous.deletionTimestamp) {
    const added = finalizers.filter(finalizer => !(previous.finalizers ?? []).includes(finalizer)).sort()
    if (added.length > 0) {
      const list = added.map(finalizer => JSON.stringify(finalizer)).join(', ')
      const text = `no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`
      errors.push(forbiddenField('metadata.finalizers', text))
    }
  }
  for (const field of ['name', 'namespace', 'uid', 'creationTimestamp'] as const) {
    if (!isSame(metadata[field], previous[field])) errors.push(invalidValue(`metadata.${field}`, metadata[field], 'field is immutable'))
  }
  if (deletionTimestamp !== previous.deletionTimestamp) {
    errors.push(invalidValue('metadata.deletionTimestamp', deletionTimestamp, 'field is immutable'))
  }
  if (metadata.deletionGracePeriodSeconds !== previous.deletionGracePeriodSeconds) {
    const text = 'field is immutable; may only be changed via deletion'
    errors.push(invalidValue('metadata.deletionGracePeriodSeconds', metadata.deletionGracePeriodSeconds, text))
  }
  return [...errors, ...validateCommon(metadata)]
}

function validateCommon(metadata: Draft['metadata']): FieldError[] {
  const errors = validateLabels(metadata.labels, 'metadata.labels')
  let bytes = 0
  for (const [key, value] of Object.entries(metadata.annotations ?? {})) {
    for (const fault of qualifiedNameFaults(key.toLowerCase())) errors.push(invalidValue('metadata.annotations', key, fault))
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value)
  }
  if (bytes > ANNOTATION_BYTES_MAX) errors.push(tooLong('metadata.annotations', ANNOTATION_BYTES_MAX))
  return [...errors, ...validateOwners(metadata.ownerReferences ?? []), ...validateFinalizers(metadata.finalizers ?? [])]
}

function validateOwners(owners: NonNullable<Draft['metadata']['ownerReferences']>): FieldError[] {
  const errors: FieldError[] = []
  let controller = ''
  for (const [index, owner] of owners.entries()) {
    const path = `metadata.ownerReferences[${index}]`
    if (!owner.apiVersion) errors.push(required(`${path}.apiVersion`, 'must not be empty'))
    for (const field of ['kind', 'name', 'uid'] as const) if (!owner[field]) errors.push(required(`${path}.${field}`, 'must not be empty'))
    if (owner.apiVersion === 'v1' && owner.kind === 'Event') {
      errors.push(invalidValue(path, owner, '/v1, Kind=Event is disallowed from being an owner'))
    }
    if (!owner.controller) continue
    const name = `${owner.kind}/${owner.name}`
    if (controller) {
      const text = `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${name}`
      errors.push(invalidValue('metadata.ownerReferences', owners, text))
    } else controller = name
  }
  return errors
}

function validateFinalizers(finalizers: readonly string[]): FieldError[] {
  const errors = finalizers.flatMap((finalizer, index) => [
    ...qualifiedNameFaults(finalizer).map(fault => invalidValue('metadata.finalizers', finalizer, fault)),
    ...(finalizer.includes('/') || STANDARD_FINALIZERS.includes(finalizer)
      ? []
      : [invalidValue(`metadata.finalizers[${index}]`, finalizer, FINALIZER_MESSAGE)]),
  ])
  if (finalizers.includes('orphan') && finalizers.includes('foregroundDeletion')) {
    const text = 'finalizer orphan and foregroundDeletion cannot be both set'
    errors.push(invalidValue('metadata.finalizers', finalizers, text))
  }
  return errors
}
