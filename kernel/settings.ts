import { readFileSync } from 'node:fs'
import { parseBytes, parseDuration } from './units.ts'

/** Reads one setting from the environment; throws an `Error` whose message names what was wanted. */
export type Reader<T> = (env: Environment) => T

export type Environment = Readonly<Record<string, string | undefined>>

/** Every fault of the settings, one a line, so that one start shows them all. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError'
  readonly faults: readonly string[]

  constructor(faults: readonly string[]) {
    super(faults.join('\n'))
    this.faults = faults
  }
}

/**
 * Reads all settings of a role at once.
 *
 * @returns an object with the keys of `shape`
 * @throws {SettingsError} naming every setting that is missing or malformed
 */
export function readEnv<S extends Record<string, Reader<unknown>>>(
  env: Environment,
  shape: S,
): { readonly [K in keyof S]: ReturnType<S[K]> } {
  const faults: string[] = []
  const entries = Object.entries(shape).map(([key, read]) => {
    try {
      return [key, read(env)]
    } catch (error) {
      faults.push((error as Error).message)
      return [key, undefined]
    }
  })
  if (faults.length > 0) throw new SettingsError(faults)
  return Object.fromEntries(entries)
}

/** Any text; required when it has no default. An empty variable counts as absent, as charts write those. */
export function text(name: string, fallback?: string): Reader<string> {
  return env => {
    const value = env[name] || fallback
    if (value === undefined) throw new Error(`${name} is not set: give it a value`)
    return value
  }
}

/** Any text, or `undefined` where there is none. */
export function optional(name: string): Reader<string | undefined> {
  return env => env[name] || undefined
}

/** A secret: the value of `NAME`, or the trimmed content of the file that `NAME_FILE` names. `undefined` where neither is set. */
export function secret(name: string): Reader<string | undefined> {
  return env => {
    const path = env[`${name}_FILE`]
    if (env[name] || !path) return env[name] || undefined
    try {
      return readFileSync(path, 'utf8').trim()
    } catch (error) {
      throw new Error(`Cannot read ${name}_FILE "${path}": ${(error as Error).message}`)
    }
  }
}

/** A whole number within bounds, both included. */
export function integer(name: string, fallback: string, { min = 0, max = Number.MAX_SAFE_INTEGER } = {}): Reader<number> {
  return parsed(name, fallback, value => {
    const number = /^\d+$/.test(value) ? Number(value) : Number.NaN
    if (!(number >= min && number <= max)) throw new RangeError(`Cannot read number "${value}": write a whole number from ${min} to ${max}`)
    return number
  })
}

/** A TCP port; 0 means any free one. */
export function port(name: string, fallback: string): Reader<number> {
  return integer(name, fallback, { max: 65_535 })
}

/** Milliseconds, written as `500ms`, `5s`, `2m` or `1h`. */
export function duration(name: string, fallback: string): Reader<number> {
  return parsed(name, fallback, parseDuration)
}

/** Bytes, written as `64k`, `10M` or `1Gi`. */
export function bytes(name: string, fallback: string): Reader<number> {
  return parsed(name, fallback, parseBytes)
}

/** `true` or `false`, also `1`, `0`, `yes`, `no`, `on`, `off`, in any case. */
export function flag(name: string, fallback: 'true' | 'false'): Reader<boolean> {
  return parsed(name, fallback, value => {
    if (/^(true|1|yes|on)$/i.test(value)) return true
    if (/^(false|0|no|off)$/i.test(value)) return false
    throw new RangeError(`Cannot read switch "${value}": write true or false`)
  })
}

/** One of a fixed set of words. */
export function oneOf<const V extends string>(name: string, values: readonly V[], fallback: NoInfer<V>): Reader<V> {
  return parsed(name, fallback, value => {
    const found = values.find(candidate => candidate === value)
    if (found === undefined) throw new RangeError(`Cannot read "${value}": write one of ${values.join(', ')}`)
    return found
  })
}

/** Items between commas, trimmed, empty ones dropped. */
export function list(name: string, fallback = ''): Reader<readonly string[]> {
  return env =>
    (env[name] || fallback)
      .split(',')
      .map(item => item.trim())
      .filter(Boolean)
}

/** Any reader of text, with the setting's name put before its message. */
export function parsed<T>(name: string, fallback: string, parse: (value: string) => T): Reader<T> {
  return env => {
    try {
      return parse(env[name] || fallback)
    } catch (error) {
      throw new Error(`${name}: ${(error as Error).message}`)
    }
  }
}
