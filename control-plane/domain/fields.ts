import { invalid } from './refusal.ts'

/** A parsed JSON object from a client: nothing in it has been looked at. */
export type Fields = Readonly<Record<string, unknown>>

/** True for a JSON object: no array, no `null`. */
export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A field of the client's own, never one that every object inherits. */
export function field(fields: Fields, name: string): unknown {
  return Object.hasOwn(fields, name) ? fields[name] : undefined
}

/** An entry of a map whose keys are the user's: a process type may be called `constructor`. */
export function own<V>(map: Readonly<Record<string, V>>, key: string): V | undefined {
  return Object.hasOwn(map, key) ? map[key] : undefined
}

/**
 * Reads a field that must be text, trimmed at both ends.
 *
 * @throws {Refusal} 400 under `name` when it is absent or no text; a blank one is for the rule of the field to refuse
 */
export function requiredText(fields: Fields, name: string): string {
  const value = optionalText(fields, name)
  if (value === undefined) throw invalid(name, 'This field is required.')
  return value
}

/** As {@link requiredText}, but `undefined` where the field is absent or `null`. */
export function optionalText(fields: Fields, name: string): string | undefined {
  const value = field(fields, name)
  if (value === undefined || value === null) return undefined
  if (typeof value === 'number') return String(value)
  if (typeof value !== 'string' || value.includes('\0')) throw invalid(name, 'Not a valid string.')
  return value.trim()
}

/** As {@link requiredText} for a password: nothing is trimmed. */
export function secretText(fields: Fields, name: string): string | undefined {
  const value = field(fields, name)
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string') throw invalid(name, 'Not a valid string.')
  return value
}

/**
 * Reads a field that must be a JSON object; one that arrives as JSON within a string is accepted, as some clients send it.
 *
 * @returns its entries, or `undefined` where the field is absent or `null`
 * @throws {Refusal} 400 under `name`
 */
export function optionalMap(fields: Fields, name: string): [string, unknown][] | undefined {
  let value = field(fields, name)
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string') {
    try {
      value = JSON.parse(value)
    } catch {
      throw invalid(name, 'Value must be valid JSON.')
    }
  }
  if (!isFields(value)) throw invalid(name, 'Expected a dictionary of items.')
  const entries = Object.entries(value)
  // Assigning this key would set the object's prototype instead of a property.
  if (entries.some(([key]) => key === '__proto__')) throw invalid(name, 'Keys must not be "__proto__".')
  return entries
}

/** Reads a switch; clients send JSON booleans, forms send words. @throws {Refusal} 400 under `name` */
export function optionalFlag(fields: Fields, name: string): boolean | undefined {
  const value = field(fields, name)
  if (value === undefined) return undefined
  if (value === true || value === 'true' || value === 'True') return true
  if (value === false || value === 'false' || value === 'False') return false
  throw invalid(name, `"${excerpt(value)}" is not a valid boolean.`)
}

/** The beginning of what a client sent, to quote it; nothing in it is called, and nothing deep is walked. */
export function excerpt(value: unknown): string {
  if (Array.isArray(value)) return '[…]'
  return typeof value === 'object' && value !== null ? '{…}' : String(value).slice(0, 80)
}
