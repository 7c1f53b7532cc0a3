import type { Json } from '../../schema/decode.ts'
import { compareQuantities } from '../../schema/quantity.ts'

/**
 * The quality-of-service class: Guaranteed when every container's limits equal its requests for CPU and memory, BestEffort when no
 * container asks for either, else Burstable.
 */
export function qualityOfService(spec: Json): 'Guaranteed' | 'Burstable' | 'BestEffort' {
  const containers = [...((spec['containers'] ?? []) as Json[]), ...((spec['initContainers'] ?? []) as Json[])]
  let isGuaranteed = true
  let isBestEffort = true
  for (const container of containers) {
    const { limits = {}, requests = {} } = (container['resources'] ?? {}) as {
      limits?: Record<string, string>
      requests?: Record<string, string>
    }
    for (const name of ['cpu', 'memory']) {
      const limit = positive(limits[name])
      const request = positive(requests[name]) ?? limit
      if (limit || request) isBestEffort = false
      if (!limit || !request || compareQuantities(limit, request) !== 0) isGuaranteed = false
    }
  }
  return isBestEffort ? 'BestEffort' : isGuaranteed ? 'Guaranteed' : 'Burstable'
}

function positive(amount: string | undefined): string | undefined {
  return amount !== undefined && compareQuantities(amount, '0') > 0 ? amount : undefined
}
