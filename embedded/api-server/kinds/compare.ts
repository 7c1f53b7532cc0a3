/** Are two JSON values the same; an absent one and an empty list or map are, as in Kubernetes' semantic equality. */
export function isSame(a: unknown, b: unknown): boolean {
  return equals(a, b, isEmpty)
}

/** Are two JSON values the same to the letter. */
export function isIdentical(a: unknown, b: unknown): boolean {
  return equals(a, b, value => value === undefined)
}

function equals(a: unknown, b: unknown, isNothing: (value: unknown) => boolean): boolean {
  if (a === b) return true
  if (isNothing(a) && isNothing(b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) !== Array.isArray(b)) return false
  if (Array.isArray(a)) {
    return a.length === (b as unknown[]).length && a.every((element, index) => equals(element, (b as unknown[])[index], isNothing))
  }
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>]
  for (const key of Object.keys(left)) if (!equals(left[key], own(right, key), isNothing)) return false
  for (const key of Object.keys(right)) if (!Object.hasOwn(left, key) && !isNothing(right[key])) return false
  return true
}

function own(object: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null) return true
  return typeof value === 'object' && Object.keys(value).length === 0
}
