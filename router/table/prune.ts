import type { Secret, Service } from 'kubernetes-types/core/v1'
import type { Endpoint, EndpointPort, EndpointSlice } from 'kubernetes-types/discovery/v1'
import { ROUTER_PREFIXES } from '../../kernel/contract.ts'
import type { Stored } from '../../kernel/kubernetes/objects.ts'
import { shared } from './shared-values.ts'

// What of each object is kept in memory, so that ten thousand apps cost little: routes are the same whether made of the whole object or of
// this. Managed fields alone are often longer than all the rest, and parts that most apps have alike are one object.

/** The label by which a slice says whose it is. */
export const SERVICE_NAME = 'kubernetes.io/service-name'

/** Of a Service: the router's annotations, its name for logs, its ports. */
export function pruneService({ metadata, spec }: Stored<Service>): Stored<Service> {
  const { uid, creationTimestamp, labels, annotations } = metadata
  const ours = Object.entries(annotations ?? {}).filter(([key]) => ROUTER_PREFIXES.some(prefix => key.startsWith(prefix)))
  const { ports = [], ipFamilies } = spec ?? {}
  const kept = ports.map(({ name, port, protocol, appProtocol }) => ({
    port,
    ...(name && { name }),
    ...(protocol && { protocol }),
    ...(appProtocol && { appProtocol }),
  }))
  return {
    metadata: {
      ...identity(metadata),
      uid,
      annotations: Object.fromEntries(ours),
      ...(creationTimestamp !== undefined && { creationTimestamp }),
      ...(labels?.['app'] !== undefined && { labels: { app: labels['app'] } }),
    },
    spec: shared({ ports: kept, ...(ipFamilies && { ipFamilies }) }),
  }
}

/** Of an EndpointSlice: whose it is, addresses with their conditions, ports. */
export function pruneSlice({ metadata, addressType, ports, endpoints }: Stored<EndpointSlice>): Stored<EndpointSlice> {
  const service = metadata.labels?.[SERVICE_NAME]
  return {
    metadata: { ...identity(metadata), uid: '', ...(service !== undefined && { labels: { [SERVICE_NAME]: service } }) },
    addressType,
    endpoints: (endpoints ?? []).map(pruneEndpoint),
    ...(ports && { ports: shared(ports.map(prunePort)) }),
  }
}

/** Of a Secret: a certificate, its key and the authority behind it, decoded, as `stringData` has them. */
export function pruneSecret({ metadata, type, data, stringData }: Stored<Secret>): Stored<Secret> {
  const kept: Record<string, string> = {}
  for (const name of CERTIFICATE_PARTS) {
    const text = stringData?.[name] ?? (data?.[name] === undefined ? undefined : Buffer.from(data[name], 'base64').toString('utf8'))
    if (text !== undefined) kept[name] = text
  }
  // Events on a bad one need its uid.
  return { metadata: { ...identity(metadata), uid: metadata.uid }, ...(type !== undefined && { type }), stringData: kept }
}

/** Also the names that Deis gave them until 2016. */
const CERTIFICATE_PARTS = ['tls.crt', 'tls.key', 'cert', 'key', 'ca.crt']

/** What an informer needs. */
function identity({ name, namespace, resourceVersion }: Stored['metadata']) {
  return { name, ...(namespace !== undefined && { namespace }), resourceVersion }
}

function pruneEndpoint({ addresses, conditions }: Endpoint): Endpoint {
  if (!conditions) return { addresses }
  const { ready, serving, terminating } = conditions
  const kept = {
    ...(ready !== undefined && { ready }),
    ...(serving !== undefined && { serving }),
    ...(terminating !== undefined && { terminating }),
  }
  return { addresses, conditions: shared(kept) }
}

function prunePort({ name, port, protocol }: EndpointPort): EndpointPort {
  return { ...(name !== undefined && { name }), ...(port !== undefined && { port }), ...(protocol !== undefined && { protocol }) }
}
