import { invalid } from './refusal.ts'

const KEY = /^[a-z_]+[a-z0-9_]*$/i
const KEY_LENGTH_MAX = 253

/** Checks one environment variable. @throws {Refusal} 400 under `values` */
export function checkValue(key: string, value: string): [string, string] {
  if (!KEY.test(key) || key === '__proto__')
    throw invalid('values', 'Config keys must start with a letter or underscore and only contain [A-z0-9_]')
  if (key.length > KEY_LENGTH_MAX) throw invalid('values', `Config keys must have ${KEY_LENGTH_MAX} characters or less`)
  // A process cannot be given an environment variable that holds NUL (execve(2) takes C strings).
  if (value.includes('\0')) throw invalid('values', `Value of ${key} must not contain NUL`)
  if (key === 'PORT') checkPort(value)
  else if (key === 'HEALTHCHECK_URL') checkPath(value)
  else if (key.startsWith('HEALTHCHECK_') && !/^\d{1,9}$/.test(value)) throw invalid('values', `${key} can only be a numeric value`)
  return [key, value]
}

function checkPort(value: string): void {
  if (!/^\d+$/.test(value)) throw invalid('values', 'PORT can only be a numeric value')
  const port = Number(value)
  if (port < 1 || port > 65_535) throw invalid('values', 'PORT needs to be between 1 and 65535')
}

function checkPath(value: string): void {
  if (!/^\/[^\s?#]*$/.test(value))
    throw invalid('values', 'HEALTHCHECK_URL can only be a path: it starts with / and holds no host, query or fragment')
}
