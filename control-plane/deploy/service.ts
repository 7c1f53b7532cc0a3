import type { Service } from 'kubernetes-types/core/v1'
import { HERITAGE, LABELS, ROUTER_PREFIX } from '../../kernel/contract.ts'
import type { App } from '../domain/app.ts'
import type { Domain } from '../domain/hostname.ts'

/** The process type that takes the app's traffic, and the port on which it listens. */
export interface Target {
  readonly type: string
  readonly port: number
}

const DEFAULT_PORT = 5000

/**
 * The app's Service, which is where the router learns everything about the app.
 *
 * @param standing what is there: annotations and labels of other writers are kept, ours are replaced, and those without a value removed
 * @param domains in the order in which they were added
 * @param target `undefined` leaves the traffic where it goes
 */
export function buildService(standing: Service | undefined, app: App, domains: readonly Domain[], target: Target | undefined): Service {
  const selector = target
    ? { [LABELS.app]: app.id, [LABELS.heritage]: HERITAGE, [LABELS.type]: target.type }
    : (standing?.spec?.selector ?? { [LABELS.app]: app.id, [LABELS.heritage]: HERITAGE })
  const targetPort = target?.port ?? standing?.spec?.ports?.[0]?.targetPort ?? DEFAULT_PORT
  return {
    apiVersion: 'v1',
    kind: 'Service',
    ...standing,
    metadata: {
      ...standing?.metadata,
      name: app.id,
      namespace: app.id,
      labels: {
        ...standing?.metadata?.labels,
        [LABELS.app]: app.id,
        [LABELS.heritage]: HERITAGE,
        [`${ROUTER_PREFIX}routable`]: String(app.settings.routable),
      },
      annotations: { ...withoutOurs(standing?.metadata?.annotations), ...routingAnnotations(app, domains) },
    },
    spec: {
      ...standing?.spec,
      selector,
      ports: [{ ...standing?.spec?.ports?.[0], name: 'http', port: 80, protocol: 'TCP', targetPort }],
    },
  }
}

/** What the router reads of an app, without keys that would be empty: there a stale value must not stay. */
function routingAnnotations(app: App, domains: readonly Domain[]): Record<string, string> {
  const attached = domains.filter(domain => domain.certificate !== undefined)
  const values = {
    domains: domains.map(domain => domain.domain).join(','),
    certificates: attached.map(domain => `${domain.domain}:${domain.certificate}`).join(','),
    'ssl.enforce': app.tls.https_enforced ? 'True' : 'False',
    maintenance: String(app.settings.maintenance),
    whitelist: app.settings.whitelist.join(','),
  }
  return Object.fromEntries(
    Object.entries(values)
      .filter(([, value]) => value !== '')
      .map(([key, value]) => [`${ROUTER_PREFIX}${key}`, value]),
  )
}

const OURS = ['domains', 'certificates', 'ssl.enforce', 'maintenance', 'whitelist'].map(key => `${ROUTER_PREFIX}${key}`)

function withoutOurs(annotations: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(annotations).filter(([key]) => !OURS.includes(key)))
}
