import type { App } from './app.ts'
import type { Domain } from './hostname.ts'

/** Which domains the platform gets certificates for: `off`, those of apps that asked, or all that did not refuse. */
export type AutomaticMode = 'off' | 'asked' | 'all'

/** Whether an app wants certificates for its domains. */
export function wantsAutomatic({ tls, deleting }: App, mode: AutomaticMode): boolean {
  const wish = tls.certs_auto_enabled ?? null
  return !deleting && mode !== 'off' && (wish === true || (wish === null && mode === 'all'))
}

/** Why a domain cannot have an automatic certificate whatever its app wants; `undefined` when it can. */
export function unobtainable({ domain }: Pick<Domain, 'domain'>, platformDomain: string): string | undefined {
  const name = domain.toLowerCase()
  const platform = platformDomain.toLowerCase()
  if (name.startsWith('*'))
    return 'A wildcard needs a challenge by DNS, which the platform cannot answer: add its names one by one, or attach a certificate'
  if (!name.includes('.') || name === platform || name.endsWith(`.${platform}`))
    return "Names of the platform have the platform's certificate"
  return undefined
}
