import { isIP } from 'node:net'
import { duplicate, type FieldError, forbiddenField, invalidValue, notSupported, required } from '../field-error.ts'
import type { Json } from '../schema/decode.ts'
import { isSame } from './compare.ts'
import type { Draft } from './kind.ts'
import { labelFaults, labelValueFaults, portFaults, portNameFaults, qualifiedNameFaults, subdomainFaults } from './names.ts'
import { isExternal } from './service.ts'

const TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort']
const PROTOCOLS = ['SCTP', 'TCP', 'UDP']
const SESSION_SECONDS_MAX = 86_400

/** What the real server checks of a Service (`validateService` in pkg/apis/core/validation). */
export function validateService(object: Draft): FieldError[] {
  const spec = object.spec ?? {}
  const type = String(spec['type'])
  const ports = (spec['ports'] ?? []) as Json[]
  const headless = spec['clusterIP'] === 'None'
  const errors: FieldError[] = []
  if (ports.length === 0 && !headless && type !== 'ExternalName') errors.push(required('spec.ports'))
  if (type === 'ExternalName') errors.push(...externalNameErrors(spec))
  if (headless && (type === 'LoadBalancer' || type === 'NodePort')) {
    errors.push(invalidValue('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${type} services`))
  }
  errors.push(...portErrors(ports))
  errors.push(...selectorErrors(spec['selector'], 'spec.selector'))
  errors.push(...affinityErrors(spec))
  if (!TYPES.includes(type)) errors.push(notSupported('spec.type', type, TYPES))
  errors.push(...clusterIpErrors(spec, type))
  for (const [index, ip] of ((spec['externalIPs'] ?? []) as string[]).entries()) {
    if (!isIP(ip))
      errors.push(invalidValue(`spec.externalIPs[${index}]`, ip, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'))
  }
  if (type === 'ClusterIP') {
    for (const [index, port] of ports.entries()) {
      if (port['nodePort']) errors.push(forbiddenField(`spec.ports[${index}].nodePort`, "may not be used when `type` is 'ClusterIP'"))
    }
  }
  errors.push(...duplicatePorts(ports))
  errors.push(...trafficErrors(spec), ...familyErrors(spec), ...balancerErrors(spec))
  return errors
}

/** What may not change on a Service. */
export function validateServiceUpdate(next: Draft, previous: Draft): FieldError[] {
  const spec = next.spec ?? {}
  const old = previous.spec ?? {}
  if (spec['type'] === 'ExternalName' || old['type'] === 'ExternalName') return []
  const ips = (spec['clusterIPs'] ?? []) as string[]
  const oldIps = (old['clusterIPs'] ?? []) as string[]
  if (isSame(ips, oldIps)) return []
  if (ips.length === 0) return [invalidValue('spec.clusterIPs[0]', ips, 'primary clusterIP can not be unset')]
  if (oldIps.length > 0 && ips[0] !== oldIps[0]) return [invalidValue('spec.clusterIPs[0]', ips, 'may not change once set')]
  return []
}

/** Faults of a label map that selects. */
export function selectorErrors(selector: unknown, path: string): FieldError[] {
  return Object.entries((selector ?? {}) as Record<string, string>).flatMap(([key, value]) => [
    ...qualifiedNameFaults(key).map(fault => invalidValue(path, key, fault)),
    ...labelValueFaults(value).map(fault => invalidValue(path, value, fault)),
  ])
}

function externalNameErrors(spec: Json): FieldError[] {
  const errors: FieldError[] = []
  for (const field of ['clusterIPs', 'ipFamilies', 'ipFamilyPolicy']) {
    const value = spec[field]
    if (value === undefined || (Array.isArray(value) && value.length === 0)) continue
    if (field === 'clusterIPs') errors.push(forbiddenField('spec.clusterIPs', 'may not be set for ExternalName services'))
    else errors.push(forbiddenField(`spec.${field}`, 'may not be set for ExternalName services'))
  }
  const name = String(spec['externalName'] ?? '').replace(/\.$/, '')
  if (!name) errors.push(required('spec.externalName'))
  else errors.push(...subdomainFaults(name).map(fault => invalidValue('spec.externalName', name, fault)))
  return errors
}

function portErrors(ports: readonly Json[]): FieldError[] {
  const errors: FieldError[] = []
  const names = new Set<string>()
  for (const [index, port] of ports.entries()) {
    const path = `spec.ports[${index}]`
    const name = String(port['name'] ?? '')
    if (!name && ports.length > 1) errors.push(required(`${path}.name`))
    else if (name) {
      errors.push(...labelFaults(name).map(fault => invalidValue(`${path}.name`, name, fault)))
      if (names.has(name)) errors.push(duplicate(`${path}.name`, name))
      names.add(name)
    }
    errors.push(...portFaults(Number(port['port'])).map(fault => invalidValue(`${path}.port`, port['port'], fault)))
    if (!PROTOCOLS.includes(String(port['protocol']))) errors.push(notSupported(`${path}.protocol`, port['protocol'], PROTOCOLS))
    const target = port['targetPort']
    const faults = typeof target === 'number' ? portFaults(target) : portNameFaults(String(target))
    errors.push(...faults.map(fault => invalidValue(`${path}.targetPort`, target, fault)))
    const protocol = port['appProtocol'] as string | undefined
    if (protocol !== undefined) {
      errors.push(...qualifiedNameFaults(protocol).map(fault => invalidValue(`${path}.appProtocol`, protocol, fault)))
    }
  }
  return errors
}

function duplicatePorts(ports: readonly Json[]): FieldError[] {
  const errors: FieldError[] = []
  const seen = new Set<string>()
  for (const [index, { port, protocol }] of (ports as { port: number; protocol: string }[]).entries()) {
    const key = `${protocol}/${port}`
    // The real server shows its own struct here, with Go's names.
    const shown = { Name: '', Protocol: protocol, AppProtocol: null, Port: port, TargetPort: 0, NodePort: 0 }
    if (seen.has(key)) errors.push(duplicate(`spec.ports[${index}]`, shown))
    seen.add(key)
  }
  return errors
}

function affinityErrors(spec: Json): FieldError[] {
  const affinity = String(spec['sessionAffinity'])
  if (affinity !== 'ClientIP' && affinity !== 'None') return [notSupported('spec.sessionAffinity', affinity, ['ClientIP', 'None'])]
  if (affinity !== 'ClientIP') return []
  const seconds = Number(((spec['sessionAffinityConfig'] as Json)?.['clientIP'] as Json)?.['timeoutSeconds'])
  if (seconds > 0 && seconds <= SESSION_SECONDS_MAX) return []
  const path = 'spec.sessionAffinityConfig.clientIP.timeoutSeconds'
  return [invalidValue(path, seconds, `must be greater than 0 and less than ${SESSION_SECONDS_MAX}`)]
}

function clusterIpErrors(spec: Json, type: string): FieldError[] {
  if (type === 'ExternalName') return []
  const ip = spec['clusterIP'] as string | undefined
  const ips = (spec['clusterIPs'] ?? []) as string[]
  const errors: FieldError[] = []
  if (ip) {
    if (ips.length === 0) errors.push(required('spec.clusterIPs'))
    else if (ips[0] !== ip) errors.push(invalidValue('spec.clusterIPs', ips, 'first value must match `clusterIP`'))
  } else if (ips.length > 0) errors.push(invalidValue('spec.clusterIPs', ips, 'must be empty when `clusterIP` is not specified'))
  for (const [index, each] of ips.entries()) {
    if (index === 0 && each === 'None') {
      if (ips.length > 1) errors.push(invalidValue('spec.clusterIPs', ips, "'None' must be the first and only value"))
    } else if (!isIP(each)) {
      errors.push(invalidValue(`spec.clusterIPs[${index}]`, each, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'))
    }
  }
  return errors
}

function trafficErrors(spec: Json): FieldError[] {
  const errors: FieldError[] = []
  const internal = spec['internalTrafficPolicy']
  const external = spec['externalTrafficPolicy']
  if (internal !== undefined && internal !== 'Cluster' && internal !== 'Local') {
    errors.push(notSupported('spec.internalTrafficPolicy', internal, ['Cluster', 'Local']))
  }
  if (external !== undefined) {
    if (!isExternal(spec)) {
      errors.push(invalidValue('spec.externalTrafficPolicy', external, 'may only be set for externally-accessible services'))
    } else if (external !== 'Cluster' && external !== 'Local') {
      errors.push(notSupported('spec.externalTrafficPolicy', external, ['Cluster', 'Local']))
    }
  }
  return errors
}

const DISTRIBUTIONS = ['PreferClose', 'PreferSameZone', 'PreferSameNode']

/** One address family is all there is here; a headless Service without selector alone may name two. */
function familyErrors(spec: Json): FieldError[] {
  const policy = spec['ipFamilyPolicy']
  const families = (spec['ipFamilies'] ?? []) as string[]
  const errors: FieldError[] = []
  const isFree = spec['clusterIP'] === 'None' && Object.keys((spec['selector'] ?? {}) as object).length === 0
  const policies = ['PreferDualStack', 'RequireDualStack', 'SingleStack']
  if (policy !== undefined && !policies.includes(String(policy))) errors.push(notSupported('spec.ipFamilyPolicy', policy, policies))
  if (policy === 'RequireDualStack' && !isFree) {
    errors.push(invalidValue('spec.ipFamilyPolicy', policy, 'this cluster is not configured for dual-stack services'))
  }
  for (const [index, family] of families.entries()) {
    if (family !== 'IPv4' && family !== 'IPv6') errors.push(notSupported(`spec.ipFamilies[${index}]`, family, ['IPv4', 'IPv6']))
    else if (family === 'IPv6' && !isFree) errors.push(invalidValue(`spec.ipFamilies[${index}]`, family, 'not configured on this cluster'))
  }
  const distribution = spec['trafficDistribution']
  if (distribution !== undefined && !DISTRIBUTIONS.includes(String(distribution))) {
    errors.push(notSupported('spec.trafficDistribution', distribution, DISTRIBUTIONS))
  }
  return errors
}

function balancerErrors(spec: Json): FieldError[] {
  const errors: FieldError[] = []
  const ranges = (spec['loadBalancerSourceRanges'] ?? []) as string[]
  if (ranges.length > 0 && spec['type'] !== 'LoadBalancer') {
    errors.push(forbiddenField('spec.LoadBalancerSourceRanges', "may only be used when `type` is 'LoadBalancer'"))
  }
  for (const [index, range] of ranges.entries()) {
    const [address = '', bits = '', ...rest] = range.trim().split('/')
    const isCidr = isIP(address) && /^\d+$/.test(bits) && Number(bits) <= (isIP(address) === 6 ? 128 : 32) && rest.length === 0
    const text = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'
    if (!isCidr) errors.push(invalidValue(`spec.LoadBalancerSourceRanges[${index}]`, range, text))
  }
  const health = spec['healthCheckNodePort']
  if (health && !(spec['type'] === 'LoadBalancer' && spec['externalTrafficPolicy'] === 'Local')) {
    const text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
    errors.push(invalidValue('spec.healthCheckNodePort', health, text))
  }
  const balancer = spec['loadBalancerClass']
  if (balancer && spec['type'] !== 'LoadBalancer') {
    errors.push(forbiddenField('spec.loadBalancerClass', "may only be used when `type` is 'LoadBalancer'"))
  }
  return errors
}
