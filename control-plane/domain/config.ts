import { type Fields, optionalMap } from './fields.ts'
import { type Healthchecks, mergeHealthchecks, takeLegacyHealthcheck } from './healthcheck.ts'
import { checkGrace, checkHook } from './lifecycle.ts'
import { checkCpu, checkMemory } from './limits.ts'
import { invalid, unprocessable } from './refusal.ts'
import { checkRegistry } from './registry.ts'
import { checkTag } from './tags.ts'
import { timestamp } from './timestamp.ts'
import { checkValue } from './values.ts'

/** A flat map of the config: JSON strings only, as clients cannot read anything else there. */
export type TextMap = Readonly<Record<string, string>>

/** The maps of a config that a request can change. `memory` and `cpu` are by process type, `healthcheck` by process type or `web/cmd`. */
export interface ConfigMaps {
  readonly values: TextMap
  readonly memory: TextMap
  readonly cpu: TextMap
  readonly tags: TextMap
  readonly registry: TextMap
  readonly healthcheck: Healthchecks
  /** Seconds to end in, by process type. */
  readonly termination_grace_period: TextMap
  /** Shell lines, by process type. */
  readonly lifecycle_post_start: TextMap
  readonly lifecycle_pre_stop: TextMap
}

/** One state of an app's config; every change makes another one. */
export interface Config extends ConfigMaps {
  readonly uuid: string
  readonly owner: string
  readonly created: string
  readonly updated: string
}

export const EMPTY_CONFIG: ConfigMaps = {
  ...{ values: {}, memory: {}, cpu: {}, tags: {}, registry: {}, healthcheck: {} },
  ...{ termination_grace_period: {}, lifecycle_post_start: {}, lifecycle_pre_stop: {} },
}

// Each map's rule for one entry; it returns the key and the text to store and throws a 400 under the map's name.
const RULES = {
  values: checkValue,
  memory: checkMemory,
  cpu: checkCpu,
  tags: checkTag,
  registry: checkRegistry,
  termination_grace_period: checkGrace,
  lifecycle_post_start: checkHook('lifecycle_post_start'),
  lifecycle_pre_stop: checkHook('lifecycle_pre_stop'),
} as const

/**
 * Lays a request over the config that stands: keys given are set, keys with `null` removed, everything else stays.
 *
 * @throws {Refusal} 400 for a malformed entry, 422 for the removal of a key that is not there
 */
export function mergeConfig(current: ConfigMaps, request: Fields): ConfigMaps {
  const merged = {
    values: mergeMap('values', current.values, request),
    memory: mergeMap('memory', current.memory, request),
    cpu: mergeMap('cpu', current.cpu, request),
    tags: mergeMap('tags', current.tags, request),
    registry: mergeMap('registry', current.registry, request),
    healthcheck: mergeHealthchecks(current.healthcheck, request),
    termination_grace_period: mergeMap('termination_grace_period', current.termination_grace_period, request),
    lifecycle_post_start: mergeMap('lifecycle_post_start', current.lifecycle_post_start, request),
    lifecycle_pre_stop: mergeMap('lifecycle_pre_stop', current.lifecycle_pre_stop, request),
  }
  const { values, healthcheck } = takeLegacyHealthcheck(merged.values)
  if (optionalMap(request, 'registry') && Object.keys(merged.registry).length > 0 && !Object.hasOwn(values, 'PORT'))
    throw invalid('registry', 'PORT needs to be set in the config when using a private registry')
  return { ...merged, values, healthcheck: { ...merged.healthcheck, ...healthcheck } }
}

/** True when two configs are the same in everything that runs. Key order does not count. */
export function isSameConfig(a: ConfigMaps, b: ConfigMaps): boolean {
  const maps = Object.keys(EMPTY_CONFIG) as (keyof ConfigMaps)[]
  return maps.every(map => canonical(a[map]) === canonical(b[map]))
}

/** JSON with the keys of every object in order, so that equal values give equal text. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}

/** The config as the API shows it. */
export function showConfig(app: string, config: Config) {
  return { ...config, app, created: timestamp(config.created), updated: timestamp(config.updated) }
}

function mergeMap(name: keyof typeof RULES, current: TextMap, request: Fields): TextMap {
  const merged = new Map(Object.entries(current))
  for (const [givenKey, value] of optionalMap(request, name) ?? []) {
    if (value === null) {
      const key = name === 'registry' ? givenKey.toLowerCase() : givenKey
      if (!merged.delete(key)) throw unprocessable(`${givenKey} does not exist under ${name}`)
      continue
    }
    if (typeof value === 'object') throw invalid(name, `Value of ${givenKey} must be text`)
    const [key, text] = RULES[name](givenKey, String(value))
    merged.set(key, text)
  }
  return Object.fromEntries(merged)
}
