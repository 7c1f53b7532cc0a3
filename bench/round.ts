import type { Child } from './children.ts'
import type { LoadOrder, LoadResult } from './proxy/load.ts'
import type { RunningPeer } from './proxy/peers.ts'
import { usageOf } from './usage.ts'

/** What one order cost a proxy. */
export interface Cost extends LoadResult {
  /** Of the proxy's own CPU time, for each request. */
  readonly cpuMicroseconds: number
}

/** Lets the load generator work on a proxy. @throws {Error} when an answer is not the one that was asked for */
export async function measure(peer: RunningPeer, load: Child, order: LoadOrder): Promise<Cost> {
  const before = usageOf(peer.child.pid)
  const result = await load.ask<LoadResult>(order)
  const after = usageOf(peer.child.pid)
  if (result.errors > 0 || result.requests === 0)
    throw new Error(`Cannot measure: ${result.errors} errors and ${result.requests} answers (${order.kind})`)
  return { ...result, cpuMicroseconds: (after.cpuMicroseconds - before.cpuMicroseconds) / result.requests }
}

/** The one in the middle. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

/** How often the first goes into the second, round by round: what disturbs a round disturbs both. */
export function ratio(ours: readonly number[], theirs: readonly number[]): number {
  return median(theirs.map((value, round) => value / (ours[round] ?? Number.NaN)))
}
