import type { Coding } from '../table/extensions/compression.ts'
import { parseAccepted } from './accept.ts'

// Clients say one of a few things, in the same words each time.
const REMEMBERED_MAX = 64
const remembered = new Map<string, ReadonlyMap<string, number>>()

/**
 * The coding for an answer (RFC 9110 §12.5.3): the heaviest that the client takes, and among equals the first of `codings`.
 *
 * @param accept the value of Accept-Encoding
 * @param codings those on offer, the preferred one first
 * @returns undefined where the client takes none, or would rather have the answer as it is
 */
export function chooseCoding(accept: string, codings: readonly Coding[]): Coding | undefined {
  const weights = weightsOf(accept)
  const any = weights.get('*') ?? 0
  let heaviest = weights.get('identity') ?? 0
  let chosen: Coding | undefined
  for (const coding of codings) {
    const weight = weights.get(coding) ?? any
    if (weight > heaviest || (weight > 0 && weight === heaviest && chosen === undefined)) {
      heaviest = weight
      chosen = coding
    }
  }
  return chosen
}

function weightsOf(accept: string): ReadonlyMap<string, number> {
  const known = remembered.get(accept)
  if (known !== undefined) return known
  const weights = new Map<string, number>()
  // `x-gzip` is gzip (RFC 9110 §8.4.1.3).
  for (const { name, weight } of parseAccepted(accept)) weights.set(name === 'x-gzip' ? 'gzip' : name, weight)
  if (accept.length > 200) return weights
  if (remembered.size >= REMEMBERED_MAX) remembered.clear()
  // A copy: a piece of a head would keep the whole head in memory.
  remembered.set(Buffer.from(accept, 'latin1').toString('latin1'), weights)
  return weights
}
