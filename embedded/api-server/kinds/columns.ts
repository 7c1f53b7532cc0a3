import type { Column, Draft } from './kind.ts'

/** The first column of nearly every table. */
export const NAME: Column = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'Name must be unique within a namespace.',
}

export const AGE: Column = { name: 'Age', type: 'string', description: 'The time since the object was created.' }

/** A text column. */
export function column(name: string, description: string): Column {
  return { name, type: 'string', description }
}

/** One that only `-o wide` shows. */
export function wideColumn(name: string, description: string): Column {
  return { name, type: 'string', wide: true, description }
}

export function integerColumn(name: string, description: string): Column {
  return { name, type: 'integer', description }
}

/** `5m30s`: how long ago a timestamp was, as kubectl writes it. */
export function since(timestamp: unknown, nowMs: number): string {
  if (typeof timestamp !== 'string' || !timestamp) return '<unknown>'
  return humanDuration(nowMs - Date.parse(timestamp))
}

export function age(object: Draft, nowMs: number): string {
  return since(object.metadata.creationTimestamp, nowMs)
}

/** A length of time in the two units that matter, as apimachinery's `duration.HumanDuration`. */
export function humanDuration(ms: number): string {
  const seconds = Math.trunc(ms / 1000)
  if (seconds < -1) return '<invalid>'
  if (seconds < 0) return '0s'
  if (seconds < 120) return `${seconds}s`
  const minutes = Math.trunc(seconds / 60)
  if (minutes < 10) return pair(minutes, 'm', seconds % 60, 's')
  if (minutes < 180) return `${minutes}m`
  const hours = Math.trunc(minutes / 60)
  if (hours < 8) return pair(hours, 'h', minutes % 60, 'm')
  if (hours < 48) return `${hours}h`
  if (hours < 192) return pair(Math.trunc(hours / 24), 'd', hours % 24, 'h')
  if (hours < 24 * 365 * 2) return `${Math.trunc(hours / 24)}d`
  const years = Math.trunc(hours / (24 * 365))
  if (years < 8) return pair(years, 'y', Math.trunc(hours / 24) % 365, 'd')
  return `${years}y`
}

/** `3` and a `more` when a list is cut. */
export function firstOf(list: readonly string[], max: number): string {
  if (list.length === 0) return '<unset>'
  return list.length > max ? `${list.slice(0, max).join(',')} + ${list.length - max} more...` : list.join(',')
}

/** A label map as the wide columns show it. */
export function formatLabels(labels: unknown): string {
  const entries = Object.entries((labels ?? {}) as Record<string, string>)
  if (entries.length === 0) return '<none>'
  return entries
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(',')
}

/** A `metav1.LabelSelector` as text. */
export function formatSelector(selector: unknown): string {
  const { matchLabels = {}, matchExpressions = [] } = (selector ?? {}) as {
    matchLabels?: Record<string, string>
    matchExpressions?: { key: string; operator: string; values?: string[] }[]
  }
  const terms = Object.entries(matchLabels)
    .map(([key, value]) => `${key}=${value}`)
    .sort()
  for (const { key, operator, values = [] } of matchExpressions) {
    if (operator === 'Exists') terms.push(key)
    else if (operator === 'DoesNotExist') terms.push(`!${key}`)
    else terms.push(`${key} ${operator.toLowerCase()} (${[...values].sort().join(',')})`)
  }
  return terms.join(',') || '<none>'
}

/** The wide cells of everything with a pod template. */
export function containerCells(template: unknown): [names: string, images: string] {
  const containers = (template as { spec?: { containers?: { name: string; image?: string }[] } } | undefined)?.spec?.containers ?? []
  return [containers.map(({ name }) => name).join(','), containers.map(({ image }) => image ?? '').join(',')]
}

function pair(first: number, firstUnit: string, second: number, secondUnit: string): string {
  return second ? `${first}${firstUnit}${second}${secondUnit}` : `${first}${firstUnit}`
}
