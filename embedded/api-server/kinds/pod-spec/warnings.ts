import type { Json } from '../../schema/decode.ts'

/** What is legal in a pod spec and hardly meant, in the real server's words. */
export function podWarnings(spec: Json, path: string): string[] {
  const warnings: string[] = []
  for (const [index, constraint] of list(spec['topologySpreadConstraints']).entries()) {
    if (!constraint['labelSelector']) {
      warnings.push(`${path}.topologySpreadConstraints[${index}].labelSelector: a null labelSelector results in matching no pod`)
    }
  }
  for (const field of ['containers', 'initContainers']) {
    for (const [index, container] of list(spec[field]).entries()) {
      const place = `${path}.${field}[${index}]`
      warnings.push(...hiddenVariables(list(container['env']), `${place}.env`), ...doubledPorts(list(container['ports']), `${place}.ports`))
    }
  }
  return warnings
}

/** A second value is meant only where it builds on the first, `A=$(A):more`. */
function hiddenVariables(env: readonly Json[], path: string): string[] {
  const seen = new Set<unknown>()
  return env.flatMap(({ name, value, valueFrom }, index) => {
    const reference = `$(${name})`
    const isHidden = seen.has(name) && (valueFrom || value === reference || !String(value ?? '').includes(reference))
    seen.add(name)
    return isHidden
      ? [`${path}[${index}]: hides previous definition of ${JSON.stringify(name)}, which may be dropped when using apply`]
      : []
  })
}

function doubledPorts(ports: readonly Json[], path: string): string[] {
  const seen = new Map<string, number>()
  return ports.flatMap(({ containerPort, protocol, hostPort, hostIP }, index) => {
    const key = JSON.stringify([containerPort, protocol, hostPort, hostIP])
    const first = seen.get(key)
    if (first === undefined) seen.set(key, index)
    return first === undefined ? [] : [`${path}[${index}]: duplicate port definition with ${path}[${first}]`]
  })
}

function list(value: unknown): Json[] {
  return Array.isArray(value) ? (value as Json[]) : []
}
