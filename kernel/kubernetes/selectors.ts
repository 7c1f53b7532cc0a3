import type { Selection } from './api.ts'
import { KubernetesError } from './api.ts'
import type { KubernetesObject } from './objects.ts'

/** Says whether an object belongs to a selection. */
export type Matcher = (object: KubernetesObject) => boolean

/**
 * Compiles namespace, label and field selector of a list or watch into one question.
 *
 * @throws {KubernetesError} 400 for a selector that the API server would refuse
 * @see https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#api
 */
export function parseSelection({ namespace, labelSelector, fieldSelector }: Selection): Matcher {
  const tests: Matcher[] = []
  if (namespace) tests.push(object => object.metadata?.namespace === namespace)
  for (const term of splitTerms(labelSelector ?? '')) tests.push(parseLabelTerm(term))
  for (const term of splitTerms(fieldSelector ?? '')) tests.push(parseFieldTerm(term))
  return object => tests.every(matches => matches(object))
}

/** Splits at the commas that stand outside parentheses. */
function splitTerms(selector: string): string[] {
  return selector
    .split(/,(?![^(]*\))/)
    .map(term => term.trim())
    .filter(term => term !== '')
}

function parseLabelTerm(term: string): Matcher {
  const value = (object: KubernetesObject, key: string) => object.metadata?.labels?.[key]
  const set = /^(\S+)\s+(in|notin)\s+\(([^()]*)\)$/.exec(term)
  if (set) {
    const [, key = '', operator, list = ''] = set
    const values = new Set(list.split(',').map(item => item.trim()))
    if (operator === 'in') return object => values.has(value(object, key) ?? '\0')
    return object => !values.has(value(object, key) ?? '\0')
  }
  const [, key = '', operator, wanted = ''] = /^([^\s=!]+)\s*(?:(!=|==?)\s*([^\s=!]*))?$/.exec(term) ?? []
  if (key) {
    if (!operator) return object => value(object, key) !== undefined
    if (operator === '!=') return object => value(object, key) !== wanted
    return object => value(object, key) === wanted
  }
  const absent = /^!\s*([^\s=!]+)$/.exec(term)?.[1]
  if (absent) return object => value(object, absent) === undefined
  throw badSelector(term)
}

function parseFieldTerm(term: string): Matcher {
  const [, path, operator, wanted] = /^([\w.]+)\s*(!=|==?)\s*(.*)$/.exec(term) ?? []
  if (path === undefined) throw badSelector(term)
  const fields = path.split('.')
  const equals: Matcher = object => {
    let value: unknown = object
    for (const field of fields) value = (value as Record<string, unknown> | undefined)?.[field]
    return String(value ?? '') === wanted
  }
  return operator === '!=' ? object => !equals(object) : equals
}

function badSelector(term: string): KubernetesError {
  return new KubernetesError({ code: 400, reason: 'BadRequest', message: `Cannot read selector "${term}"` })
}
