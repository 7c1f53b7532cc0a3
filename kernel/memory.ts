import { Session } from 'node:inspector/promises'
import { setFlagsFromString } from 'node:v8'

/**
 * Collects all garbage and gives the memory back, once a process has read much that it does not keep: V8 by itself would hold on to the space
 * of a start for as long as the process lives. It stops the process for about a millisecond per megabyte that stands, so it is nothing for
 * one that serves.
 */
export async function collectGarbage(): Promise<void> {
  const session = new Session()
  session.connect()
  try {
    await session.post('HeapProfiler.collectGarbage')
  } finally {
    session.disconnect()
  }
}

/**
 * Lets V8 collect only when there is garbage to make room of. By itself it also does so half a minute after the start of a process and whenever
 * it has little to do, to give memory back: with a large heap that is a tenth of a second each time, in a process that had collected its garbage
 * when its start was over. And the young generation is collected without waking other threads, which costs more than it takes; the old one when
 * it has doubled, as V8 by itself leaves next to no room after such a collection, and lets a large heap grow fourfold later.
 */
export function collectOnlyGarbage(): void {
  // The flag that turns it off altogether is read before a program starts.
  setFlagsFromString('--memory-reducer-gc-count=0')
  setFlagsFromString('--no-parallel-scavenge')
  setFlagsFromString('--heap-growing-percent=100')
}
