import type { Environment } from '../kernel/settings.ts'
import { parseBytes, parseDuration } from '../kernel/units.ts'
import { DEFAULT_LIMITS, type Limits } from './serve/limits.ts'

const PREFIX = 'ROUTER_LIMIT_'

/**
 * Reads the limits of a worker that the operator changes: each limit of `serve/limits.ts` has a variable of its name, as
 * `ROUTER_LIMIT_CONNECTIONS_MAX=20000`, `ROUTER_LIMIT_HEAD=10s` for `headMs` (a duration), `ROUTER_LIMIT_STASH_BYTES_MAX=128k` (a size).
 *
 * @returns those that are set
 * @throws {Error} naming each that cannot be read, and each name that is none
 */
export function readLimits(env: Environment): Partial<Limits> {
  const faults: string[] = []
  const limits: Record<string, number> = {}
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith(PREFIX) || !text) continue
    const key = KEYS.get(variable)
    try {
      if (key === undefined) throw new RangeError(`There is no such limit: write one of ${[...KEYS.keys()].join(', ')}`)
      limits[key] = parseLimit(key, text)
    } catch (error) {
      faults.push(`${variable}: ${(error as Error).message}`)
    }
  }
  if (faults.length > 0) throw new Error(faults.join('\n'))
  return limits
}

const KEYS = new Map(
  (Object.keys(DEFAULT_LIMITS) as (keyof Limits)[]).map(key => [
    PREFIX + key.replace(/Ms$/, '').replace(/[A-Z]/g, '_$&').toUpperCase(),
    key,
  ]),
)

function parseLimit(key: keyof Limits, text: string): number {
  if (key === 'clientShare') return parseShare(text)
  const value = key.endsWith('Ms')
    ? parseDuration(text)
    : key.includes('Bytes') || key.endsWith('Window')
      ? parseBytes(text)
      : parseCount(text)
  if (value < 1) throw new RangeError(`Cannot use "${text}": write more than 0`)
  // What a peer may send before it hears of our settings, and what a window can be (RFC 9113 §6.9).
  if (key.endsWith('Window') && (value < 65_535 || value > 2 ** 31 - 1)) throw new RangeError(`Cannot use "${text}": write 64k to 2047m`)
  // Deadlines are looked at with each tick.
  if (key === 'tickMs' && value > 1000) throw new RangeError(`Cannot use "${text}": write 1s or less`)
  return value
}

function parseCount(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new RangeError(`Cannot read number "${text}": write a whole number from 1 to 999999999`)
  return Number(text)
}

function parseShare(text: string): number {
  const share = /^(?:0?\.\d+|1(?:\.0+)?)$/.test(text) ? Number(text) : 0
  if (share <= 0) throw new RangeError(`Cannot read share "${text}": write a part of 1 as 0.25; 1 is no limit`)
  return share
}
