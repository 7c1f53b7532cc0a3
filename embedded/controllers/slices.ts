import { isDeepStrictEqual } from 'node:util'
import type { Service } from 'kubernetes-types/core/v1'
import type { Endpoint, EndpointSlice } from 'kubernetes-types/discovery/v1'
import { controllerReference, RESOURCES, type Stored } from '../../kernel/kubernetes/objects.ts'
import { type EndpointGroup, groupKey } from './endpoints.ts'

/** As many as kube-controller-manager puts into one slice. */
const ENDPOINT_COUNT_MAX = 100

export const SERVICE_LABEL = 'kubernetes.io/service-name'
export const MANAGER_LABEL = 'endpointslice.kubernetes.io/managed-by'
export const MANAGER = 'endpointslice-controller.k8s.io'
const HEADLESS_LABEL = 'service.kubernetes.io/headless'

/** The writes that make a Service's slices say what they should. */
export interface SlicePlan {
  readonly create: readonly EndpointSlice[]
  readonly update: readonly Stored<EndpointSlice>[]
  readonly remove: readonly Stored<EndpointSlice>[]
}

/**
 * Plans the fewest writes: an endpoint stays in the slice in which it is, new ones fill slices that have room, a slice that would be
 * deleted takes the endpoints of one that would be created.
 *
 * @param standing the Service's slices that this controller manages
 */
export function planSlices(
  service: Stored<Service>,
  groups: readonly EndpointGroup[],
  standing: readonly Stored<EndpointSlice>[],
): SlicePlan {
  const byKey = Map.groupBy(standing, slice => groupKey(slice.addressType, slice.ports ?? []))
  const create: EndpointSlice[] = []
  const update: Stored<EndpointSlice>[] = []
  const spare: Stored<EndpointSlice>[] = []
  for (const group of groups) {
    const key = groupKey(group.addressType, group.ports)
    const { filled, rest } = fill(byKey.get(key) ?? [], group)
    byKey.delete(key)
    const isPlaceholder = group.endpoints.size === 0
    for (const [index, { slice, endpoints }] of filled.entries()) {
      if (endpoints.length === 0 && !(isPlaceholder && index === 0)) spare.push(slice)
      else if (needsWrite(service, slice, endpoints)) update.push(withEndpoints(service, slice, endpoints))
    }
    for (let at = 0; at < rest.length || (isPlaceholder && filled.length === 0 && at === 0); at += ENDPOINT_COUNT_MAX) {
      create.push(buildSlice(service, group, rest.slice(at, at + ENDPOINT_COUNT_MAX)))
    }
  }
  for (const slices of byKey.values()) spare.push(...slices)
  return recycle({ create, update, remove: spare })
}

/** Shares a group's endpoints out among its slices. @returns what each slice shall hold, and the endpoints that need new ones */
function fill(slices: readonly Stored<EndpointSlice>[], group: EndpointGroup) {
  const unplaced = new Map(group.endpoints)
  const filled = slices.map(slice => {
    const endpoints: Endpoint[] = []
    for (const { targetRef } of slice.endpoints ?? []) {
      const endpoint = unplaced.get(targetRef?.uid ?? '')
      if (!endpoint) continue
      endpoints.push(endpoint)
      unplaced.delete(targetRef!.uid!)
    }
    return { slice, endpoints }
  })
  const rest = [...unplaced.values()]
  // The fullest first, so that slices fill up and few of them change.
  for (const { endpoints } of [...filled].sort((a, b) => b.endpoints.length - a.endpoints.length)) {
    endpoints.push(...rest.splice(0, ENDPOINT_COUNT_MAX - endpoints.length))
  }
  return { filled, rest }
}

/** Only the address type of a slice cannot be changed. */
function recycle({ create, update, remove }: SlicePlan): SlicePlan {
  const [toCreate, toUpdate, toRemove] = [[...create], [...update], [...remove]]
  for (const wanted of create) {
    const at = toRemove.findIndex(slice => slice.addressType === wanted.addressType && !slice.metadata.deletionTimestamp)
    if (at < 0) continue
    const [slice] = toRemove.splice(at, 1)
    toCreate.splice(toCreate.indexOf(wanted), 1)
    toUpdate.push({
      ...slice!,
      metadata: { ...slice!.metadata, ...labelsAndOwner(wanted) },
      ports: wanted.ports ?? [],
      endpoints: wanted.endpoints,
    })
  }
  return { create: toCreate, update: toUpdate, remove: toRemove }
}

function buildSlice(service: Stored<Service>, group: EndpointGroup, endpoints: Endpoint[]): EndpointSlice {
  return {
    metadata: {
      generateName: `${service.metadata.name}-`,
      namespace: service.metadata.namespace!,
      labels: sliceLabels(service),
      ownerReferences: [controllerReference(RESOURCES.services, service)],
    },
    addressType: group.addressType,
    ports: [...group.ports],
    endpoints,
  }
}

function needsWrite(service: Stored<Service>, slice: Stored<EndpointSlice>, endpoints: Endpoint[]): boolean {
  return !isDeepStrictEqual(slice.endpoints ?? [], endpoints) || !isDeepStrictEqual(slice.metadata.labels, sliceLabels(service))
}

function withEndpoints(service: Stored<Service>, slice: Stored<EndpointSlice>, endpoints: Endpoint[]): Stored<EndpointSlice> {
  return { ...slice, metadata: { ...slice.metadata, labels: sliceLabels(service) }, endpoints }
}

function labelsAndOwner({ metadata }: EndpointSlice) {
  const { labels = {}, ownerReferences = [] } = metadata ?? {}
  return { labels, ownerReferences }
}

function sliceLabels(service: Stored<Service>): Record<string, string> {
  const { [HEADLESS_LABEL]: _, ...labels } = service.metadata.labels ?? {}
  return {
    ...labels,
    ...(service.spec?.clusterIP === 'None' ? { [HEADLESS_LABEL]: '' } : {}),
    [SERVICE_LABEL]: service.metadata.name,
    [MANAGER_LABEL]: MANAGER,
  }
}
