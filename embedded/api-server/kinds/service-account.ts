import { RESOURCES } from '../../../kernel/kubernetes/objects.ts'
import { AGE, age, NAME } from './columns.ts'
import type { Kind } from './kind.ts'
import { subdomainFaults } from './names.ts'

export const serviceAccount: Kind = {
  ...RESOURCES.serviceAccounts,
  singular: 'serviceaccount',
  shortNames: ['sa'],
  type: 'io.k8s.api.core.v1.ServiceAccount',
  status: false,
  scale: false,
  deleteCollection: true,
  returnsDeleted: true,
  generation: false,
  nameFaults: subdomainFaults,
  columns: [NAME, AGE],
  cells: (object, now) => [object.metadata.name, age(object, now)],
}
