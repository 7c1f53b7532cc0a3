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

/**
 * Gives a Service its cluster IP and node ports, or says why the wanted ones cannot be had.
 *
 * @param taken every Service there is; looked through only when something is to be had, which most updates do not ask for
 */
export function allocateService(next: Draft, previous: Draft | undefined, taken: () => Iterable<Draft>): FieldError[] {
  const spec = next.spec ?? {}
  if (spec['type'] === 'ExternalName') {
    for (const field of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy', 'internalTrafficPolicy']) delete spec[field]
    return []
  }
  const isTaken = (test: (spec: Json) => boolean) => {
    for (const other of taken()) if (other.metadata.uid !== next.metadata.uid && test(other.spec ?? {})) return true
    return false
  }
  return [...allocateIp(spec, previous, isTaken), ...allocatePorts(spec, isTaken)]
}

type IsTaken = (test: (spec: Json) => boolean) => boolean

function allocateIp(spec: Json, previous: Draft | undefined, isTaken: IsTaken): FieldError[] {
  // One without selector has no pods to say which family it is of, so a headless one is told to be of both.
  const isSelectorless = Object.keys((spec['selector'] ?? {}) as object).length === 0
  if (spec['clusterIP'] === 'None' && isSelectorless && !spec['ipFamilyPolicy'] && !spec['ipFamilies']) {
    spec['ipFamilyPolicy'] = 'RequireDualStack'
    spec['ipFamilies'] = ['IPv4', 'IPv6']
  }
  spec['ipFamilyPolicy'] ??= 'SingleStack'
  if (spec['clusterIP'] === 'None') {
    spec['clusterIPs'] = ['None']
    spec['ipFamilies'] ??= ['IPv4']
    return []
  }
  const wanted = spec['clusterIP'] as string | undefined
  if (wanted && wanted === previous?.spec?.['clusterIP']) return []
  const isUsed = (ip: string) => isTaken(other => other['clusterIP'] === ip)
  if (wanted) {
    const refuse = (why: string) => [invalidValue('spec.clusterIPs', [wanted], `failed to allocate IP ${wanted}: ${why}`)]
    if (isIPv4(wanted) && !wanted.startsWith(`${CLUSTER_NETWORK}.`)) {
      return refuse('the provided network does not match the current range')
    }
    if (isUsed(wanted)) return refuse('provided IP is already allocated')
  }
  const ip = wanted ?? firstFree(randomIp, isUsed)
  if (ip === undefined) return [invalidValue('spec.clusterIPs', [], 'failed to allocate a serviceIP: range is full')]
  spec['clusterIP'] = ip
  spec['clusterIPs'] = [ip]
  spec['ipFamilies'] ??= [isIP(ip) === 6 ? 'IPv6' : 'IPv4']
  return []
}

function allocatePorts(spec: Json, isTaken: IsTaken): FieldError[] {
  const ports = (spec['ports'] ?? []) as Json[]
  if (!needsNodePorts(spec)) {
    if (spec['type'] === 'ClusterIP') for (const port of ports) delete port['nodePort']
    return []
  }
  const errors: FieldError[] = []
  const own = new Set<string>()
  for (const [index, port] of ports.entries()) {
    const { protocol } = port
    const wanted = port['nodePort'] as number | undefined
    const field = `spec.ports[${index}].nodePort`
    const holds = (other: Json, number: number) =>
      ((other['ports'] ?? []) as Json[]).some(each => each['nodePort'] === number && each['protocol'] === protocol)
    const isUsed = (number: number) => own.has(`${protocol}/${number}`) || isTaken(other => holds(other, number))
    if (wanted && (wanted < NODE_PORT_MIN || wanted > NODE_PORT_MAX)) {
      const range = `The range of valid ports is ${NODE_PORT_MIN}-${NODE_PORT_MAX}`
      errors.push(invalidValue(field, wanted, `provided port is not in the valid range. ${range}`))
    } else if (wanted && isUsed(wanted)) errors.push(invalidValue(field, wanted, 'provided port is already allocated'))
    const number = wanted || firstFree(randomPort, isUsed)
    if (number === undefined) errors.push(invalidValue(field, 0, 'failed to allocate a nodePort: range is full'))
    else {
      port['nodePort'] = number
      own.add(`${protocol}/${number}`)
    }
  }
  return errors
}

/** So many draws miss a tenth of free ports once in 10^23 times. */
const DRAWS_MAX = 500

function firstFree<T>(draw: () => T, isUsed: (value: T) => boolean): T | undefined {
  for (let count = 0; count < DRAWS_MAX; count++) {
    const value = draw()
    if (!isUsed(value)) return value
  }
  return undefined
}

function randomPort(): number {
  return randomInt(NODE_PORT_MIN, NODE_PORT_MAX + 1)
}

function randomIp(): string {
  // .0.1 is the API server's own by custom, .0.0 and .255.255 are no host addresses.
  return `${CLUSTER_NETWORK}.${randomInt(1, 255)}.${randomInt(1, 255)}`
}
