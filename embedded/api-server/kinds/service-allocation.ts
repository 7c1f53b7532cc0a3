import { randomInt } from 'node:crypto'
import { isIP, isIPv4 } from 'node:net'
import { type FieldError, invalidValue } from '../field-error.ts'
import type { Json } from '../schema/decode.ts'
import type { Draft } from './kind.ts'
import { needsNodePorts } from './service.ts'

/** 10.96.0.0/16, as kubeadm chooses it. Nothing listens there: the router goes straight to endpoints. */
const CLUSTER_NETWORK = '10.96'
const NODE_PORT_MIN = 30_000
const NODE_PORT_MAX = 32_767

/** Gives a Service its cluster IP and node ports, or says why the wanted ones cannot be had. */
export function allocateService(next: Draft, previous: Draft | undefined, taken: Iterable<Draft>): FieldError[] {
  const spec = next.spec ?? {}
  if (spec['type'] === 'ExternalName') {
    for (const field of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy', 'internalTrafficPolicy']) delete spec[field]
    return []
  }
  // Only who needs something looks at all the others: most updates of a Service change neither address nor ports.
  let known: Draft[] | undefined
  const others = () => (known ??= [...taken].filter(other => other.metadata.uid !== next.metadata.uid))
  return [...allocateIp(spec, previous, others), ...allocatePorts(spec, others)]
}

function allocateIp(spec: Json, previous: Draft | undefined, others: () => readonly Draft[]): FieldError[] {
  spec['ipFamilyPolicy'] ??= 'SingleStack'
  if (spec['clusterIP'] === 'None') {
    spec['clusterIPs'] = ['None']
    spec['ipFamilies'] ??= ['IPv4']
    return []
  }
  const wanted = spec['clusterIP'] as string | undefined
  if (wanted && wanted === previous?.spec?.['clusterIP']) return []
  const used = new Set(others().map(other => other.spec?.['clusterIP']))
  if (wanted) {
    if (isIPv4(wanted) && !wanted.startsWith(`${CLUSTER_NETWORK}.`)) {
      return [
        invalidValue(
          'spec.clusterIPs',
          [wanted],
          `failed to allocate IP ${wanted}: the provided IP (${wanted}) is not in the valid range. The range of valid IPs is ${CLUSTER_NETWORK}.0.0/16`,
        ),
      ]
    }
    if (used.has(wanted))
      return [invalidValue('spec.clusterIPs', [wanted], `failed to allocate IP ${wanted}: provided IP is already allocated`)]
  }
  let ip = wanted ?? randomIp()
  while (used.has(ip)) ip = randomIp()
  spec['clusterIP'] = ip
  spec['clusterIPs'] = [ip]
  spec['ipFamilies'] ??= [isIP(ip) === 6 ? 'IPv6' : 'IPv4']
  return []
}

function allocatePorts(spec: Json, others: () => readonly Draft[]): FieldError[] {
  const ports = (spec['ports'] ?? []) as Json[]
  if (!needsNodePorts(spec)) {
    if (spec['type'] === 'ClusterIP') for (const port of ports) delete port['nodePort']
    return []
  }
  const errors: FieldError[] = []
  const used = new Set(
    others().flatMap(other => ((other.spec?.['ports'] ?? []) as Json[]).map(port => `${port['protocol']}/${port['nodePort']}`)),
  )
  ports.forEach((port, index) => {
    const wanted = port['nodePort'] as number | undefined
    const field = `spec.ports[${index}].nodePort`
    if (wanted && (wanted < NODE_PORT_MIN || wanted > NODE_PORT_MAX)) {
      errors.push(
        invalidValue(
          field,
          wanted,
          `provided port is not in the valid range. The range of valid ports is ${NODE_PORT_MIN}-${NODE_PORT_MAX}`,
        ),
      )
    } else if (wanted && used.has(`${port['protocol']}/${wanted}`)) {
      errors.push(invalidValue(field, wanted, 'provided port is already allocated'))
    }
    let nodePort = wanted || randomInt(NODE_PORT_MIN, NODE_PORT_MAX + 1)
    while (!wanted && used.has(`${port['protocol']}/${nodePort}`)) nodePort = randomInt(NODE_PORT_MIN, NODE_PORT_MAX + 1)
    port['nodePort'] = nodePort
    used.add(`${port['protocol']}/${nodePort}`)
  })
  return errors
}

function randomIp(): string {
  // .0.1 is the API server's own by custom, .0.0 and .255.255 are no host addresses.
  return `${CLUSTER_NETWORK}.${randomInt(1, 255)}.${randomInt(1, 255)}`
}
