import { RESOURCES } from '../../../kernel/kubernetes/objects.ts'
import { type FieldError, forbiddenField, invalidValue, notSupported, required } from '../field-error.ts'
import type { Json } from '../schema/decode.ts'
import { AGE, age, column, NAME } from './columns.ts'
import type { Draft, Kind } from './kind.ts'
import { pathSegmentFaults, subdomainFaults } from './names.ts'

export const horizontalPodAutoscaler: Kind = {
  ...RESOURCES.horizontalPodAutoscalers,
  singular: 'horizontalpodautoscaler',
  shortNames: ['hpa'],
  categories: ['all'],
  type: 'io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler',
  status: true,
  scale: false,
  deleteCollection: true,
  generation: 'spec',
  nameFaults: subdomainFaults,
  defaults,
  prepareCreate(object) {
    object.status = EMPTY_STATUS
  },
  prepareUpdate(next, previous) {
    next.status = previous.status ?? EMPTY_STATUS
  },
  prepareStatus(next, previous) {
    if (previous.spec) next.spec = previous.spec
  },
  validate,
  columns: [
    NAME,
    column('Reference', 'What it scales.'),
    column('Targets', 'What it measures, and what it should be.'),
    column('MinPods', 'The least number of pods.'),
    column('MaxPods', 'The largest number of pods.'),
    column('Replicas', 'How many there are.'),
    AGE,
  ],
  cells(object, now) {
    const { scaleTargetRef, minReplicas, maxReplicas } = (object.spec ?? {}) as {
      scaleTargetRef?: Json
      minReplicas?: number
      maxReplicas?: number
    }
    return [
      object.metadata.name,
      `${scaleTargetRef?.['kind']}/${scaleTargetRef?.['name']}`,
      targets(object),
      minReplicas === undefined ? '<unset>' : String(minReplicas),
      Number(maxReplicas ?? 0),
      Number(object.status?.['currentReplicas'] ?? 0),
      age(object, now),
    ]
  },
}

const EMPTY_STATUS: Json = { desiredReplicas: 0, currentMetrics: null }

const PERIOD_SECONDS = 15
const DEFAULT_RULES: Record<string, Json> = {
  scaleUp: {
    stabilizationWindowSeconds: 0,
    selectPolicy: 'Max',
    policies: [
      { type: 'Pods', value: 4, periodSeconds: PERIOD_SECONDS },
      { type: 'Percent', value: 100, periodSeconds: PERIOD_SECONDS },
    ],
  },
  scaleDown: { selectPolicy: 'Max', policies: [{ type: 'Percent', value: 100, periodSeconds: PERIOD_SECONDS }] },
}

function defaults(object: Draft): void {
  const spec = (object.spec ??= {})
  spec['minReplicas'] ??= 1
  if (((spec['metrics'] ?? []) as Json[]).length === 0) {
    spec['metrics'] = [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } }]
  }
  const behavior = spec['behavior'] as Json | undefined
  if (!behavior) return
  for (const [direction, rules] of Object.entries(DEFAULT_RULES)) {
    behavior[direction] = { ...structuredClone(rules), ...(behavior[direction] as Json | undefined) }
  }
}

function validate(object: Draft): FieldError[] {
  const spec = object.spec ?? {}
  const min = spec['minReplicas'] as number | undefined
  const max = Number(spec['maxReplicas'] ?? 0)
  const target = (spec['scaleTargetRef'] ?? {}) as Json
  const metrics = (spec['metrics'] ?? []) as Json[]
  const errors: FieldError[] = []
  if (min !== undefined && min < 0) errors.push(invalidValue('spec.minReplicas', min, 'must be greater than or equal to 0'))
  if (min !== undefined && max < min) errors.push(invalidValue('spec.maxReplicas', max, 'must be greater than or equal to `minReplicas`'))
  if (max === 0) errors.push(required('spec.maxReplicas'))
  else if (max < 1) errors.push(invalidValue('spec.maxReplicas', max, 'must be greater than or equal to 1'))
  for (const field of ['kind', 'name']) {
    const text = String(target[field] ?? '')
    if (!text) errors.push(required(`spec.scaleTargetRef.${field}`))
    else errors.push(...pathSegmentFaults(text).map(fault => invalidValue(`spec.scaleTargetRef.${field}`, text, fault)))
  }
  if (!String(target['apiVersion'] ?? '').includes('/') && target['kind'] !== 'ReplicationController') {
    errors.push(invalidValue('spec.scaleTargetRef.apiVersion', target['apiVersion'] ?? '', 'apiVersion must specify API group'))
  }
  for (const [index, metric] of metrics.entries()) errors.push(...metricErrors(metric, `spec.metrics[${index}]`))
  if (min === 0 && !metrics.some(({ type }) => type === 'Object' || type === 'External')) {
    const text = 'must specify at least one Object or External metric to support scaling to zero replicas'
    errors.push(forbiddenField('spec.metrics', text))
  }
  const behavior = (spec['behavior'] ?? {}) as Record<string, Json>
  for (const direction of ['scaleUp', 'scaleDown']) errors.push(...ruleErrors(behavior[direction], `spec.behavior.${direction}`))
  return errors
}

function metricErrors(metric: Json, place: string): FieldError[] {
  const type = String(metric['type'] ?? '')
  if (!METRIC_TYPES.includes(type)) {
    const refusal = notSupported(`${place}.type`, type, METRIC_TYPES)
    return type ? [refusal] : [required(`${place}.type`, 'must specify a metric source type'), refusal]
  }
  const field = sourceOf(type)
  const source = metric[field] as Json | undefined
  if (!source) return [required(`${place}.${field}`, 'must populate information for the given metric source')]
  const target = (source['target'] ?? {}) as Json
  if (type === 'Resource' && target['averageUtilization'] === undefined && target['averageValue'] === undefined) {
    return [required(`${place}.resource.target.averageUtilization`, 'must set either a target raw value or a target utilization')]
  }
  return []
}

function ruleErrors(rules: Json | undefined, path: string): FieldError[] {
  return ((rules?.['policies'] ?? []) as Json[]).flatMap(({ value, periodSeconds }, index) => {
    const place = `${path}.policies[${index}]`
    return [
      ...(Number(value) > 0 ? [] : [invalidValue(`${place}.value`, value, 'must be greater than zero')]),
      ...(Number(periodSeconds) > 0 ? [] : [invalidValue(`${place}.periodSeconds`, periodSeconds, 'must be greater than zero')]),
    ]
  })
}

const METRIC_TYPES = ['ContainerResource', 'External', 'Object', 'Pods', 'Resource']

/** `Resource` is told in the field `resource`. */
function sourceOf(type: string): string {
  return type.replace(/^./, letter => letter.toLowerCase())
}

const SHOWN_MAX = 2

function targets(object: Draft): string {
  const metrics = (object.spec?.['metrics'] ?? []) as Json[]
  const current = (object.status?.['currentMetrics'] ?? []) as Json[]
  if (metrics.length === 0) return '<none>'
  const texts = metrics.map((metric, index) => {
    const field = sourceOf(String(metric['type']))
    const source = (metric[field] ?? {}) as Json
    const target = (source['target'] ?? {}) as Json
    const now = ((current[index]?.[field] as Json | undefined)?.['current'] ?? {}) as Json
    const name = source['name'] ? `${source['name']}: ` : ''
    if (target['averageUtilization'] !== undefined) {
      return `${name}${now['averageUtilization'] === undefined ? '<unknown>' : `${now['averageUtilization']}%`}/${target['averageUtilization']}%`
    }
    if (target['averageValue'] !== undefined)
      return `${name}${now['averageValue'] ?? '<unknown>'}/${target['averageValue']}${name ? '' : ' (avg)'}`
    return `${name}${now['value'] ?? '<unknown>'}/${target['value']}`
  })
  const shown = texts.slice(0, SHOWN_MAX).join(', ')
  return texts.length > SHOWN_MAX ? `${shown} + ${texts.length - SHOWN_MAX} more...` : shown
}
