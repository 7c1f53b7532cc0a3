import type { Service } from 'kubernetes-types/core/v1'
import { HERITAGE, LABELS, ROUTER_PREFIX } from '../../kernel/contract.ts'
import type { App } from '../domain/app.ts'
import { deploymentName } from './deployment.ts'
import { PORT_NAME } from './service.ts'

/** On the Services that {@link buildPathService} makes, to tell them from the app's own. */
export const PATHS_LABEL = 'drycc.cc/paths'

/**
 * The Service of a process type that answers paths of its app's host. It has no domain of its own: `<app>-<type>` could be another app's.
 *
 * @param paths beginnings of paths, comma-separated
 */
export function buildPathService(standing: Service | undefined, app: App, type: string, paths: string): Service {
  const identity = { [LABELS.app]: app.id, [LABELS.heritage]: HERITAGE }
  return {
    apiVersion: 'v1',
    kind: 'Service',
    ...standing,
    metadata: {
      ...standing?.metadata,
      name: deploymentName(app.id, type),
      namespace: app.id,
      labels: {
        ...standing?.metadata?.labels,
        ...identity,
        [PATHS_LABEL]: 'true',
        [`${ROUTER_PREFIX}routable`]: String(app.settings.routable),
      },
      annotations: {
        ...standing?.metadata?.annotations,
        [`${ROUTER_PREFIX}proxyDomain`]: app.id,
        [`${ROUTER_PREFIX}proxyLocations`]: paths,
        [`${ROUTER_PREFIX}maintenance`]: String(app.settings.maintenance),
        [`${ROUTER_PREFIX}ssl.enforce`]: app.tls.https_enforced ? 'True' : 'False',
      },
    },
    spec: {
      ...standing?.spec,
      selector: { ...identity, [LABELS.type]: type },
      ports: [{ ...standing?.spec?.ports?.[0], name: PORT_NAME, port: 80, protocol: 'TCP', targetPort: PORT_NAME }],
    },
  }
}
