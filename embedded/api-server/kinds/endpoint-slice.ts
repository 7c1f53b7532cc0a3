import { isIP, isIPv4, isIPv6 } from 'node:net'
import { RESOURCES } from '../../../kernel/kubernetes/objects.ts'
import { duplicate, type FieldError, invalidValue, notSupported, required, tooMany } from '../field-error.ts'
import type { Json } from '../schema/decode.ts'
import { reachFaults } from './addresses.ts'
import { AGE, age, column, firstOf, NAME } from './columns.ts'
import type { Draft, Kind } from './kind.ts'
import { labelFaults, qualifiedNameFaults, subdomainFaults } from './names.ts'

const ADDRESS_TYPES = ['FQDN', 'IPv4', 'IPv6']
const PROTOCOLS = ['SCTP', 'TCP', 'UDP']
const ENDPOINTS_MAX = 1000
const PORTS_MAX = 20_000
const ADDRESSES_MAX = 100

export const endpointSlice: Kind = {
  ...RESOURCES.endpointSlices,
  singular: 'endpointslice',
  shortNames: [],
  type: 'io.k8s.api.discovery.v1.EndpointSlice',
  status: false,
  scale: false,
  deleteCollection: true,
  generation: 'all',
  nameFaults: subdomainFaults,
  defaults(object) {
    for (const port of (object['ports'] ?? []) as Json[]) {
      port['name'] ??= ''
      port['protocol'] ??= 'TCP'
    }
  },
  prepareCreate(object) {
    // Of an older version of the API; new slices do not get it.
    for (const endpoint of endpoints(object)) delete endpoint['deprecatedTopology']
  },
  warnings: object => (object['addressType'] === 'FQDN' ? ['spec.addressType: FQDN endpoints are deprecated'] : []),
  validate,
  validateUpdate: (next, previous) =>
    next['addressType'] === previous['addressType'] ? [] : [invalidValue('addressType', next['addressType'], 'field is immutable')],
  columns: [
    NAME,
    column('AddressType', 'What kind of addresses it holds.'),
    column('Ports', 'The ports of each endpoint.'),
    column('Endpoints', 'The addresses.'),
    AGE,
  ],
  cells: (object, now) => [
    object.metadata.name,
    String(object['addressType']),
    firstOf(
      ((object['ports'] ?? []) as { port?: number; name?: string }[]).map(({ port, name }) => String(port ?? name ?? '*')),
      3,
    ),
    firstOf(
      endpoints(object).flatMap(endpoint => (endpoint['addresses'] ?? []) as string[]),
      3,
    ),
    age(object, now),
  ],
}

function validate(object: Draft): FieldError[] {
  const type = String(object['addressType'] ?? '')
  const errors: FieldError[] = []
  if (!type) errors.push(required('addressType'))
  else if (!ADDRESS_TYPES.includes(type)) errors.push(notSupported('addressType', type, ADDRESS_TYPES))
  const all = endpoints(object)
  if (all.length > ENDPOINTS_MAX) return [...errors, tooMany('endpoints', all.length, ENDPOINTS_MAX)]
  for (const [index, endpoint] of all.entries()) errors.push(...endpointErrors(endpoint, `endpoints[${index}]`, type))
  errors.push(...portErrors((object['ports'] ?? []) as Json[]))
  return errors
}

function endpointErrors(endpoint: Json, path: string, type: string): FieldError[] {
  const addresses = (endpoint['addresses'] ?? []) as string[]
  if (addresses.length === 0) return [required(`${path}.addresses`)]
  if (addresses.length > ADDRESSES_MAX) return [tooMany(`${path}.addresses`, addresses.length, ADDRESSES_MAX)]
  const errors: FieldError[] = []
  for (const [index, address] of addresses.entries()) {
    const field = `${path}.addresses[${index}]`
    if (type === 'IPv4' || type === 'IPv6') errors.push(...addressErrors(address, type, field, `${path}.addresses`))
    if (type === 'FQDN') errors.push(...subdomainFaults(address).map(fault => invalidValue(field, address, fault)))
  }
  const node = endpoint['nodeName'] as string | undefined
  if (node !== undefined) errors.push(...subdomainFaults(node).map(fault => invalidValue(`${path}.nodeName`, node, fault)))
  const hostname = endpoint['hostname'] as string | undefined
  if (hostname) errors.push(...labelFaults(hostname).map(fault => invalidValue(`${path}.hostname`, hostname, fault)))
  return errors
}

function addressErrors(address: string, type: 'IPv4' | 'IPv6', field: string, list: string): FieldError[] {
  if (!isIP(address)) return [invalidValue(field, address, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)')]
  if (type === 'IPv4' && !isIPv4(address)) return [invalidValue(list, address, 'must be an IPv4 address')]
  if (type === 'IPv6' && !isIPv6(address)) return [invalidValue(list, address, 'must be an IPv6 address')]
  return reachFaults(address).map(fault => invalidValue(field, address, fault))
}

function portErrors(ports: readonly Json[]): FieldError[] {
  if (ports.length > PORTS_MAX) return [tooMany('ports', ports.length, PORTS_MAX)]
  const errors: FieldError[] = []
  const names = new Set<unknown>()
  for (const [index, port] of ports.entries()) {
    const name = String(port['name'] ?? '')
    if (name) errors.push(...labelFaults(name).map(fault => invalidValue(`ports[${index}].name`, name, fault)))
    if (names.has(name)) errors.push(duplicate(`ports[${index}].name`, name))
    names.add(name)
    if (!PROTOCOLS.includes(String(port['protocol']))) errors.push(notSupported(`ports[${index}].protocol`, port['protocol'], PROTOCOLS))
    // Any number goes: the real server leaves it to who writes the slice.
    const protocol = port['appProtocol'] as string | undefined
    if (protocol !== undefined) {
      errors.push(...qualifiedNameFaults(protocol).map(fault => invalidValue(`ports[${index}].appProtocol`, protocol, fault)))
    }
  }
  return errors
}

function endpoints(object: Draft): Json[] {
  return (object['endpoints'] ?? []) as Json[]
}
