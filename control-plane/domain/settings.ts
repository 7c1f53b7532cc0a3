import type { Autoscale, Settings } from './app.ts'
import { type Fields, isFields, optionalFlag, optionalMap } from './fields.ts'
import { isProcessType, PROCESS_TYPE_RULE } from './process-type.ts'
import { invalid, unprocessable } from './refusal.ts'

/** The part of the settings that a request can change (the whitelist has calls of its own). */
export type SettingsChange = Pick<Settings, 'maintenance' | 'routable' | 'autoscale' | 'label'>

/**
 * Lays a request over the settings that stand; what it leaves out stays.
 *
 * @throws {Refusal} 400 for a malformed part, 422 for the removal of a key that is not there
 */
export function mergeSettings(current: Settings, request: Fields): SettingsChange {
  return {
    maintenance: optionalFlag(request, 'maintenance') ?? current.maintenance,
    routable: optionalFlag(request, 'routable') ?? current.routable,
    autoscale: mergeMap('autoscale', current.autoscale, request, parseAutoscale),
    label: mergeMap('label', current.label, request, parseLabel),
  }
}

function mergeMap<V>(
  name: 'autoscale' | 'label',
  current: Readonly<Record<string, V>>,
  request: Fields,
  parse: (key: string, value: unknown) => V,
): Readonly<Record<string, V>> {
  const merged = new Map(Object.entries(current))
  for (const [key, value] of optionalMap(request, name) ?? []) {
    if (value !== null) merged.set(key, parse(key, value))
    else if (!merged.delete(key)) throw unprocessable(`${key} does not exist under ${name}`)
  }
  return Object.fromEntries(merged)
}

function parseAutoscale(type: string, value: unknown): Autoscale {
  if (!isProcessType(type)) throw invalid('autoscale', PROCESS_TYPE_RULE)
  const number = (key: keyof Autoscale) => {
    const bound = isFields(value) ? value[key] : undefined
    const whole = typeof bound === 'string' && /^\d+$/.test(bound) ? Number(bound) : bound
    if (typeof whole !== 'number' || !Number.isInteger(whole) || whole < 1 || whole > 10_000)
      throw invalid('autoscale', `${key} of ${type} must be a whole number of at least 1`)
    return whole
  }
  const [min, max, cpu_percent] = [number('min'), number('max'), number('cpu_percent')]
  if (max < min) throw invalid('autoscale', `max of ${type} must not be below min`)
  return { min, max, cpu_percent }
}

function parseLabel(key: string, value: unknown): string {
  if (typeof value === 'object' || typeof value === 'undefined') throw invalid('label', `Value of ${key} must be text`)
  return String(value)
}
