/**
 * Reads `x-hsts`: `off`, or `max-age=31536000`, with `; includeSubDomains` and `; preload` behind it if wished.
 *
 * @returns the value of Strict-Transport-Security, or `off`
 * @throws {RangeError}
 */
export function parseHsts(text: string): string {
  if (text === 'off') return text
  const [, seconds, ...rest] = /^max-age=(\d{1,10})(\s*;\s*includeSubDomains)?(\s*;\s*preload)?$/i.exec(text) ?? []
  if (seconds === undefined)
    throw new RangeError(`Cannot read "${text}": write max-age=31536000; includeSubDomains; preload, the front part of it, or off`)
  return `max-age=${Number(seconds)}${rest[0] ? '; includeSubDomains' : ''}${rest[1] ? '; preload' : ''}`
}

/** Whether a value asks browsers for https from now on; `max-age=0` takes the wish back. */
export function wantsHttps(hsts: string | undefined): boolean {
  return hsts !== undefined && hsts !== 'off' && !hsts.startsWith('max-age=0')
}
