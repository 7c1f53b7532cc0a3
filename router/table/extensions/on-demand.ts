import type { Annotations } from '../annotations.ts'
import { parseWord } from '../values.ts'

/** For which names clients may make the router ask for a certificate: those within the app's wildcards, or all that nobody claims as well. */
export type OnDemandNames = 'own' | 'any'

/** Reads `x-certificates-on-demand`. The control plane writes it, and decides by its own records: who writes it besides gets nothing of it. */
export function readOnDemand(annotations: Annotations, lastGood?: OnDemandNames): OnDemandNames | undefined {
  const found = annotations.one('x-certificates-on-demand', 'off', text => parseWord(text, ['off', 'own', 'any']), lastGood)
  return found === 'off' ? undefined : found
}
