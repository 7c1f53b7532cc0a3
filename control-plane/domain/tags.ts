import { invalid } from './refusal.ts'

const PART = /^(?:[a-zA-Z\d][-.\w]{0,61})?[a-zA-Z\d]$/
const PREFIX_LENGTH_MAX = 253

/** Checks one tag, a label that nodes must carry: an optional DNS prefix and `/`, a name, a value. @throws {Refusal} 400 under `tags` */
export function checkTag(key: string, value: string): [string, string] {
  const slash = key.indexOf('/')
  const prefix = slash < 0 ? undefined : key.slice(0, slash)
  const name = key.slice(slash + 1)
  if (prefix !== undefined) {
    if (prefix.length > PREFIX_LENGTH_MAX) throw invalid('tags', `Tag key prefixes must ${PREFIX_LENGTH_MAX} characters or less.`)
    if (!prefix.split('.').every(part => PART.test(part))) throw invalid('tags', 'Tag key prefixes must be DNS subdomains.')
  }
  if (!PART.test(name)) throw invalid('tags', 'Tag keys must be alphanumeric or "-_.", and 1-63 characters.')
  if (value && !PART.test(value)) throw invalid('tags', 'Tag values must be alphanumeric or "-_.", and 1-63 characters.')
  return [key, value]
}

/**
 * Says why no node fits, or nothing where one does.
 *
 * @param nodes the labels of each node
 * @param previous the tags before the change: what was added since is named as the cause
 */
export function findTagFault(
  nodes: readonly Readonly<Record<string, string>>[],
  tags: Readonly<Record<string, string>>,
  previous: Readonly<Record<string, string>>,
): string | undefined {
  const wanted = Object.entries(tags)
  if (wanted.length === 0 || nodes.some(labels => wanted.every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value)))
    return undefined
  const list = (entries: [string, string][]) => entries.map(([key, value]) => `${key}=${value}`).join(', ')
  const added = wanted.filter(([key, value]) => previous[key] !== value)
  const cause = Object.keys(previous).length > 0 && added.length > 0 ? ` - Addition of ${list(added)} is the cause` : ''
  return `No nodes matched the provided labels: ${list(wanted)}${cause}`
}
