import { RESOURCES } from '../../../kernel/kubernetes/objects.ts'
import { type FieldError, invalidValue, notSupported, required } from '../field-error.ts'
import type { Json } from '../schema/decode.ts'
import { AGE, age, column, containerCells, formatSelector, humanDuration, NAME, wideColumn } from './columns.ts'
import { isSame } from './compare.ts'
import type { Draft, Kind } from './kind.ts'
import { subdomainFaults } from './names.ts'
import { defaultPodSpec } from './pod-spec/defaults.ts'
import { validateTemplate } from './pod-spec/validate.ts'
import { nameWarning, nonNegative, selectorMatches, validateSelector } from './workload.ts'

const IMMUTABLE = ['completionMode', 'podFailurePolicy', 'backoffLimitPerIndex', 'managedBy', 'successPolicy']
const INT32_MAX = 2_147_483_647

export const job: Kind = {
  ...RESOURCES.jobs,
  singular: 'job',
  shortNames: [],
  categories: ['all'],
  type: 'io.k8s.api.batch.v1.Job',
  status: true,
  scale: false,
  deleteCollection: true,
  orphansByDefault: true,
  generation: 'spec',
  nameFaults: subdomainFaults,
  defaults,
  prepareCreate(object) {
    object.status = {}
    if (!object.spec?.['manualSelector']) generateSelector(object)
  },
  prepareUpdate(next, previous) {
    next.status = previous.status ?? {}
  },
  prepareStatus(next, previous) {
    if (previous.spec) next.spec = previous.spec
  },
  validate,
  validateUpdate,
  validateStatus: next =>
    ['active', 'succeeded', 'failed', 'ready', 'terminating'].flatMap(field => nonNegative(next.status?.[field], `status.${field}`)),
  selectableFields: object => ({ 'status.successful': String(object.status?.['succeeded'] ?? 0) }),
  warnings: nameWarning,
  columns: [
    NAME,
    column('Status', 'Status of the job.'),
    column('Completions', 'How many pods have succeeded.'),
    column('Duration', 'Time required to complete the job.'),
    AGE,
    wideColumn('Containers', 'Names of each container in the template.'),
    wideColumn('Images', 'Images referenced by each container in the template.'),
    wideColumn('Selector', 'Which pods are its own.'),
  ],
  cells: (object, now) => [
    object.metadata.name,
    state(object),
    completions(object),
    duration(object, now),
    age(object, now),
    ...containerCells(object.spec?.['template']),
    formatSelector(object.spec?.['selector']),
  ],
}

function defaults(object: Draft): void {
  const spec = (object.spec ??= {})
  if (spec['completions'] === undefined && spec['parallelism'] === undefined) spec['completions'] = 1
  spec['parallelism'] ??= 1
  spec['backoffLimit'] ??= spec['backoffLimitPerIndex'] === undefined ? 6 : INT32_MAX
  const labels = ((spec['template'] as Json)['metadata'] as Json | undefined)?.['labels'] as Record<string, string> | undefined
  if (labels && Object.keys(object.metadata.labels ?? {}).length === 0) object.metadata.labels = { ...labels }
  spec['completionMode'] ??= 'NonIndexed'
  spec['suspend'] ??= false
  spec['podReplacementPolicy'] ??= spec['podFailurePolicy'] ? 'Failed' : 'TerminatingOrFailed'
  spec['manualSelector'] ??= false
  // A job's pods must say how they end, so this default of pods is left to validation here.
  defaultPodSpec(((spec['template'] as Json)['spec'] ??= {}) as Json)
}

/** Labels that only this job's pods have, and the selector for them. */
function generateSelector(object: Draft): void {
  const spec = object.spec ?? {}
  const metadata = ((spec['template'] as Json)['metadata'] ??= {}) as Json
  const { name, uid } = object.metadata
  metadata['labels'] = {
    'job-name': name,
    'batch.kubernetes.io/job-name': name,
    'controller-uid': uid,
    'batch.kubernetes.io/controller-uid': uid,
    ...(metadata['labels'] as object | undefined),
  }
  const selector = (spec['selector'] ??= {}) as Json
  selector['matchLabels'] = { 'batch.kubernetes.io/controller-uid': uid, ...(selector['matchLabels'] as object | undefined) }
}

function validate(object: Draft): FieldError[] {
  const spec = object.spec ?? {}
  const template = (spec['template'] ?? {}) as Json
  const errors = [
    'parallelism',
    'completions',
    'activeDeadlineSeconds',
    'backoffLimit',
    'ttlSecondsAfterFinished',
    'backoffLimitPerIndex',
  ].flatMap(field => nonNegative(spec[field], `spec.${field}`))
  if (spec['completionMode'] === 'Indexed' && spec['completions'] === undefined) {
    errors.push(required('spec.completions', 'when completion mode is Indexed'))
  }
  errors.push(...validateTemplate(template, 'spec.template'))
  const restart = ((template['spec'] ?? {}) as Json)['restartPolicy']
  const allowed = ['OnFailure', 'Never']
  if (restart === 'Always') errors.push(required('spec.template.spec.restartPolicy', 'valid values: "OnFailure", "Never"'))
  else if (!allowed.includes(String(restart))) errors.push(notSupported('spec.template.spec.restartPolicy', restart, allowed))
  const selector = spec['selector'] as Parameters<typeof selectorMatches>[0]
  if (!selector) errors.push(required('spec.selector'))
  else errors.push(...validateSelector(selector, 'spec.selector'))
  errors.push(...selectorMatches(selector, template))
  return errors
}

function validateUpdate(next: Draft, previous: Draft): FieldError[] {
  const spec = next.spec ?? {}
  const old = previous.spec ?? {}
  const errors: FieldError[] = []
  const immutable = (field: string) => {
    if (!isSame(spec[field], old[field])) errors.push(invalidValue(`spec.${field}`, spec[field], 'field is immutable'))
  }
  // An indexed job may grow and shrink with its parallelism.
  const elastic = spec['completionMode'] === 'Indexed' && spec['completions'] === spec['parallelism']
  if (!elastic) immutable('completions')
  immutable('selector')
  if (!old['suspend']) immutable('template')
  for (const field of IMMUTABLE) immutable(field)
  return errors
}

function state(object: Draft): string {
  const isTrue = (type: string) =>
    ((object.status?.['conditions'] ?? []) as Json[]).some(condition => condition['type'] === type && condition['status'] === 'True')
  if (isTrue('Complete')) return 'Complete'
  if (isTrue('Failed')) return 'Failed'
  if (object.metadata.deletionTimestamp) return 'Terminating'
  return ['Suspended', 'FailureTarget', 'SuccessCriteriaMet'].find(isTrue) ?? 'Running'
}

function completions(object: Draft): string {
  const done = Number(object.status?.['succeeded'] ?? 0)
  const wanted = object.spec?.['completions'] as number | undefined
  if (wanted !== undefined) return `${done}/${wanted}`
  const parallelism = Number(object.spec?.['parallelism'] ?? 0)
  return parallelism > 1 ? `${done}/1 of ${parallelism}` : `${done}/1`
}

function duration(object: Draft, now: number): string {
  const { startTime, completionTime } = (object.status ?? {}) as { startTime?: string; completionTime?: string }
  if (!startTime) return ''
  return humanDuration((completionTime ? Date.parse(completionTime) : now) - Date.parse(startTime))
}
