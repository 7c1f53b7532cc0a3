import type { Annotations } from '../annotations.ts'
import { parseObjectName } from '../values.ts'

/** Where pages of one's own stand: keys of ConfigMaps, `namespace/name`. */
export interface PageSources {
  readonly errors?: string
  /** Asked first while the app is in maintenance. */
  readonly maintenance?: string
}

/** Reads `x-error-pages` and `x-maintenance-page`: names of ConfigMaps beside the object that carries them. */
export function readPages(annotations: Annotations, namespace: string, lastGood?: PageSources): PageSources | undefined {
  const one = (name: string, before: string | undefined) =>
    annotations.one(name, undefined, text => `${namespace}/${parseConfigMapName(text)}`, before)
  const errors = one('x-error-pages', lastGood?.errors)
  const maintenance = one('x-maintenance-page', lastGood?.maintenance)
  if (errors === undefined && maintenance === undefined) return undefined
  return { ...(errors !== undefined && { errors }), ...(maintenance !== undefined && { maintenance }) }
}

function parseConfigMapName(text: string): string {
  if (/^https?:/i.test(text))
    throw new RangeError(
      'Cannot use an address: the router fetches nothing; write the name of a ConfigMap, or give the address to `drycc pages:set`',
    )
  return parseObjectName(text)
}
