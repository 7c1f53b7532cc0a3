import { RESOURCES } from '../../../kernel/kubernetes/objects.ts'
import { type FieldError, invalidValue, notSupported, required } from '../field-error.ts'
import type { Json } from '../schema/decode.ts'
import { AGE, age, column, containerCells, formatSelector, humanDuration, NAME, wideColumn } from './columns.ts'
import { isSame } from './compare.ts'
import type { Draft, Kind } from './kind.ts'
import { subdomainFaults } from './names.ts'
import { defaultPodSpec } from './pod-spec/defaults.ts'
import { validateTemplate } from './pod-spec/validate.ts'
import { nonNegative, selectorMatches, selects, templateWarnings, validateSelector } from './workload.ts'

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
    // Labels that the job took from its template follow it.
    const isDefaulted = isSame(object.metadata.labels, templateLabels(object))
    if (!object.spec?.['manualSelector']) generateSelector(object)
    if (isDefaulted) object.metadata.labels = { ...templateLabels(object) }
  },
  prepareUpdate(next, previous) {
    next.status = previous.status ?? {}
  },
  prepareStatus(next, previous) {
    if (previous.spec) next.spec = previous.spec
  },
  validate,
  validateCreate,
  validateUpdate,
  validateStatus: next =>
    ['active', 'succeeded', 'failed', 'ready', 'terminating'].flatMap(field => nonNegative(next.status?.[field], `status.${field}`)),
  selectableFields: object => ({ 'status.successful': String(object.status?.['succeeded'] ?? 0) }),
  warnings: templateWarnings,
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
  // A job without a name is refused later, for that.
  const { name = '', uid } = object.metadata
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

function templateLabels(object: Draft): Record<string, string> | undefined {
  return ((object.spec?.['template'] as Json | undefined)?.['metadata'] as Json | undefined)?.['labels'] as
    | Record<string, string>
    | undefined
}

/** A generated selector is worth nothing when the template's own labels stand in its way (`validateGeneratedSelector`). */
function validateCreate(object: Draft): FieldError[] {
  if (object.spec?.['manualSelector']) return []
  const { name = '', uid } = object.metadata
  const labels = templateLabels(object) ?? {}
  const errors: FieldError[] = []
  const generated = {
    'controller-uid': uid,
    'job-name': name,
    'batch.kubernetes.io/controller-uid': uid,
    'batch.kubernetes.io/job-name': name,
  }
  for (const [key, value] of Object.entries(generated)) {
    if (labels[key] !== value) errors.push(invalidValue(`spec.template.metadata.labels[${key}]`, labels, `must be '${value}'`))
  }
  const selector = object.spec?.['selector'] as Parameters<typeof selects>[0]
  if (!selects(selector, { 'batch.kubernetes.io/controller-uid': uid, 'batch.kubernetes.io/job-name': name })) {
    errors.push(invalidValue('spec.selector', selector, '`selector` not auto-generated'))
  }
  return errors
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
  const oneOf = (field: string, values: readonly string[]) => {
    const value = spec[field]
    if (value !== undefined && !values.includes(String(value))) errors.push(notSupported(`spec.${field}`, value, values))
  }
  oneOf('completionMode', ['NonIndexed', 'Indexed'])
  oneOf('podReplacementPolicy', spec['podFailurePolicy'] ? ['Failed'] : ['Failed', 'TerminatingOrFailed'])
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
