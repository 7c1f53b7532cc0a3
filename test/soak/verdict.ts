/** What the router's processes hold at one moment. */
export interface Holding {
  /** Open descriptors of all processes together. */
  readonly fileCount: number
  /** Resident memory by process, the primary first. */
  readonly rssMb: readonly number[]
}

export interface Sample extends Holding {
  readonly atSeconds: number
}

// A heap settles within the first part of a run; a leak of the smallest kind, 1 KB a connection, is 20 MB at the end of ten minutes.
const SETTLED_AFTER = 0.4
const MEMORY_SECONDS_MIN = 120
const GROWTH_MB_MAX = 12
const FILES_SPARE = 20

/**
 * Compares the end of a run with what went before.
 *
 * @param before and `after` what was held without any load
 * @returns what has grown, in words; memory is judged in runs of two minutes and more only
 */
export function judge(samples: readonly Sample[], before: Holding, after: Holding): string[] {
  const faults: string[] = []
  if (after.fileCount > before.fileCount + 2) faults.push(`descriptors are left open: ${before.fileCount} before, ${after.fileCount} after`)
  const settled = samples.slice(Math.floor(samples.length * SETTLED_AFTER))
  const [early, late] = [settled.slice(0, settled.length / 2), settled.slice(settled.length / 2)]
  if (early.length < 2 || late.length < 2) return faults
  const files = [median(early.map(sample => sample.fileCount)), median(late.map(sample => sample.fileCount))] as const
  if (files[1] > files[0] + FILES_SPARE) faults.push(`descriptors grew from ${files[0]} to ${files[1]} under the same load`)
  if ((samples.at(-1)?.atSeconds ?? 0) < MEMORY_SECONDS_MIN) return faults
  for (const [index] of before.rssMb.entries()) {
    const rss = [early, late].map(part => median(part.map(sample => sample.rssMb[index] ?? 0))) as [number, number]
    if (rss[1] > rss[0] + GROWTH_MB_MAX) faults.push(`process ${index} grew from ${rss[0].toFixed(0)} to ${rss[1].toFixed(0)} MB`)
  }
  return faults
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0
}
