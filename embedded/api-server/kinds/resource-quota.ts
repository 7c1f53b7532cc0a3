import { RESOURCES } from '../../../kernel/kubernetes/objects.ts'
import { AGE, age, column, NAME } from './columns.ts'
import type { Draft, Kind } from './kind.ts'
import { subdomainFaults } from './names.ts'

export const resourceQuota: Kind = {
  ...RESOURCES.resourceQuotas,
  singular: 'resourcequota',
  shortNames: ['quota'],
  type: 'io.k8s.api.core.v1.ResourceQuota',
  status: true,
  scale: false,
  deleteCollection: true,
  generation: false,
  nameFaults: subdomainFaults,
  prepareCreate(object) {
    object.status = {}
  },
  prepareUpdate(next, previous) {
    next.status = previous.status ?? {}
  },
  prepareStatus(next, previous) {
    if (previous.spec) next.spec = previous.spec
  },
  columns: [
    NAME,
    column('Request', 'What is used of what may be requested.'),
    column('Limit', 'What is used of what may be a limit.'),
    AGE,
  ],
  cells: (object, now) => [object.metadata.name, usage(object, false), usage(object, true), age(object, now)],
}

function usage(object: Draft, limits: boolean): string {
  const { hard = {}, used = {} } = (object.status ?? {}) as { hard?: Record<string, string>; used?: Record<string, string> }
  return Object.keys(hard)
    .sort()
    .filter(name => name.startsWith('limits.') === limits)
    .map(name => `${name}: ${used[name] ?? '0'}/${hard[name]}`)
    .join(', ')
}
