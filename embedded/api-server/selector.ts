import type { Draft, Kind } from './kinds/kind.ts'
import { labelValueFaults, qualifiedNameFaults } from './kinds/names.ts'
import { badRequest } from './status.ts'

/** Does an object belong to a list or watch. */
export type Filter = (object: Draft) => boolean

/**
 * Compiles the selectors of a list or watch; `undefined` when all objects belong.
 *
 * @throws {ApiError} 400 for a selector that cannot be read, or a field that the kind does not offer
 */
export function parseSelectors(kind: Kind, labelSelector: string, fieldSelector: string): Filter | undefined {
  const labels = labelSelector ? parseLabels(labelSelector) : []
  const fields = fieldSelector ? parseFields(kind, fieldSelector) : []
  const tests = [...labels, ...fields]
  return tests.length === 0 ? undefined : object => tests.every(test => test(object))
}

function parseLabels(selector: string): Filter[] {
  if (/\([^)]*$/.test(selector)) throw badRequest(`unable to parse requirement: found '', expected: ',' or ')'`)
  if (/^\s*,|,\s*,|,\s*$/.test(selector)) throw badRequest(`unable to parse requirement: found ',', expected: identifier after ','`)
  return splitTerms(selector).map(term => {
    const set = /^(\S+?)\s+(in|notin)\s*\(([^()]*)\)$/.exec(term)
    if (set) {
      const values = new Set((set[3] ?? '').split(',').map(value => value.trim()))
      const key = checkKey(set[1] ?? '', selector)
      if (set[2] === 'in') return object => values.has(object.metadata.labels?.[key] ?? '\0')
      return object => !values.has(object.metadata.labels?.[key] ?? '\0')
    }
    const [, name = '', operator, value = ''] = /^([^\s=!<>(),]+)\s*(?:(!=|==?|[<>])\s*([^\s=!<>(),]*))?$/.exec(term) ?? []
    if (name) {
      const key = checkKey(name, selector)
      if (!operator) return object => Object.hasOwn(object.metadata.labels ?? {}, key)
      checkValue(value, key)
      if ((operator === '<' || operator === '>') && !/^-?\d+$/.test(value)) {
        throw badRequest(
          `unable to parse requirement: values[0][${key}]: Invalid value: ${JSON.stringify(value)}: for 'Gt', 'Lt' operators, the value must be an integer`,
        )
      }
      if (operator === '!=') return object => object.metadata.labels?.[key] !== value
      if (operator === '<') return object => Number(object.metadata.labels?.[key] ?? Number.NaN) < Number(value)
      if (operator === '>') return object => Number(object.metadata.labels?.[key] ?? Number.NaN) > Number(value)
      return object => object.metadata.labels?.[key] === value
    }
    const absent = /^!\s*([^\s=!<>(),]+)$/.exec(term)?.[1]
    if (absent === undefined) throw badRequest(`unable to parse requirement: found '${term}', expected: identifier`)
    const key = checkKey(absent, selector)
    return object => !Object.hasOwn(object.metadata.labels ?? {}, key)
  })
}

function parseFields(kind: Kind, selector: string): Filter[] {
  return selector
    .split(/(?<!\\),/)
    .filter(term => term !== '')
    .map(term => {
      const [, field = '', operator, raw = ''] = /^([^=!]*)(!=|==?)(.*)$/s.exec(term) ?? []
      if (!operator) throw badRequest(`invalid selector: '${selector}'; can't understand '${term}'`)
      const value = raw.replace(/\\([\\,=])/g, '$1')
      const read = fieldReader(kind, field)
      return operator === '!=' ? object => read(object) !== value : object => read(object) === value
    })
}

function fieldReader(kind: Kind, field: string): (object: Draft) => string {
  if (field === 'metadata.name') return object => object.metadata.name
  if (field === 'metadata.namespace' && kind.namespaced) return object => object.metadata.namespace ?? ''
  // Which fields there are does not depend on the object, so an empty one tells.
  const fields = kind.selectableFields
  if (!fields) {
    const known = kind.namespaced ? '"metadata.name", "metadata.namespace"' : '"metadata.name"'
    throw badRequest(`${JSON.stringify(field)} is not a known field selector: only ${known}`)
  }
  if (Object.hasOwn(fields({ metadata: {} } as Draft), field)) return object => fields(object)[field] ?? ''
  throw badRequest(`field label not supported: ${field}`)
}

/** Splits at the commas outside parentheses. */
function splitTerms(selector: string): string[] {
  return selector
    .split(/,(?![^(]*\))/)
    .map(term => term.trim())
    .filter(term => term !== '')
}

function checkKey(key: string, selector: string): string {
  const faults = qualifiedNameFaults(key)
  if (faults.length > 0)
    throw badRequest(`unable to parse requirement: <nil>: Invalid value: ${JSON.stringify(key || selector)}: ${faults[0]}`)
  return key
}

function checkValue(value: string, key: string): void {
  const faults = labelValueFaults(value)
  if (faults.length > 0) {
    throw badRequest(`unable to parse requirement: values[0][${key}]: Invalid value: ${JSON.stringify(value)}: ${faults[0]}`)
  }
}
