import type { Service } from 'kubernetes-types/core/v1'
import type { EndpointSlice } from 'kubernetes-types/discovery/v1'
import type { Stored } from '../../kernel/kubernetes/objects.ts'
import { Annotations, type Family } from './annotations.ts'
import { readEndpoints } from './endpoints.ts'
import type { RouteSpec } from './spec.ts'
import { parseTimeout, parseWord } from './values.ts'

/** The port of the builder's Service that git's SSH goes to. */
const GIT_PORT = 2222

/** Where raw connections of the git port go, contract section 3; `null` where there is no builder, or none with that port. */
export function buildGitRoute(builder: Stored<Service> | undefined, slices: readonly EndpointSlice[], family: Family): RouteSpec | null {
  if (!builder?.spec?.ports?.some(({ port }) => port === GIT_PORT)) return null
  const annotations = new Annotations(builder.metadata.annotations, family)
  const proxyHeader = annotations.one('x-proxy-protocol', 'off', text => parseWord(text, ['v2', 'off'])) === 'v2'
  const policy = {
    connectTimeoutMs: annotations.one('nginx.connectTimeout', 10_000, parseTimeout),
    idleTimeoutMs: annotations.one('nginx.tcpTimeout', 1_200_000, parseTimeout),
    maintenance: false,
    sslEnforce: false,
    requestStart: false,
    bodyBytesMax: 0,
    ...(proxyHeader && { proxyHeader }),
  }
  const { name, namespace = '' } = builder.metadata
  return { app: name, namespace, service: name, policy, endpoints: readEndpoints(builder, slices, GIT_PORT), locations: [] }
}
