/** How often somebody may ask. */
export interface Rate {
  /** Between two requests that come evenly. */
  readonly intervalMs: number
  /** How many may come at once after a time of rest. */
  readonly burst: number
}

const UNIT_MS = { s: 1000, m: 60_000, h: 3_600_000 }

/** Reads `10/s`, `100/m` or `5/h burst=20`; without a burst it is the number itself. @throws {RangeError} */
export function parseRate(text: string): Rate {
  const [, count = '', unit = '', burst = count] = /^([1-9]\d{0,5})\/([smh])(?:\s+burst=([1-9]\d{0,5}))?$/.exec(text) ?? []
  if (count === '') throw new RangeError(`Cannot read rate "${text}": write it as 10/s, 100/m or 5/h, with burst=20 behind it if wished`)
  return { intervalMs: UNIT_MS[unit as 's' | 'm' | 'h'] / Number(count), burst: Number(burst) }
}
