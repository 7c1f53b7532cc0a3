import { isProcessType, PROCESS_TYPE_RULE } from './process-type.ts'
import { invalid } from './refusal.ts'

const MEMORY = /^(([0-9]+(MB|KB|GB|[BKMG])|0)(\/([0-9]+(MB|KB|GB|[BKMG])))?)$/i
const CPU = /^(([-+]?[0-9]*\.?[0-9]+[m]?)(\/([-+]?[0-9]*\.?[0-9]+[m]?))?)$/

/** What a container asks for and may use at most, as Kubernetes quantities. */
export interface Resources {
  readonly requests?: Readonly<Record<string, string>>
  readonly limits?: Readonly<Record<string, string>>
}

/** Checks the memory limit of a process type. @throws {Refusal} 400 under `memory` */
export function checkMemory(type: string, value: string): [string, string] {
  checkType('memory', type)
  if (!MEMORY.test(value))
    throw invalid('memory', 'Memory limit format: <number><unit> or <number><unit>/<number><unit>, where unit = B, K, M or G')
  return [type, value]
}

/** Checks the CPU limit of a process type. @throws {Refusal} 400 under `cpu` */
export function checkCpu(type: string, value: string): [string, string] {
  checkType('cpu', type)
  // A sign is let through by the pattern that clients know; a negative quantity is none that Kubernetes takes.
  if (!CPU.test(value) || value.includes('-'))
    throw invalid('cpu', 'CPU limit format: <value> or <value>/<value>, where value must be a numeric')
  return [type, value]
}

/** Puts both limits of a process type together: `A/B` asks for A and allows B, a single value only limits. */
export function resourcesOf(memory: string | undefined, cpu: string | undefined): Resources {
  const requests: Record<string, string> = {}
  const limits: Record<string, string> = {}
  for (const [resource, text, quantity] of [['memory', memory, memoryQuantity] as const, ['cpu', cpu, cpuQuantity] as const]) {
    if (!text) continue
    const [first = '', second] = text.split('/')
    if (second !== undefined) requests[resource] = quantity(first)
    limits[resource] = quantity(second ?? first)
  }
  return {
    ...(Object.keys(requests).length > 0 ? { requests } : {}),
    ...(Object.keys(limits).length > 0 ? { limits } : {}),
  }
}

/** `64M` and `64MB` are 64 mebibytes, as they were to Docker; `512B` is bytes, which Kubernetes writes without a unit. */
function memoryQuantity(text: string): string {
  const [, number = '0', unit = ''] = /^(\d+)([BKMG]?)B?$/i.exec(text) ?? []
  return /^[KMG]$/i.test(unit) ? `${number}${unit.toUpperCase()}i` : number
}

/** Kubernetes takes `0.5` and `500m` but neither a plus sign nor a number that starts with its point. */
function cpuQuantity(text: string): string {
  return text.replace(/^\+/, '').replace(/^\./, '0.')
}

function checkType(map: 'memory' | 'cpu', type: string): void {
  if (!isProcessType(type)) throw invalid(map, PROCESS_TYPE_RULE)
}
