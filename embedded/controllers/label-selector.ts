import type { LabelSelector } from 'kubernetes-types/meta/v1'
import type { KubernetesObject } from '../../kernel/kubernetes/objects.ts'

type Labels = Readonly<Record<string, string>>

/** Whether a selector in its structured form covers an object with these labels; an empty one covers all, none covers nothing. */
export function selects(selector: LabelSelector | undefined, labels: Labels = {}): boolean {
  if (!selector) return false
  return matchesLabels(selector.matchLabels, labels) && (selector.matchExpressions ?? []).every(term => matchesTerm(term, labels))
}

/** Whether all of these labels are there, as in a Service's or a node's selector. */
export function matchesLabels(wanted: Labels | undefined, labels: Labels = {}): boolean {
  return Object.entries(wanted ?? {}).every(([name, value]) => labels[name] === value)
}

/** One expression of a label or node selector; `Gt` and `Lt` stand in node selectors only. */
export function matchesTerm(term: { key: string; operator: string; values?: readonly string[] }, labels: Labels): boolean {
  const value = labels[term.key]
  const values = term.values ?? []
  if (term.operator === 'In') return value !== undefined && values.includes(value)
  if (term.operator === 'NotIn') return value === undefined || !values.includes(value)
  if (term.operator === 'Exists') return value !== undefined
  if (term.operator === 'DoesNotExist') return value === undefined
  if (term.operator === 'Gt') return value !== undefined && Number(value) > Number(values[0])
  if (term.operator === 'Lt') return value !== undefined && Number(value) < Number(values[0])
  return false
}

/** True for a selector that would cover every object of the namespace. */
export function isEmptySelector(selector: LabelSelector | undefined): boolean {
  return Object.keys(selector?.matchLabels ?? {}).length === 0 && (selector?.matchExpressions ?? []).length === 0
}

export function labelsOf(object: KubernetesObject): Labels {
  return object.metadata?.labels ?? {}
}
