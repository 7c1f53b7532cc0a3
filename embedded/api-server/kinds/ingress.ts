import { isIP } from 'node:net'
import { RESOURCES } from '../../../kernel/kubernetes/objects.ts'
import { type FieldError, invalidValue, notSupported, required } from '../field-error.ts'
import type { Json } from '../schema/decode.ts'
import { AGE, age, column, NAME } from './columns.ts'
import type { Draft, Kind } from './kind.ts'
import { labelFaults, subdomainFaults, wildcardFaults } from './names.ts'

const PATH_TYPES = ['Exact', 'ImplementationSpecific', 'Prefix']
const PATH_PARTS = ['//', '/./', '/../', '%2f', '%2F']
const PATH_ENDS = ['/..', '/.']
const HOSTS_SHOWN_MAX = 3

/** An object only: nothing here serves it. */
export const ingress: Kind = {
  ...RESOURCES.ingresses,
  singular: 'ingress',
  shortNames: ['ing'],
  type: 'io.k8s.api.networking.v1.Ingress',
  status: true,
  scale: false,
  deleteCollection: true,
  generation: 'spec',
  nameFaults: subdomainFaults,
  prepareCreate(object) {
    object.status = { loadBalancer: {} }
  },
  prepareUpdate(next, previous) {
    next.status = previous.status ?? { loadBalancer: {} }
  },
  prepareStatus(next, previous) {
    if (previous.spec) next.spec = previous.spec
  },
  validate,
  columns: [
    NAME,
    column('Class', 'Whose configuration it is.'),
    column('Hosts', 'Hosts that incoming requests are matched against before the ingress rule'),
    column('Address', 'Where its load balancer is.'),
    column('Ports', 'Ports of TLS configurations that open'),
    AGE,
  ],
  cells(object, now) {
    const spec = object.spec ?? {}
    const rules = (spec['rules'] ?? []) as { host?: string }[]
    const hosts = rules
      .slice(0, HOSTS_SHOWN_MAX)
      .flatMap(({ host }) => (host ? [host] : []))
      .join(',')
    const more = rules.length > HOSTS_SHOWN_MAX ? ` + ${rules.length - HOSTS_SHOWN_MAX} more...` : ''
    const addresses = ((object.status?.['loadBalancer'] as Json | undefined)?.['ingress'] ?? []) as { ip?: string; hostname?: string }[]
    return [
      object.metadata.name,
      String(spec['ingressClassName'] ?? '<none>'),
      hosts ? `${hosts}${more}` : '*',
      addresses.map(({ ip, hostname }) => ip || hostname || '').join(','),
      ((spec['tls'] ?? []) as Json[]).length > 0 ? '80, 443' : '80',
      age(object, now),
    ]
  },
}

function validate(object: Draft): FieldError[] {
  const spec = object.spec ?? {}
  const rules = (spec['rules'] ?? []) as Json[]
  const backend = spec['defaultBackend'] as Json | undefined
  const errors: FieldError[] = []
  if (rules.length === 0 && !backend) errors.push(invalidValue('spec', null, 'either `defaultBackend` or `rules` must be specified'))
  if (backend) errors.push(...backendErrors(backend, 'spec.defaultBackend'))
  for (const [index, rule] of rules.entries()) {
    const host = String(rule['host'] ?? '')
    if (host) {
      if (isIP(host)) errors.push(invalidValue(`spec.rules[${index}].host`, host, 'must be a DNS name, not an IP address'))
      const faults = host.includes('*') ? wildcardFaults(host) : subdomainFaults(host)
      errors.push(...faults.map(fault => invalidValue(`spec.rules[${index}].host`, host, fault)))
    }
    const paths = ((rule['http'] as Json | undefined)?.['paths'] ?? []) as Json[]
    if (rule['http'] && paths.length === 0) errors.push(required(`spec.rules[${index}].http.paths`))
    for (const [at, path] of paths.entries()) errors.push(...pathErrors(path, `spec.rules[${index}].http.paths[${at}]`))
  }
  for (const [index, tls] of ((spec['tls'] ?? []) as Json[]).entries()) {
    for (const [at, host] of ((tls['hosts'] ?? []) as string[]).entries()) {
      const faults = host.includes('*') ? wildcardFaults(host) : subdomainFaults(host)
      errors.push(...faults.map(fault => invalidValue(`spec.tls[${index}].hosts[${at}]`, host, fault)))
    }
    const secret = String(tls['secretName'] ?? '')
    if (secret) errors.push(...subdomainFaults(secret).map(fault => invalidValue(`spec.tls[${index}].secretName`, secret, fault)))
  }
  const className = spec['ingressClassName'] as string | undefined
  if (className !== undefined) {
    errors.push(...subdomainFaults(className).map(fault => invalidValue('spec.ingressClassName', className, fault)))
  }
  return errors
}

function pathErrors(path: Json, place: string): FieldError[] {
  const type = path['pathType'] as string | undefined
  const text = String(path['path'] ?? '')
  const errors: FieldError[] = []
  if (type === undefined || type === null) errors.push(required(`${place}.pathType`, 'pathType must be specified'))
  else if (!PATH_TYPES.includes(type)) errors.push(notSupported(`${place}.pathType`, type, PATH_TYPES))
  else if (type === 'ImplementationSpecific') {
    if (text && !text.startsWith('/')) errors.push(invalidValue(`${place}.path`, text, 'must be an absolute path'))
  } else {
    if (!text.startsWith('/')) errors.push(invalidValue(`${place}.path`, text, 'must be an absolute path'))
    for (const part of PATH_PARTS) if (text.includes(part)) errors.push(invalidValue(`${place}.path`, text, `must not contain '${part}'`))
    for (const end of PATH_ENDS) if (text.endsWith(end)) errors.push(invalidValue(`${place}.path`, text, `cannot end with '${end}'`))
  }
  return [...errors, ...backendErrors((path['backend'] ?? {}) as Json, `${place}.backend`)]
}

function backendErrors(backend: Json, place: string): FieldError[] {
  const service = backend['service'] as Json | undefined
  if (backend['resource'] && service) return [invalidValue(place, '', 'cannot set both resource and service backends')]
  if (backend['resource']) return []
  if (!service) return [invalidValue(place, '', 'resource or service backend is required')]
  const name = String(service['name'] ?? '')
  const { port = {} } = service as { port?: Json }
  const errors = name
    ? labelFaults(name).map(fault => invalidValue(`${place}.service.name`, name, fault))
    : [required(`${place}.service.name`)]
  if (!port['name'] && !port['number']) errors.push(required(place, 'port name or number is required'))
  if (port['name'] && port['number']) errors.push(invalidValue(place, '', 'cannot set both port name & port number'))
  return errors
}
