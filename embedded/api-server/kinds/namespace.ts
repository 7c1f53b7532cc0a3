import { RESOURCES } from '../../../kernel/kubernetes/objects.ts'
import { type FieldError, invalidValue } from '../field-error.ts'
import { AGE, age, column, NAME } from './columns.ts'
import type { Draft, Kind } from './kind.ts'
import { labelFaults, qualifiedNameFaults } from './names.ts'

export const namespace: Kind = {
  ...RESOURCES.namespaces,
  singular: 'namespace',
  shortNames: ['ns'],
  type: 'io.k8s.api.core.v1.Namespace',
  status: true,
  scale: false,
  deleteCollection: false,
  generation: false,
  nameFaults: labelFaults,
  defaults,
  prepareCreate(object) {
    object.status = { phase: 'Active' }
    const spec = (object.spec ??= {})
    const finalizers = (spec['finalizers'] ?? []) as string[]
    if (!finalizers.includes('kubernetes')) spec['finalizers'] = [...finalizers, 'kubernetes']
  },
  prepareUpdate(next, previous) {
    // Only /finalize may take a spec finalizer away.
    next.spec = { ...next.spec, ...(previous.spec?.['finalizers'] ? { finalizers: previous.spec['finalizers'] } : {}) }
    if (previous.status) next.status = previous.status
  },
  prepareStatus(next, previous) {
    if (previous.spec) next.spec = previous.spec
  },
  validate,
  validateStatus(next) {
    const phase = next.status?.['phase']
    const wanted = next.metadata.deletionTimestamp ? 'Terminating' : 'Active'
    const when = wanted === 'Active' ? 'empty' : 'not empty'
    return phase === wanted ? [] : [invalidValue('status.Phase', phase, `may only be '${wanted}' if \`deletionTimestamp\` is ${when}`)]
  },
  selectableFields: object => ({ 'status.phase': String(object.status?.['phase'] ?? ''), name: object.metadata.name }),
  columns: [NAME, column('Status', 'The status of the namespace'), AGE],
  cells: (object, now) => [object.metadata.name, String(object.status?.['phase'] ?? ''), age(object, now)],
}

function defaults(object: Draft): void {
  if (object.metadata.name) object.metadata.labels = { ...object.metadata.labels, 'kubernetes.io/metadata.name': object.metadata.name }
  object.status = { ...object.status, phase: object.status?.['phase'] || 'Active' }
}

function validate(object: Draft): FieldError[] {
  return ((object.spec?.['finalizers'] ?? []) as string[]).flatMap(finalizer => [
    ...qualifiedNameFaults(finalizer).map(fault => invalidValue('spec.finalizers', finalizer, fault)),
    ...(finalizer.includes('/') || finalizer === 'kubernetes' || finalizer === 'orphan' || finalizer === 'foregroundDeletion'
      ? []
      : [invalidValue('spec.finalizers', finalizer, 'name is neither a standard finalizer name nor is it fully qualified')]),
  ])
}
