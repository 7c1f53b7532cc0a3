import { isIP } from 'node:net'
import { RESOURCES } from '../../../kernel/kubernetes/objects.ts'
import { type FieldError, invalidValue, notSupported, required } from '../field-error.ts'
import type { Json } from '../schema/decode.ts'
import { reachFaults } from './addresses.ts'
import { AGE, age, column, NAME } from './columns.ts'
import type { Draft, Kind } from './kind.ts'
import { labelFaults, portFaults, subdomainFaults } from './names.ts'

export const endpoints: Kind = {
  ...RESOURCES.endpoints,
  singular: 'endpoints',
  shortNames: ['ep'],
  type: 'io.k8s.api.core.v1.Endpoints',
  status: false,
  scale: false,
  createOnUpdate: true,
  deleteCollection: true,
  generation: false,
  nameFaults: subdomainFaults,
  deprecation: 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice',
  defaults(object) {
    for (const subset of subsets(object)) for (const port of (subset['ports'] ?? []) as Json[]) port['protocol'] ||= 'TCP'
  },
  validate,
  columns: [NAME, column('Endpoints', 'The addresses behind the Service.'), AGE],
  cells: (object, now) => [object.metadata.name, format(object), age(object, now)],
}

function validate(object: Draft): FieldError[] {
  return subsets(object).flatMap((subset, index) => {
    const path = `subsets[${index}]`
    const addresses = (subset['addresses'] ?? []) as Json[]
    const notReady = (subset['notReadyAddresses'] ?? []) as Json[]
    const ports = (subset['ports'] ?? []) as Json[]
    const errors: FieldError[] = []
    if (addresses.length === 0 && notReady.length === 0) errors.push(required(path, 'must specify `addresses` or `notReadyAddresses`'))
    for (const [at, address] of addresses.entries()) errors.push(...addressErrors(address, `${path}.addresses[${at}]`))
    for (const [at, address] of notReady.entries()) errors.push(...addressErrors(address, `${path}.notReadyAddresses[${at}]`))
    for (const [at, port] of ports.entries()) {
      const name = String(port['name'] ?? '')
      if (!name && ports.length > 1) errors.push(required(`${path}.ports[${at}].name`))
      if (name) errors.push(...labelFaults(name).map(fault => invalidValue(`${path}.ports[${at}].name`, name, fault)))
      errors.push(...portFaults(Number(port['port'])).map(fault => invalidValue(`${path}.ports[${at}].port`, port['port'], fault)))
      const protocols = ['SCTP', 'TCP', 'UDP']
      if (!protocols.includes(String(port['protocol'])))
        errors.push(notSupported(`${path}.ports[${at}].protocol`, port['protocol'], protocols))
    }
    return errors
  })
}

function addressErrors(address: Json, path: string): FieldError[] {
  const { ip = '', hostname = '', nodeName = '' } = address as Record<string, string>
  const errors: FieldError[] = []
  // Said twice, as the real server does, which checks it by two rules.
  if (!isIP(ip)) errors.push(invalidValue(`${path}.ip`, ip, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'))
  if (hostname) errors.push(...labelFaults(hostname).map(fault => invalidValue(`${path}.hostname`, hostname, fault)))
  if (nodeName) errors.push(...subdomainFaults(nodeName).map(fault => invalidValue(`${path}.nodeName`, nodeName, fault)))
  if (!isIP(ip)) errors.push(invalidValue(`${path}.ip`, ip, 'must be a valid IP address'))
  return [...errors, ...reachFaults(ip).map(fault => invalidValue(`${path}.ip`, ip, fault))]
}

const SHOWN_MAX = 3

function format(object: Draft): string {
  const all = subsets(object).flatMap(subset => {
    const addresses = ((subset['addresses'] ?? []) as { ip: string }[]).map(({ ip }) => ip)
    const ports = (subset['ports'] ?? []) as { port: number }[]
    if (ports.length === 0) return addresses
    return ports.flatMap(({ port }) => addresses.map(ip => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`)))
  })
  if (subsets(object).length === 0) return '<none>'
  const text = all.slice(0, SHOWN_MAX).join(',')
  return all.length > SHOWN_MAX ? `${text} + ${all.length - SHOWN_MAX} more...` : text
}

function subsets(object: Draft): Json[] {
  return (object['subsets'] ?? []) as Json[]
}
