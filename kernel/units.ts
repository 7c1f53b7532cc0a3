const DURATION_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const BYTES: Readonly<Record<string, number>> = {
  '': 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  ki: 1024,
  mi: 1024 ** 2,
  gi: 1024 ** 3,
}
const QUANTITY: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
}

/**
 * Reads a span of time such as `500ms`, `5s`, `2m`, `1h` or `7d`.
 *
 * @returns milliseconds
 * @throws {RangeError} for anything else, a bare number included: a unit is never guessed
 */
export function parseDuration(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? []
  if (!amount || !unit) throw new RangeError(`Cannot read duration "${text}": write it as 500ms, 5s, 2m, 1h or 7d`)
  return Math.round(Number(amount) * DURATION_MS[unit]!)
}

/**
 * Reads a size such as `512`, `64k`, `10M` or `1Gi`; all of its units are powers of 1024, as in nginx.
 *
 * @returns bytes
 * @throws {RangeError} for anything else
 */
export function parseBytes(text: string): number {
  const [, amount, unit = ''] = /^(\d+)([kmg]i?)?b?$/i.exec(text) ?? []
  const bytes = amount === undefined ? Number.NaN : Number(amount) * BYTES[unit.toLowerCase()]!
  if (!Number.isSafeInteger(bytes)) throw new RangeError(`Cannot read size "${text}": write it as 512, 64k, 10M or 1Gi`)
  return bytes
}

/**
 * Reads a Kubernetes quantity: `500m` is 0.5, `64Mi` is 67108864, `1e3` is 1000.
 *
 * @throws {RangeError} for anything else
 * @see https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
 */
export function parseQuantity(text: string): number {
  const [, amount, suffix = ''] = /^([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([numkMGTPE]|[KMGTPE]i)?$/.exec(text) ?? []
  if (amount === undefined) throw new RangeError(`Cannot read quantity "${text}": write it as 2, 0.5, 500m, 64M or 64Mi`)
  return Number(amount) * QUANTITY[suffix]!
}

/** Writes a span of time for people, its two widest units at most: `850ms`, `4.2s`, `3m 5s`, `2h 10m`, `4d 1h`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(1).replace(/\.0$/, '')}s`
  const seconds = Math.round(ms / 1000)
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ] as const
  const first = parts.findIndex(([amount]) => amount > 0)
  return parts
    .slice(first, first + 2)
    .filter(([amount]) => amount > 0)
    .map(([amount, unit]) => `${amount}${unit}`)
    .join(' ')
}
