import { RESOURCES } from '../../../kernel/kubernetes/objects.ts'
import { type FieldError, invalidValue } from '../field-error.ts'
import { notImplemented } from '../status.ts'
import { AGE, age, column, NAME } from './columns.ts'
import { isSame } from './compare.ts'
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
  returnsDeleted: true,
  generation: false,
  nameFaults: subdomainFaults,
  prepareCreate(object) {
    refuseUnsupported(object)
    object.status = {}
  },
  prepareUpdate(next, previous) {
    refuseUnsupported(next)
    next.status = previous.status ?? {}
  },
  prepareStatus(next, previous) {
    if (previous.spec) next.spec = previous.spec
  },
  validate,
  validateUpdate: (next, previous) =>
    isSame(next.spec?.['scopes'], previous.spec?.['scopes'])
      ? []
      : [invalidValue('spec.scopes', next.spec?.['scopes'], 'field is immutable')],
  columns: [
    NAME,
    column('Request', 'What is used of what may be requested.'),
    column('Limit', 'What is used of what may be a limit.'),
    AGE,
  ],
  cells: (object, now) => [object.metadata.name, usage(object, false), usage(object, true), age(object, now)],
}

const COUNTED = [
  'pods',
  'services',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.nodeports',
  'services.loadbalancers',
]
const MEASURED = /^(cpu|memory|ephemeral-storage|(requests|limits)\.(cpu|memory|ephemeral-storage)|requests\.storage|hugepages-.+)$/
const SCOPES = [
  'Terminating',
  'NotTerminating',
  'BestEffort',
  'NotBestEffort',
  'PriorityClass',
  'CrossNamespacePodAffinity',
  'VolumeAttributesClass',
]

const SUPPORTED_SCOPES = ['Terminating', 'NotTerminating', 'BestEffort', 'NotBestEffort']

/** A quota that would not be held must not look as if it were. */
function refuseUnsupported({ spec = {} }: Draft): void {
  const scope = ((spec['scopes'] ?? []) as string[]).find(each => SCOPES.includes(each) && !SUPPORTED_SCOPES.includes(each))
  if (scope) throw notImplemented(`quotas of the scope ${scope}`)
  if (spec['scopeSelector']) throw notImplemented('quotas with a scopeSelector')
}

function validate({ spec = {} }: Draft): FieldError[] {
  const errors: FieldError[] = []
  for (const [name, amount] of Object.entries((spec['hard'] ?? {}) as Record<string, string>).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const path = `spec.hard[${name}]`
    if (!name.includes('/') && !COUNTED.includes(name) && !MEASURED.test(name)) {
      errors.push(invalidValue(path, name, 'must be a standard resource type or fully qualified'))
      errors.push(invalidValue(path, name, 'must be a standard resource for quota'))
    }
    if (amount.startsWith('-')) errors.push(invalidValue(path, amount, 'must be greater than or equal to 0'))
    if (COUNTED.includes(name) && /[mun]$/.test(amount)) errors.push(invalidValue(path, amount, 'must be an integer'))
  }
  const scopes = (spec['scopes'] ?? []) as string[]
  for (const scope of scopes) if (!SCOPES.includes(scope)) errors.push(invalidValue('spec.scopes', scopes, 'unsupported scope'))
  return errors
}

function usage(object: Draft, limits: boolean): string {
  const { hard = {}, used = {} } = (object.status ?? {}) as { hard?: Record<string, string>; used?: Record<string, string> }
  return Object.keys(hard)
    .sort()
    .filter(name => name.startsWith('limits.') === limits)
    .map(name => `${name}: ${used[name] ?? '0'}/${hard[name]}`)
    .join(', ')
}
