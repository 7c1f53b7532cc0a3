import type { HookKey } from '../../kernel/contract.ts'

/**
 * Why a user may not touch an app, or `undefined` when he may. Names are compared whole. An app that does not exist and one that is somebody
 * else's get the same answer, so that it tells nobody which names are taken.
 */
export function refusal(principal: HookKey | 'unavailable', app: string): string | undefined {
  if (principal === 'unavailable') return 'The control plane does not answer: try again in a moment'
  if (principal.apps.includes(app)) return undefined
  return `No app "${app}" that ${principal.username} may use: make it with "drycc create ${app}", or ask its owner for access`
}
