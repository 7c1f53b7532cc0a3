import { configMap } from './config-map.ts'
import { deployment } from './deployment.ts'
import { endpointSlice } from './endpoint-slice.ts'
import { endpoints } from './endpoints.ts'
import { event } from './event.ts'
import { horizontalPodAutoscaler } from './horizontal-pod-autoscaler.ts'
import { ingress } from './ingress.ts'
import { job } from './job.ts'
import type { Kind } from './kind.ts'
import { lease } from './lease.ts'
import { namespace } from './namespace.ts'
import { node } from './node.ts'
import { pod } from './pod.ts'
import { replicaSet } from './replica-set.ts'
import { resourceQuota } from './resource-quota.ts'
import { secret } from './secret.ts'
import { service } from './service.ts'
import { serviceAccount } from './service-account.ts'

/** Every kind that the server keeps, in the order of discovery. */
export const KINDS: readonly Kind[] = [
  configMap,
  endpoints,
  event,
  namespace,
  node,
  pod,
  resourceQuota,
  secret,
  serviceAccount,
  service,
  deployment,
  replicaSet,
  horizontalPodAutoscaler,
  job,
  lease,
  endpointSlice,
  ingress,
]

const byPath = new Map(KINDS.map(kind => [`${kind.group}/${kind.version}/${kind.plural}`, kind]))

/** The kind under `/apis/<group>/<version>/<plural>`; the core group is `''`. */
export function kindAt(group: string, version: string, plural: string): Kind | undefined {
  return byPath.get(`${group}/${version}/${plural}`)
}

/** Is anything served under this group. */
export function hasGroup(group: string): boolean {
  return KINDS.some(kind => kind.group === group)
}

/** Is anything served under this group and version. */
export function hasGroupVersion(group: string, version: string): boolean {
  return KINDS.some(kind => kind.group === group && kind.version === version)
}
