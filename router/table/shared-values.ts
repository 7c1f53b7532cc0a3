/** How many values are remembered; a cluster that varies more shares less. */
const VALUES_MAX = 2000
/** Longer ones are rarely alike, and remembering them would cost what sharing saves. */
const TEXT_LENGTH_MAX = 1000

const values = new Map<string, object>()

/**
 * One frozen object for all plain values that are equal to this one: most apps have the same policy, ports and conditions, and ten thousand
 * copies of each would be most of the memory of a table.
 */
export function shared<T extends object>(value: T): T {
  const text = JSON.stringify(value)
  const known = values.get(text)
  if (known) return known as T
  if (text.length > TEXT_LENGTH_MAX) return value
  // The oldest goes; one that is in use comes back with the next object that has it.
  if (values.size >= VALUES_MAX) values.delete(values.keys().next().value!)
  values.set(text, deepFreeze(value))
  return value
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (typeof inner === 'object' && inner !== null) deepFreeze(inner)
  return Object.freeze(value)
}
