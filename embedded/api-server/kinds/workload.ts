import { type FieldError, forbiddenField, invalidValue, notSupported, required } from '../field-error.ts'
import type { Json } from '../schema/decode.ts'
import type { Draft } from './kind.ts'
import { labelFaults, labelValueFaults, qualifiedNameFaults } from './names.ts'
import { validateTemplate } from './pod-spec/validate.ts'
import { podWarnings } from './pod-spec/warnings.ts'

interface LabelSelector {
  matchLabels?: Record<string, string>
  matchExpressions?: { key: string; operator: string; values?: string[] }[]
}

export function nonNegative(value: unknown, path: string): FieldError[] {
  return typeof value === 'number' && value < 0 ? [invalidValue(path, value, 'must be greater than or equal to 0')] : []
}

/** Selector and template of a Deployment or ReplicaSet, which run for ever. */
export function validateReplicated(spec: Json): FieldError[] {
  const selector = spec['selector'] as LabelSelector | null | undefined
  const template = (spec['template'] ?? {}) as Json
  const errors: FieldError[] = []
  if (!selector) errors.push(required('spec.selector'))
  else {
    errors.push(...validateSelector(selector, 'spec.selector'))
    if (isEmptySelector(selector)) errors.push(invalidValue('spec.selector', selector, 'empty selector is invalid for deployment'))
    else if (errors.length > 0) return [...errors, invalidValue('spec.selector', selector, 'invalid label selector')]
  }
  errors.push(...selectorMatches(selector, template))
  errors.push(...validateTemplate(template, 'spec.template'))
  const pod = (template['spec'] ?? {}) as Json
  if (pod['restartPolicy'] !== 'Always') errors.push(notSupported('spec.template.spec.restartPolicy', pod['restartPolicy'], ['Always']))
  if (pod['activeDeadlineSeconds'] !== undefined) {
    errors.push(forbiddenField('spec.template.spec.activeDeadlineSeconds', 'activeDeadlineSeconds in ReplicaSet is not Supported'))
  }
  return errors
}

/** The selector must select what the template makes. */
export function selectorMatches(selector: LabelSelector | null | undefined, template: Json): FieldError[] {
  const labels = ((template['metadata'] ?? {}) as Json)['labels'] as Record<string, string> | undefined
  // No selector selects nothing; an empty one, all.
  if (selector && (isEmptySelector(selector) || selects(selector, labels ?? {}))) return []
  return [invalidValue('spec.template.metadata.labels', labels ?? null, '`selector` does not match template `labels`')]
}

/** Does a `metav1.LabelSelector` match these labels. */
export function selects(selector: LabelSelector, labels: Record<string, string>): boolean {
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) if (labels[key] !== value) return false
  return (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    const value = labels[key]
    if (operator === 'In') return value !== undefined && values.includes(value)
    if (operator === 'NotIn') return value === undefined || !values.includes(value)
    return (value !== undefined) === (operator === 'Exists')
  })
}

export function validateSelector(selector: LabelSelector, path: string): FieldError[] {
  const errors: FieldError[] = []
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
    errors.push(...qualifiedNameFaults(key).map(fault => invalidValue(`${path}.matchLabels`, key, fault)))
    errors.push(...labelValueFaults(value).map(fault => invalidValue(`${path}.matchLabels`, value, fault)))
  }
  for (const [index, { key, operator, values = [] }] of (selector.matchExpressions ?? []).entries()) {
    const place = `${path}.matchExpressions[${index}]`
    if (operator === 'In' || operator === 'NotIn') {
      if (values.length === 0) errors.push(required(`${place}.values`, "must be specified when `operator` is 'In' or 'NotIn'"))
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      if (values.length > 0)
        errors.push(forbiddenField(`${place}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
    } else errors.push(invalidValue(`${place}.operator`, operator, 'not a valid selector operator'))
    errors.push(...qualifiedNameFaults(key).map(fault => invalidValue(`${place}.key`, key, fault)))
  }
  return errors
}

/** Counters of a status that may not be negative, nor more than the replicas. */
export function validateReplicaStatus(next: Draft, counters: readonly string[], limited: readonly string[]): FieldError[] {
  const status = (next.status ?? {}) as Record<string, number>
  const errors = counters.flatMap(field => nonNegative(status[field], `status.${field}`))
  for (const field of limited) {
    if ((status[field] ?? 0) > (status['replicas'] ?? 0)) {
      errors.push(invalidValue(`status.${field}`, status[field], 'cannot be greater than status.replicas'))
    }
  }
  if ((status['availableReplicas'] ?? 0) > (status['readyReplicas'] ?? 0)) {
    errors.push(invalidValue('status.availableReplicas', status['availableReplicas'], 'cannot be greater than readyReplicas'))
  }
  return errors
}

/** What is legal in a workload and hardly meant; a name that is no label ends up in host names. */
export function templateWarnings(object: Draft): string[] {
  const faults = object.metadata.name ? labelFaults(object.metadata.name) : []
  const pod = ((object.spec?.['template'] as Json | undefined)?.['spec'] ?? {}) as Json
  const warnings = podWarnings(pod, 'spec.template.spec')
  if (faults.length === 0) return warnings
  return [
    `metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [${faults.join(' ')}]`,
    ...warnings,
  ]
}

function isEmptySelector(selector: LabelSelector): boolean {
  return Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions ?? []).length === 0
}
