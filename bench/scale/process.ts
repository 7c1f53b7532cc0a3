import { globSync, readFileSync } from 'node:fs'

/** CPU time of a process, all its threads, in microseconds: the scheduler counts nanoseconds where `stat` counts ticks of 10 ms. */
export function cpuMicroseconds(pid: number): number {
  let nanoseconds = 0
  for (const file of globSync(`/proc/${pid}/task/*/schedstat`)) nanoseconds += Number(readFileSync(file, 'utf8').split(' ')[0])
  return nanoseconds / 1000
}

/** Resident memory of a process and its peak, in MB; and its share of it where pages that others have too are divided (PSS). */
export function memoryOf(pid: number): { readonly rss: number; readonly peak: number; readonly pss: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const kilobytes = (text: string, name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0) / 1024
  const shared = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  return { rss: kilobytes(status, 'VmRSS'), peak: kilobytes(status, 'VmHWM'), pss: kilobytes(shared, 'Pss') }
}

/** The processes that a process started. */
export function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)
}
