import { RESOURCES } from '../../../kernel/kubernetes/objects.ts'
import { type FieldError, invalidValue } from '../field-error.ts'
import { AGE, age, column, NAME } from './columns.ts'
import type { Draft, Kind } from './kind.ts'
import { subdomainFaults } from './names.ts'

export const lease: Kind = {
  ...RESOURCES.leases,
  singular: 'lease',
  shortNames: [],
  type: 'io.k8s.api.coordination.v1.Lease',
  status: false,
  scale: false,
  createOnUpdate: true,
  versionRequired: true,
  deleteCollection: true,
  generation: false,
  nameFaults: subdomainFaults,
  prepareCreate: dropAlpha,
  prepareUpdate: dropAlpha,
  validate,
  columns: [NAME, column('Holder', 'Who holds the lease.'), AGE],
  cells: (object, now) => [object.metadata.name, String(object.spec?.['holderIdentity'] ?? ''), age(object, now)],
}

/** Coordinated leader election is off by default, so its fields are not kept. */
function dropAlpha({ spec = {} }: Draft): void {
  delete spec['strategy']
  delete spec['preferredHolder']
}

function validate(object: Draft): FieldError[] {
  const errors: FieldError[] = []
  const duration = object.spec?.['leaseDurationSeconds'] as number | undefined
  const transitions = object.spec?.['leaseTransitions'] as number | undefined
  if (duration !== undefined && duration <= 0) errors.push(invalidValue('spec.leaseDurationSeconds', duration, 'must be greater than 0'))
  if (transitions !== undefined && transitions < 0) {
    errors.push(invalidValue('spec.leaseTransitions', transitions, 'must be greater than or equal to 0'))
  }
  return errors
}
