import type { Deployment } from 'kubernetes-types/apps/v1'
import type { Namespace, Service } from 'kubernetes-types/core/v1'
import type { EndpointSlice } from 'kubernetes-types/discovery/v1'
import { HERITAGE, LABELS, PLATFORM_NAMESPACE, ROUTER_PREFIX } from '../kernel/contract.ts'
import { isStatus, type KubernetesApi, modify } from '../kernel/kubernetes/api.ts'
import { type KubernetesObject, RESOURCES, type Resource } from '../kernel/kubernetes/objects.ts'

/** The roles that others reach through a Service, with the Service's name and its ports by name. */
export const PLATFORM_SERVICES = {
  'control-plane': { service: 'drycc-controller', ports: { http: 80 } },
  builder: { service: 'drycc-builder', ports: { http: 80, ssh: 2222 } },
  logger: { service: 'drycc-logger', ports: { http: 80 } },
} as const

export type ServedRole = keyof typeof PLATFORM_SERVICES

/** What the chart would write into the platform's namespace: its Services and the router's Deployment, which carries the router's settings. */
export async function applyPlatform(api: KubernetesApi, platformDomain: string): Promise<void> {
  await apply<Namespace>(api, RESOURCES.namespaces, { metadata: { name: PLATFORM_NAMESPACE } })
  await Promise.all([
    apply<Deployment>(api, RESOURCES.deployments, router(platformDomain)),
    applyService(api, 'control-plane', {
      [`${ROUTER_PREFIX}domains`]: 'drycc,deis',
      [`${ROUTER_PREFIX}connectTimeout`]: '10',
      [`${ROUTER_PREFIX}tcpTimeout`]: '1200',
    }),
    applyService(api, 'builder', {
      [`${ROUTER_PREFIX}domains`]: 'drycc-builder',
      [`${ROUTER_PREFIX}proxyDomain`]: 'drycc',
      [`${ROUTER_PREFIX}proxyLocations`]: '/git/',
      // A push is one request; the builder has its own limit on it.
      [`${ROUTER_PREFIX}x-body-size`]: '0',
      [`${ROUTER_PREFIX}connectTimeout`]: '10',
      [`${ROUTER_PREFIX}tcpTimeout`]: '1200',
      [`${ROUTER_PREFIX}nginx.connectTimeout`]: '10s',
      [`${ROUTER_PREFIX}nginx.tcpTimeout`]: '1200s',
    }),
    applyService(api, 'logger', {}),
  ])
}

/** Says where a role listens: here there are no pods of it, so nobody else writes its EndpointSlice. */
export async function applyEndpoints(api: KubernetesApi, role: ServedRole, ports: Readonly<Record<string, number>>): Promise<void> {
  const { service, ports: wanted } = PLATFORM_SERVICES[role]
  await apply<EndpointSlice>(api, RESOURCES.endpointSlices, {
    metadata: {
      namespace: PLATFORM_NAMESPACE,
      name: `${service}-local`,
      labels: { 'kubernetes.io/service-name': service, 'endpointslice.kubernetes.io/managed-by': 'drycc-embedded' },
    },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true, serving: true, terminating: false } }],
    ports: Object.keys(wanted).flatMap(name => (ports[name] === undefined ? [] : [{ name, port: ports[name], protocol: 'TCP' }])),
  })
}

async function applyService(api: KubernetesApi, role: ServedRole, annotations: Readonly<Record<string, string>>): Promise<void> {
  const { service, ports } = PLATFORM_SERVICES[role]
  const isRoutable = Object.keys(annotations).length > 0
  await apply<Service>(api, RESOURCES.services, {
    metadata: {
      namespace: PLATFORM_NAMESPACE,
      name: service,
      labels: { [LABELS.app]: service, [LABELS.heritage]: HERITAGE, ...(isRoutable ? { [`${ROUTER_PREFIX}routable`]: 'true' } : {}) },
      annotations,
    },
    spec: { ports: Object.entries(ports).map(([name, port]) => ({ name, port, protocol: 'TCP' })) },
  })
}

function router(platformDomain: string): Deployment {
  const labels = { [LABELS.app]: 'drycc-router' }
  return {
    metadata: {
      namespace: PLATFORM_NAMESPACE,
      name: 'drycc-router',
      labels: { ...labels, [LABELS.heritage]: HERITAGE },
      annotations: {
        [`${ROUTER_PREFIX}nginx.platformDomain`]: platformDomain,
        // Off in the contract, for the sake of old platforms; a new one can tell its requests apart, and follow them, from the first day.
        [`${ROUTER_PREFIX}nginx.requestIDs`]: 'true',
        [`${ROUTER_PREFIX}x-trace-context`]: 'true',
      },
    },
    spec: {
      replicas: 0,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'drycc-router', image: 'drycc-router' }] } },
    },
  }
}

/**
 * Creates the object, or puts our labels, annotations and content over what stands: annotations that an operator added by hand stay, and so
 * do the ones of ours that he changed.
 */
async function apply<T extends KubernetesObject>(api: KubernetesApi, resource: Resource<T>, wanted: T): Promise<void> {
  const { namespace = '', name = '' } = wanted.metadata ?? {}
  try {
    await api.create(resource, wanted)
  } catch (error) {
    if (!isStatus(error, 409)) throw error
    await modify(api, resource, namespace, name, standing => {
      const { spec: _, ...rest } = wanted as T & { spec?: unknown }
      return {
        ...standing,
        ...rest,
        metadata: {
          ...standing.metadata,
          labels: { ...standing.metadata.labels, ...wanted.metadata?.labels },
          annotations: { ...wanted.metadata?.annotations, ...standing.metadata.annotations },
        },
      }
    })
  }
}
