import type { Service } from 'kubernetes-types/core/v1'
import { HERITAGE, LABELS, ROUTER_PREFIX } from '../../kernel/contract.ts'
import type { App } from '../domain/app.ts'
import type { PendingChallenge } from '../domain/automatic.ts'
import type { Domain } from '../domain/hostname.ts'
import type { OnDemandNames } from '../domain/on-demand.ts'
import { pagesName } from './pages.ts'

/**
 * The name that every pod gives to the port on which it listens. A Service that points to the name instead of a number finds old and new
 * pods alike while a release that changes PORT is rolled out, so that no request is lost.
 */
export const PORT_NAME = 'http'

/** What an authority will look for at a domain of the app. */
export interface ServedChallenge extends PendingChallenge {
  readonly domain: string
}

/** What the router does for an app beside serving its domains, while certificates are had. */
export interface CertificateWork {
  readonly challenges: readonly ServedChallenge[]
  /** For which names it tells that clients ask; absent: none. */
  readonly onDemand?: OnDemandNames | undefined
}

/**
 * The app's Service, which is where the router learns everything about the app.
 *
 * @param standing what is there: annotations and labels of other writers are kept, ours are replaced, and those without a value removed
 * @param domains in the order in which they were added
 * @param type the process type that shall take the traffic; `undefined` leaves it where it goes
 */
export function buildService(
  standing: Service | undefined,
  app: App,
  domains: readonly Domain[],
  type: string | undefined,
  work: CertificateWork = { challenges: [] },
): Service {
  const selector = type
    ? { [LABELS.app]: app.id, [LABELS.heritage]: HERITAGE, [LABELS.type]: type }
    : (standing?.spec?.selector ?? { [LABELS.app]: app.id, [LABELS.heritage]: HERITAGE })
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
      annotations: { ...withoutOurs(app, standing?.metadata?.annotations), ...routingAnnotations(app, domains, work) },
    },
    spec: {
      ...standing?.spec,
      selector,
      ports: [{ ...standing?.spec?.ports?.[0], name: PORT_NAME, port: 80, protocol: 'TCP', targetPort: PORT_NAME }],
    },
  }
}

/** What the router reads of an app, without keys that would be empty: there a stale value must not stay. */
function routingAnnotations(app: App, domains: readonly Domain[], { challenges, onDemand }: CertificateWork): Record<string, string> {
  const attached = domains.filter(domain => domain.certificate !== undefined)
  const values = {
    domains: domains.map(domain => domain.domain).join(','),
    certificates: attached.map(domain => `${domain.domain}:${domain.certificate}`).join(','),
    'ssl.enforce': app.tls.https_enforced ? 'True' : 'False',
    maintenance: String(app.settings.maintenance),
    whitelist: app.settings.whitelist.join(','),
    'x-acme-challenges': challenges.map(({ domain, token, keyAuthorization }) => `${domain} ${token} ${keyAuthorization}`).join(', '),
    'x-certificates-on-demand': onDemand ?? '',
    ...(Object.keys(app.pages ?? {}).length > 0 && { 'x-error-pages': pagesName(app.id) }),
  }
  return Object.fromEntries(
    Object.entries(values)
      .filter(([, value]) => value !== '')
      .map(([key, value]) => [`${ROUTER_PREFIX}${key}`, value]),
  )
}

const OURS = ['domains', 'certificates', 'ssl.enforce', 'maintenance', 'whitelist', 'x-acme-challenges', 'x-certificates-on-demand'].map(
  key => `${ROUTER_PREFIX}${key}`,
)

/** A ConfigMap with pages that somebody else named is his. */
function withoutOurs(app: App, annotations: Readonly<Record<string, string>> = {}): Record<string, string> {
  const isOurs = (key: string, value: string) =>
    OURS.includes(key) || (key === `${ROUTER_PREFIX}x-error-pages` && value === pagesName(app.id))
  return Object.fromEntries(Object.entries(annotations).filter(([key, value]) => !isOurs(key, value)))
}
