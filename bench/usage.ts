import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'

/** What a process and its children have used. */
export interface Usage {
  /** User and kernel time of all threads since their start. */
  readonly cpuMicroseconds: number
  readonly residentBytes: number
}

/**
 * Reads what a process tree has used so far. On Linux to the nanosecond, as the scheduler counts it (`/proc/PID/task/TID/schedstat`); elsewhere
 * to the hundredth of a second by `ps`. Threads that have ended are missing: proxies keep theirs.
 */
export function usageOf(pid: number): Usage {
  return existsSync('/proc/self/schedstat') ? fromProc(pid) : fromPs(pid)
}

function fromProc(pid: number): Usage {
  let cpuMicroseconds = 0
  let residentBytes = Number(/VmRSS:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    cpuMicroseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1000
    for (const child of readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean)) {
      const usage = fromProc(Number(child))
      cpuMicroseconds += usage.cpuMicroseconds
      residentBytes += usage.residentBytes
    }
  }
  return { cpuMicroseconds, residentBytes }
}

function fromPs(pid: number): Usage {
  const lines = spawnSync('ps', ['-A', '-o', 'pid=,ppid=,rss=,time='], { encoding: 'utf8' }).stdout.trim().split('\n')
  const processes = lines.map(line => line.trim().split(/\s+/))
  const tree = new Set([String(pid)])
  for (let size = 0; size < tree.size; ) {
    size = tree.size
    for (const [id = '', parent = ''] of processes) if (tree.has(parent)) tree.add(id)
  }
  let cpuMicroseconds = 0
  let residentBytes = 0
  for (const [id = '', , kilobytes, time = ''] of processes) {
    if (!tree.has(id)) continue
    cpuMicroseconds += time.split(/[-:]/).reduce((sum, part) => sum * 60 + Number(part), 0) * 1e6
    residentBytes += Number(kilobytes) * 1024
  }
  return { cpuMicroseconds, residentBytes }
}
