import { invalid } from './refusal.ts'

const KEYS = ['username', 'password', 'hostname']

/** Checks one entry of the credentials for the registry of an app's image; keys are kept in lower case. @throws {Refusal} 400 under `registry` */
export function checkRegistry(key: string, value: string): [string, string] {
  const lower = key.toLowerCase()
  if (!KEYS.includes(lower)) throw invalid('registry', `The key ${key} is not supported: use one of ${KEYS.join(', ')}`)
  return [lower, value]
}
