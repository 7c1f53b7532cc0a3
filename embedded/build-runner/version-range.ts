type Version = readonly [major: number, minor: number, patch: number]
type Bound = { readonly low: Version; readonly high: Version }

const INFINITY: Version = [Number.POSITIVE_INFINITY, 0, 0]
const ZERO: Version = [0, 0, 0]

/** Names of versions that mean whichever is current. */
const ANY = /^(?:\*|x|latest|node|stable|current|lts(?:\/.*)?|lts)$/i

/** Reads `3.11.7`, `v20.1`, `go1.26.8`; the rest of the text does not count. */
export function parseVersion(text: string): Version | undefined {
  const [, major, minor = '0', patch = '0'] = /(\d+)(?:\.(\d+))?(?:\.(\d+))?/.exec(text) ?? []
  return major === undefined ? undefined : [Number(major), Number(minor), Number(patch)]
}

/**
 * Tells whether a version is in a range, written as npm, Python (PEP 440) or Ruby write theirs: `>=18 <23`, `20.x || 22.x`, `^20.1`, `~3.11`,
 * `>=3.10,<4`, `==3.11.*`, `18 - 20`, `lts/*`. Pre-releases are not looked at.
 *
 * @returns `undefined` for a range that cannot be read
 */
export function satisfies(version: string, range: string): boolean | undefined {
  const found = parseVersion(version)
  if (!found) return undefined
  let readable = true
  const holds = range.split('||').some(part => {
    const bounds = parsePart(part.trim())
    if (!bounds) readable = false
    return bounds?.every(({ low, high, isNot }) => (compare(found, low) >= 0 && compare(found, high) < 0) !== isNot)
  })
  return readable || holds ? holds : undefined
}

function parsePart(part: string): (Bound & { isNot: boolean })[] | undefined {
  if (part === '' || ANY.test(part)) return [{ low: ZERO, high: INFINITY, isNot: false }]
  const [, from, to] = /^v?([\d.x*]+)\s+-\s+v?([\d.x*]+)$/i.exec(part) ?? []
  if (from && to) return [{ low: widen(from).low, high: widen(to).high, isNot: false }]
  const bounds: (Bound & { isNot: boolean })[] = []
  for (const token of part.replace(/([<>=~^!]+)\s+/g, '$1').split(/[\s,]+/)) {
    const [, operator = '', text] = /^(\^|~>|~=|~|>=|<=|===?|=|!=|>|<)?[v=]?(\d[\d.x*]*)(?:[-+].*)?$/i.exec(token) ?? []
    if (text === undefined) return undefined
    bounds.push({ ...bound(operator, text), isNot: operator === '!=' })
  }
  return bounds
}

function bound(operator: string, text: string): Bound {
  const exact = widen(text)
  const [major, minor, patch] = exact.low
  const parts = text.split('.').filter(part => /^\d+$/.test(part)).length
  switch (operator) {
    case '>=':
      return { low: exact.low, high: INFINITY }
    case '>':
      return { low: exact.high, high: INFINITY }
    case '<':
      return { low: ZERO, high: exact.low }
    case '<=':
      return { low: ZERO, high: exact.high }
    case '^':
      return {
        low: exact.low,
        high: major > 0 ? [major + 1, 0, 0] : parts < 2 ? [1, 0, 0] : minor > 0 ? [0, minor + 1, 0] : [0, 0, patch + 1],
      }
    case '~':
      return { low: exact.low, high: parts < 2 ? [major + 1, 0, 0] : [major, minor + 1, 0] }
    // Python's and Ruby's: the last number given may grow.
    case '~=':
    case '~>':
      return { low: exact.low, high: parts < 3 ? [major + 1, 0, 0] : [major, minor + 1, 0] }
    default:
      return exact
  }
}

/** What `20`, `20.x` or `3.11` stand for: every version that begins so. */
function widen(text: string): Bound {
  const numbers = text.split('.').map(part => (/^\d+$/.test(part) ? Number(part) : undefined))
  const [major, minor, patch] = numbers
  if (major === undefined) return { low: ZERO, high: INFINITY }
  if (minor === undefined) return { low: [major, 0, 0], high: [major + 1, 0, 0] }
  if (patch === undefined) return { low: [major, minor, 0], high: [major, minor + 1, 0] }
  return { low: [major, minor, patch], high: [major, minor, patch + 1] }
}

function compare(a: Version, b: Version): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2]
}
