import type { TableBuilder } from './build.ts'

const SHOWN_MAX = 10

/**
 * What comes close to an answer, in sentences: who else wants a host, what of an app's annotations was refused, which neighbouring names are
 * known. For people; a request never asks it.
 *
 * @param host normal form
 * @param service the key of the one that serves it
 */
export function nearMisses(builder: TableBuilder, host: string, service: string | undefined): string[] {
  const misses: string[] = []
  for (const pattern of patternsOf(host)) {
    const [owner] = builder.claimants(pattern)
    if (owner && owner.app !== service) misses.push(`${owner.app} claims “${pattern}”, which is less exact or serves another part of it`)
  }
  for (const neighbour of neighboursOf(host))
    for (const { app } of builder.claimants(neighbour).slice(0, 1)) misses.push(`${app} claims “${neighbour}”, not “${host}”`)
  const label = host.split('.')[0] as string
  for (const [key, faults] of builder.faults()) {
    for (const fault of faults) {
      const isNamed = key === service || fault.value.toLowerCase().includes(host) || (fault.key === 'domains' && key.includes(label))
      if (host !== '' && isNamed) misses.push(`${key || 'The router'}: ${fault.key} "${fault.value}": ${fault.message}`)
      if (misses.length > SHOWN_MAX) return misses
    }
  }
  if (service === undefined && misses.length === 0)
    misses.push('A Service is seen with the label router.drycc.cc/routable: "true" (or router.deis.io/routable) and an annotation domains')
  return misses
}

/** The host itself, the wildcards above it, and the short names that it may stand for. */
function patternsOf(host: string): string[] {
  const patterns = [host]
  for (let dot = host.indexOf('.'); dot > 0; dot = host.indexOf('.', dot + 1))
    patterns.push(`*${host.slice(dot)}`, `${host.slice(0, dot)}.*`)
  return patterns
}

/** What people mean when they leave `www` out, or say it. */
function neighboursOf(host: string): string[] {
  return host.startsWith('www.') ? [host.slice(4)] : [`www.${host}`]
}
