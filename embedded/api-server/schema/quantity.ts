const BINARY = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei']
const DECIMAL: Record<string, number> = { n: -9, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 }
const NANO = 1_000_000_000n

export interface Quantity {
  /** In billionths, the finest that Kubernetes keeps. */
  readonly nano: bigint
  readonly format: 'binary' | 'decimal' | 'exponent'
}

/** What a resource amount is refused with. */
export const QUANTITY_MESSAGE = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"

/** Reads `500m`, `1.5`, `64Mi` or `1e3`. @throws {SyntaxError} with the real server's words */
export function parseQuantity(text: string): Quantity {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?\d{1,3}))?$/.exec(text)
  if (!match || !(match[2] || match[3])) throw new SyntaxError(QUANTITY_MESSAGE)
  const [, sign, whole = '', fraction = '', suffix = '', exponent] = match
  let numerator = BigInt(whole + fraction || '0') * NANO
  let denominator = 10n ** BigInt(fraction.length)
  if (suffix.endsWith('i')) numerator *= 1024n ** BigInt(BINARY.indexOf(suffix))
  else {
    const scale = exponent === undefined ? (DECIMAL[suffix] ?? 0) : Number(exponent)
    if (scale >= 0) numerator *= 10n ** BigInt(scale)
    else denominator *= 10n ** BigInt(-scale)
  }
  // Rounded up, as Kubernetes does: a limit is never made smaller.
  let nano = numerator / denominator
  if (nano * denominator !== numerator) nano++
  if (sign === '-') nano = -nano
  return { nano, format: suffix.endsWith('i') ? 'binary' : exponent === undefined ? 'decimal' : 'exponent' }
}

/** The one spelling of an amount: `1.5` is `1500m`, `1024Ki` is `1Mi`. @throws {SyntaxError} */
export function canonicalQuantity(text: string): string {
  return formatQuantity(parseQuantity(text))
}

/** Writes an amount in its one spelling. */
export function formatQuantity({ nano, format }: Quantity): string {
  if (nano === 0n) return '0'
  const magnitude = nano < 0n ? -nano : nano
  const sign = nano < 0n ? '-' : ''
  if (format === 'binary' && magnitude >= 1024n * NANO && magnitude % NANO === 0n) {
    let value = magnitude / NANO
    let power = 0
    while (value % 1024n === 0n && power < BINARY.length - 1) {
      value /= 1024n
      power++
    }
    return `${sign}${value}${BINARY[power]}`
  }
  let value = magnitude
  let exponent = -9
  while (value % 1000n === 0n && exponent < 18) {
    value /= 1000n
    exponent += 3
  }
  if (format === 'exponent') return `${sign}${value}${exponent ? `e${exponent}` : ''}`
  return `${sign}${value}${Object.keys(DECIMAL).find(suffix => DECIMAL[suffix] === exponent) ?? ''}`
}

/** Less than, equal or greater than zero, as `a` is to `b`. */
export function compareQuantities(a: string, b: string): number {
  const difference = parseQuantity(a).nano - parseQuantity(b).nano
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}
