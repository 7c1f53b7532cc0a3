import type { Deployment, ReplicaSet } from 'kubernetes-types/apps/v1'
import type { HorizontalPodAutoscaler } from 'kubernetes-types/autoscaling/v2'
import type { Job } from 'kubernetes-types/batch/v1'
import type { Lease } from 'kubernetes-types/coordination/v1'
import type {
  ConfigMap,
  Endpoints,
  Event,
  Namespace,
  Node,
  Pod,
  ResourceQuota,
  Secret,
  Service,
  ServiceAccount,
} from 'kubernetes-types/core/v1'
import type { EndpointSlice } from 'kubernetes-types/discovery/v1'
import type { ObjectMeta } from 'kubernetes-types/meta/v1'
import type { Ingress } from 'kubernetes-types/networking/v1'

/** The part of `metadata` that every stored object has. `namespace` is absent on cluster-wide kinds. */
export interface StoredMeta extends ObjectMeta {
  name: string
  uid: string
  resourceVersion: string
}

/** An object in the shape in which it is sent to the API server: JSON, its dates still strings. */
export interface KubernetesObject {
  apiVersion?: string
  kind?: string
  metadata?: ObjectMeta
}

/** An object as the API server returns it. */
export type Stored<T extends KubernetesObject = KubernetesObject> = T & { metadata: StoredMeta }

/**
 * A kind of object and where the API keeps it.
 *
 * @see https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris
 */
export interface Resource<T extends KubernetesObject = KubernetesObject> {
  /** `''` is the core group. */
  readonly group: string
  readonly version: string
  readonly kind: string
  readonly plural: string
  readonly namespaced: boolean
  /** Carries the type of the objects; never set at run time. */
  readonly object?: T
}

/** Every kind that the platform reads or writes, by the plural's usual TypeScript spelling. */
export const RESOURCES = {
  namespaces: resource<Namespace>('', 'v1', 'Namespace', 'namespaces', false),
  nodes: resource<Node>('', 'v1', 'Node', 'nodes', false),
  services: resource<Service>('', 'v1', 'Service', 'services'),
  secrets: resource<Secret>('', 'v1', 'Secret', 'secrets'),
  configMaps: resource<ConfigMap>('', 'v1', 'ConfigMap', 'configmaps'),
  pods: resource<Pod>('', 'v1', 'Pod', 'pods'),
  events: resource<Event>('', 'v1', 'Event', 'events'),
  endpoints: resource<Endpoints>('', 'v1', 'Endpoints', 'endpoints'),
  serviceAccounts: resource<ServiceAccount>('', 'v1', 'ServiceAccount', 'serviceaccounts'),
  resourceQuotas: resource<ResourceQuota>('', 'v1', 'ResourceQuota', 'resourcequotas'),
  deployments: resource<Deployment>('apps', 'v1', 'Deployment', 'deployments'),
  replicaSets: resource<ReplicaSet>('apps', 'v1', 'ReplicaSet', 'replicasets'),
  jobs: resource<Job>('batch', 'v1', 'Job', 'jobs'),
  endpointSlices: resource<EndpointSlice>('discovery.k8s.io', 'v1', 'EndpointSlice', 'endpointslices'),
  horizontalPodAutoscalers: resource<HorizontalPodAutoscaler>('autoscaling', 'v2', 'HorizontalPodAutoscaler', 'horizontalpodautoscalers'),
  leases: resource<Lease>('coordination.k8s.io', 'v1', 'Lease', 'leases'),
  ingresses: resource<Ingress>('networking.k8s.io', 'v1', 'Ingress', 'ingresses'),
} as const

/** `v1` or `apps/v1`: what stands in an object's `apiVersion`. */
export function apiVersion(resource: Pick<Resource, 'group' | 'version'>): string {
  return resource.group ? `${resource.group}/${resource.version}` : resource.version
}

/** `namespace/name`, or the name alone for a cluster-wide object: the key under which informers and reconcilers know it. */
export function keyOf(object: { metadata?: ObjectMeta | undefined }): string {
  const { namespace, name = '' } = object.metadata ?? {}
  return namespace ? `${namespace}/${name}` : name
}

/** Splits what {@link keyOf} made. */
export function splitKey(key: string): { namespace: string; name: string } {
  const slash = key.indexOf('/')
  return slash < 0 ? { namespace: '', name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) }
}

/** The `ownerReferences` entry that makes `owner` the controller of another object. */
export function controllerReference(resource: Resource, owner: Stored) {
  return {
    apiVersion: apiVersion(resource),
    kind: resource.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  }
}

function resource<T extends KubernetesObject>(
  group: string,
  version: string,
  kind: string,
  plural: string,
  namespaced = true,
): Resource<T> {
  return { group, version, kind, plural, namespaced }
}
