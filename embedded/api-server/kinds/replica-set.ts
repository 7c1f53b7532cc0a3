import { RESOURCES } from '../../../kernel/kubernetes/objects.ts'
import { invalidValue } from '../field-error.ts'
import type { Json } from '../schema/decode.ts'
import { AGE, age, containerCells, formatSelector, integerColumn, NAME, wideColumn } from './columns.ts'
import { isSame } from './compare.ts'
import type { Draft, Kind } from './kind.ts'
import { subdomainFaults } from './names.ts'
import { defaultPodSpec } from './pod-spec/defaults.ts'
import { nonNegative, templateWarnings, validateReplicaStatus, validateReplicated } from './workload.ts'

export const replicaSet: Kind = {
  ...RESOURCES.replicaSets,
  singular: 'replicaset',
  shortNames: ['rs'],
  categories: ['all'],
  type: 'io.k8s.api.apps.v1.ReplicaSet',
  status: true,
  scale: true,
  deleteCollection: true,
  generation: 'spec',
  nameFaults: subdomainFaults,
  defaults(object) {
    const spec = (object.spec ??= {})
    spec['replicas'] ??= 1
    const template = (spec['template'] ??= {}) as Json
    defaultPodSpec((template['spec'] ??= {}) as Json)
  },
  prepareCreate(object) {
    object.status = { replicas: 0 }
  },
  prepareUpdate(next, previous) {
    next.status = previous.status ?? { replicas: 0 }
  },
  prepareStatus(next, previous) {
    if (previous.spec) next.spec = previous.spec
  },
  validate: ({ spec = {} }: Draft) => [
    ...nonNegative(spec['replicas'], 'spec.replicas'),
    ...nonNegative(spec['minReadySeconds'], 'spec.minReadySeconds'),
    ...validateReplicated(spec),
  ],
  validateUpdate: (next, previous) =>
    isSame(next.spec?.['selector'], previous.spec?.['selector'])
      ? []
      : [invalidValue('spec.selector', next.spec?.['selector'], 'field is immutable')],
  validateStatus: next =>
    validateReplicaStatus(
      next,
      ['replicas', 'fullyLabeledReplicas', 'readyReplicas', 'availableReplicas', 'observedGeneration'],
      ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'],
    ),
  warnings: templateWarnings,
  columns: [
    NAME,
    integerColumn('Desired', 'How many pods there should be.'),
    integerColumn('Current', 'How many pods there are.'),
    integerColumn('Ready', 'How many of them are ready.'),
    AGE,
    wideColumn('Containers', 'Names of each container in the template.'),
    wideColumn('Images', 'Images referenced by each container in the template.'),
    wideColumn('Selector', 'Which pods are its own.'),
  ],
  cells(object, now) {
    const status = (object.status ?? {}) as Record<string, number>
    return [
      object.metadata.name,
      Number(object.spec?.['replicas'] ?? 0),
      status['replicas'] ?? 0,
      status['readyReplicas'] ?? 0,
      age(object, now),
      ...containerCells(object.spec?.['template']),
      formatSelector(object.spec?.['selector']),
    ]
  },
}
