/** What {@link scanJson} found besides what `JSON.parse` tells. */
export interface Scan {
  /** Paths of keys that stand twice in one object, `spec.ports[0].name`. */
  readonly duplicates: readonly string[]
}

/** 200 levels: no Kubernetes kind nests a tenth of it; deeper text is an attack on recursive code. */
const DEPTH_MAX = 200

/**
 * Looks through JSON text for what `JSON.parse` hides: keys that stand twice, and depth.
 *
 * @param text valid JSON
 * @throws {RangeError} when it nests deeper than 200 levels
 */
export function scanJson(text: string): Scan {
  const duplicates: string[] = []
  const path: { keys?: Set<string>; at: string | number }[] = []
  let index = 0
  while (index < text.length) {
    const code = text.charCodeAt(index)
    if (code === 0x22) {
      const end = endOfString(text, index)
      const top = path.at(-1)
      if (top?.keys && isKey(text, end)) {
        const key = JSON.parse(text.slice(index, end)) as string
        top.at = key
        if (top.keys.has(key)) duplicates.push(format(path))
        top.keys.add(key)
      }
      index = end
      continue
    }
    if (code === 0x7b) path.push({ keys: new Set(), at: '' })
    else if (code === 0x5b) path.push({ at: 0 })
    else if (code === 0x7d || code === 0x5d) path.pop()
    else if (code === 0x2c) {
      const top = path.at(-1)
      if (top && typeof top.at === 'number') top.at++
    }
    if (path.length > DEPTH_MAX) throw new RangeError('exceeded max depth')
    index++
  }
  return { duplicates }
}

function endOfString(text: string, start: number): number {
  let index = start + 1
  while (text.charCodeAt(index) !== 0x22) index += text.charCodeAt(index) === 0x5c ? 2 : 1
  return index + 1
}

/** A string is a key when a colon follows it. */
function isKey(text: string, end: number): boolean {
  let index = end
  while (text.charCodeAt(index) <= 0x20) index++
  return text.charCodeAt(index) === 0x3a
}

function format(path: readonly { at: string | number }[]): string {
  let text = ''
  for (const { at } of path) text += typeof at === 'number' ? `[${at}]` : text ? `.${at}` : at
  return text
}
