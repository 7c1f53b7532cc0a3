/** One reason why an object is refused, as it stands in the causes of a 422. */
export interface FieldError {
  readonly reason: string
  /** What follows the path: `Invalid value: "x": must be …`. */
  readonly message: string
  readonly field: string
}

export function required(field: string, detail = ''): FieldError {
  return make('FieldValueRequired', 'Required value', field, detail)
}

export function invalidValue(field: string, value: unknown, detail: string): FieldError {
  return make('FieldValueInvalid', `Invalid value: ${show(value)}`, field, detail)
}

export function notSupported(field: string, value: unknown, supported: readonly string[]): FieldError {
  const values = supported.map(each => JSON.stringify(each)).join(', ')
  return make('FieldValueNotSupported', `Unsupported value: ${show(value)}`, field, `supported values: ${values}`)
}

export function duplicate(field: string, value: unknown): FieldError {
  return make('FieldValueDuplicate', `Duplicate value: ${show(value)}`, field, '')
}

export function forbiddenField(field: string, detail: string): FieldError {
  return make('FieldValueForbidden', 'Forbidden', field, detail)
}

export function tooLong(field: string, bytesMax: number): FieldError {
  return make('FieldValueTooLong', 'Too long', field, `may not be more than ${bytesMax} bytes`)
}

export function tooMany(field: string, actual: number, max: number): FieldError {
  return make('FieldValueTooMany', `Too many: ${actual}`, field, `must have at most ${max} items`)
}

export function missing(field: string, value: unknown): FieldError {
  return make('FieldValueNotFound', `Not found: ${show(value)}`, field, '')
}

function make(reason: string, what: string, field: string, detail: string): FieldError {
  return { reason, message: detail ? `${what}: ${detail}` : what, field }
}

function show(value: unknown): string {
  if (value === undefined || value === null) return 'null'
  if (typeof value !== 'object' || Array.isArray(value)) return JSON.stringify(value)
  const entries = Object.entries(value)
  // Go writes a map of labels in the order of its keys.
  if (entries.every(([, each]) => typeof each === 'string')) entries.sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, each]) => `${JSON.stringify(key)}:${show(each)}`).join(',')}}`
}
