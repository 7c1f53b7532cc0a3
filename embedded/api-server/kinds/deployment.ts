import { RESOURCES } from '../../../kernel/kubernetes/objects.ts'
import { type FieldError, forbiddenField, invalidValue, notSupported } from '../field-error.ts'
import type { Json } from '../schema/decode.ts'
import { AGE, age, column, containerCells, formatSelector, NAME, wideColumn } from './columns.ts'
import { isSame } from './compare.ts'
import type { Draft, Kind } from './kind.ts'
import { subdomainFaults } from './names.ts'
import { defaultPodSpec } from './pod-spec/defaults.ts'
import { nonNegative, templateWarnings, validateReplicaStatus, validateReplicated } from './workload.ts'

export const deployment: Kind = {
  ...RESOURCES.deployments,
  singular: 'deployment',
  shortNames: ['deploy'],
  categories: ['all'],
  type: 'io.k8s.api.apps.v1.Deployment',
  status: true,
  scale: true,
  deleteCollection: true,
  generation: 'spec and annotations',
  nameFaults: subdomainFaults,
  defaults,
  prepareCreate(object) {
    object.status = {}
  },
  prepareUpdate(next, previous) {
    next.status = previous.status ?? {}
  },
  prepareStatus(next, previous) {
    if (previous.spec) next.spec = previous.spec
    if (previous.metadata.labels) next.metadata.labels = previous.metadata.labels
    else delete next.metadata.labels
  },
  validate,
  validateUpdate: (next, previous) =>
    isSame(next.spec?.['selector'], previous.spec?.['selector'])
      ? []
      : [invalidValue('spec.selector', next.spec?.['selector'], 'field is immutable')],
  validateStatus: next =>
    validateReplicaStatus(
      next,
      ['observedGeneration', 'replicas', 'updatedReplicas', 'readyReplicas', 'availableReplicas', 'unavailableReplicas'],
      ['updatedReplicas', 'readyReplicas', 'availableReplicas'],
    ),
  warnings: templateWarnings,
  columns: [
    NAME,
    column('Ready', 'Number of the pod with ready state'),
    column('Up-to-date', 'How many pods run the newest template.'),
    column('Available', 'How many pods have been ready long enough.'),
    AGE,
    wideColumn('Containers', 'Names of each container in the template.'),
    wideColumn('Images', 'Images referenced by each container in the template.'),
    wideColumn('Selector', 'Which pods are its own.'),
  ],
  cells(object, now) {
    const status = (object.status ?? {}) as Record<string, number>
    return [
      object.metadata.name,
      `${status['readyReplicas'] ?? 0}/${object.spec?.['replicas'] ?? 0}`,
      status['updatedReplicas'] ?? 0,
      status['availableReplicas'] ?? 0,
      age(object, now),
      ...containerCells(object.spec?.['template']),
      formatSelector(object.spec?.['selector']),
    ]
  },
}

function defaults(object: Draft): void {
  const spec = (object.spec ??= {})
  spec['replicas'] ??= 1
  const strategy = (spec['strategy'] ??= {}) as Json
  strategy['type'] ||= 'RollingUpdate'
  if (strategy['type'] === 'RollingUpdate') {
    const rolling = (strategy['rollingUpdate'] ??= {}) as Json
    rolling['maxUnavailable'] ??= '25%'
    rolling['maxSurge'] ??= '25%'
  }
  spec['revisionHistoryLimit'] ??= 10
  spec['progressDeadlineSeconds'] ??= 600
  defaultPodSpec(((spec['template'] as Json)['spec'] ??= {}) as Json)
}

function validate(object: Draft): FieldError[] {
  const spec = object.spec ?? {}
  const errors = [
    ...nonNegative(spec['replicas'], 'spec.replicas'),
    ...validateReplicated(spec),
    ...validateStrategy((spec['strategy'] ?? {}) as Json),
    ...nonNegative(spec['minReadySeconds'], 'spec.minReadySeconds'),
    ...nonNegative(spec['revisionHistoryLimit'], 'spec.revisionHistoryLimit'),
    ...nonNegative(spec['progressDeadlineSeconds'], 'spec.progressDeadlineSeconds'),
  ]
  const deadline = Number(spec['progressDeadlineSeconds'])
  if (deadline <= Number(spec['minReadySeconds'] ?? 0)) {
    errors.push(invalidValue('spec.progressDeadlineSeconds', deadline, 'must be greater than minReadySeconds'))
  }
  return errors
}

function validateStrategy(strategy: Json): FieldError[] {
  const rolling = strategy['rollingUpdate'] as Json | undefined
  if (strategy['type'] === 'Recreate') {
    return rolling ? [forbiddenField('spec.strategy.rollingUpdate', "may not be specified when strategy `type` is 'Recreate'")] : []
  }
  if (strategy['type'] !== 'RollingUpdate') {
    // The real server shows its own struct here, with Go's names.
    const shown = { Type: strategy['type'], RollingUpdate: rolling ?? null }
    return [notSupported('spec.strategy', shown, ['Recreate', 'RollingUpdate'])]
  }
  const path = 'spec.strategy.rollingUpdate'
  const unavailable = rolling?.['maxUnavailable'] as number | string
  const surge = rolling?.['maxSurge'] as number | string
  const errors = [...countOrPercent(unavailable, `${path}.maxUnavailable`), ...countOrPercent(surge, `${path}.maxSurge`)]
  if (amount(unavailable) === 0 && amount(surge) === 0) {
    errors.push(invalidValue(`${path}.maxUnavailable`, unavailable, 'may not be 0 when `maxSurge` is 0'))
  }
  if (typeof unavailable === 'string' && amount(unavailable) > 100) {
    errors.push(invalidValue(`${path}.maxUnavailable`, unavailable, 'must not be greater than 100%'))
  }
  return errors
}

const PERCENT_MESSAGE =
  "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"

function countOrPercent(value: number | string, path: string): FieldError[] {
  if (typeof value === 'number') return nonNegative(value, path)
  return /^[0-9]+%$/.test(value) ? [] : [invalidValue(path, value, PERCENT_MESSAGE)]
}

function amount(value: number | string): number {
  return typeof value === 'number' ? value : Number.parseInt(value, 10) || 0
}
