import type { Service } from 'kubernetes-types/core/v1'
import type { EndpointSlice } from 'kubernetes-types/discovery/v1'
import type { Stored } from '../../kernel/kubernetes/objects.ts'
import { Annotations, type Family, type Fault } from './annotations.ts'
import { readEndpoints } from './endpoints.ts'
import type { RouteSpec } from './spec.ts'
import { parseTimeout, parseWord } from './values.ts'

/** The port of the builder's Service that git's SSH goes to. */
const GIT_PORT = 2222

/**
 * Where raw connections of the git port go, contract section 3; `null` where there is no builder, or none with that port.
 *
 * @param was the last one: what cannot be read stays as it says
 */
export function buildGitRoute(
  builder: Stored<Service> | undefined,
  slices: readonly EndpointSlice[],
  family: Family,
  was?: RouteSpec | null,
): { route: RouteSpec | null; faults: readonly Fault[] } {
  if (!builder?.spec?.ports?.some(({ port }) => port === GIT_PORT)) return { route: null, faults: [] }
  const annotations = new Annotations(builder.metadata.annotations, family)
  const last = was?.policy
  const lastHeader = last?.proxyHeader ? 'v2' : 'off'
  const proxyHeader = annotations.one('x-proxy-protocol', 'off', text => parseWord(text, ['v2', 'off']), lastHeader) === 'v2'
  const policy = {
    connectTimeoutMs: annotations.one('nginx.connectTimeout', 10_000, parseTimeout, last?.connectTimeoutMs),
    idleTimeoutMs: annotations.one('nginx.tcpTimeout', 1_200_000, parseTimeout, last?.idleTimeoutMs),
    maintenance: false,
    sslEnforce: false,
    requestStart: false,
    bodyBytesMax: 0,
    ...(proxyHeader && { proxyHeader }),
  }
  const { name, namespace = '' } = builder.metadata
  const route = { app: name, namespace, service: name, policy, endpoints: readEndpoints(builder, slices, GIT_PORT), locations: [] }
  return { route, faults: annotations.faults.map(fault => ({ ...fault, key: `${name} ${fault.key}` })) }
}
