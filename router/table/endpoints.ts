import type { Service } from 'kubernetes-types/core/v1'
import type { EndpointSlice } from 'kubernetes-types/discovery/v1'
import { type Endpoint, endpoint } from './route.ts'

/**
 * The addresses behind a port of a Service, straight from its EndpointSlices, in the order of their keys. Of a Service with two
 * address families the first is used: both lead to the same pods.
 *
 * @param port the Service's own port; where it has none of that number, its port `http` or its only one counts
 * @see https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#conditions
 */
export function readEndpoints(service: Service, slices: readonly EndpointSlice[], port: number): Endpoint[] {
  const portName = findPort(service, port)?.name ?? ''
  const family = service.spec?.ipFamilies?.[0]
  const found = new Map<string, Endpoint>()
  for (const slice of slices) {
    if (slice.addressType === 'FQDN') continue
    const number = slice.ports?.find(candidate => (candidate.name ?? '') === portName && isTcp(candidate.protocol))?.port
    if (number === undefined) continue
    for (const { addresses, conditions } of slice.endpoints ?? []) {
      // The addresses of one entry are one pod's; more than the first are not defined to mean anything.
      const address = addresses[0]?.toLowerCase()
      if (!address) continue
      const serving = conditions?.serving ?? conditions?.ready ?? true
      const one = endpoint(address, number, { serving, terminating: conditions?.terminating ?? false })
      // While a pod moves between slices it stands in both; the one that lets it serve is the newer.
      if (!found.get(one.key)?.serving) found.set(one.key, one)
    }
  }
  const all = [...found.values()].sort((a, b) => (a.key < b.key ? -1 : 1))
  const preferred = all.filter(({ address }) => address.includes(':') === (family === 'IPv6'))
  return family && preferred.length > 0 ? preferred : all
}

/** Whether two readings came to the same. */
export function areSame(some: readonly Endpoint[], others: readonly Endpoint[]): boolean {
  return (
    some.length === others.length &&
    some.every(({ key, serving, terminating }, index) => {
      const other = others[index]!
      return key === other.key && serving === other.serving && terminating === other.terminating
    })
  )
}

/** The Service's port of that number, else its port `http`, else its only port. */
export function findPort(service: Service, port: number) {
  const ports = (service.spec?.ports ?? []).filter(candidate => isTcp(candidate.protocol))
  return (
    ports.find(candidate => candidate.port === port) ??
    ports.find(candidate => candidate.name === 'http') ??
    (ports.length === 1 ? ports[0] : undefined)
  )
}

function isTcp(protocol: string | undefined): boolean {
  return (protocol ?? 'TCP') === 'TCP'
}
