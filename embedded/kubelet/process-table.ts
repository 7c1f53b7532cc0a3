import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** One live process; zombies are not listed. */
export interface ProcessEntry {
  readonly pid: number
  readonly group: number
  readonly session: number
  /** Memory in RAM, shared pages counted whole. */
  readonly rssBytes: number
}

const isLinux = process.platform === 'linux'
/** The key of the page size among the values that the kernel hands to a process (`AT_PAGESZ`). */
const AUXV_PAGE_SIZE = 6n

let bootId: string | undefined
let pageBytes: number | undefined

/**
 * What tells one process from every other that had or will have its id: on Linux the boot and the tick at which it started (`/proc/PID/stat`
 * field 22), elsewhere the time that `ps` gives. `undefined` for a process that is not there or a zombie.
 */
export function identifyProcess(pid: number): string | undefined {
  if (!isLinux) return runPs(['-o', 'stat=,lstart=', '-p', String(pid)]).match(/^[^Z]\S*\s+(.+\S)/)?.[1]
  const stat = readStat(pid)
  if (!stat) return undefined
  bootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  return `${bootId}/${stat[19]}`
}

/** Every process that this user may see. */
export function listProcesses(): ProcessEntry[] {
  if (isLinux) return pids().flatMap(pid => entryOf(pid) ?? [])
  return runPs(['-axo', 'pid=,pgid=,sess=,rss=,stat='])
    .split('\n')
    .map(line => line.trim().split(/\s+/))
    .filter(fields => fields.length === 5 && !fields[4]!.startsWith('Z'))
    .map(([pid, group, session, rss]) => ({
      pid: Number(pid),
      group: Number(group),
      session: Number(session),
      rssBytes: Number(rss) * 1024,
    }))
}

/**
 * The processes in whose first environment a variable's value starts with a text: so those are found that left their session. Empty where
 * the system does not tell (macOS).
 *
 * @returns process id → the whole value
 */
export function findByEnvironment(variable: string, prefix: string): Map<number, string> {
  const found = new Map<number, string>()
  if (!isLinux) return found
  const wanted = `\0${variable}=${prefix}`
  for (const pid of pids()) {
    const environment = `\0${readProc(pid, 'environ') ?? ''}`
    const at = environment.indexOf(wanted)
    if (at < 0 || !readStat(pid)) continue
    const start = at + variable.length + 2
    found.set(pid, environment.slice(start, environment.indexOf('\0', start)))
  }
  return found
}

/** Memory of one process with its shared pages divided among those that share them; `undefined` where the system does not tell. */
export function proportionalBytes(pid: number): number | undefined {
  const pss = /^Pss:\s+(\d+) kB/m.exec((isLinux && readProc(pid, 'smaps_rollup')) || '')?.[1]
  return pss === undefined ? undefined : Number(pss) * 1024
}

/** Sends a signal; a process or group (negative) that has gone is no error. */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    // EPERM: macOS says so for a group of which only a zombie is left.
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ESRCH' && code !== 'EPERM') throw error
  }
}

function pids(): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
}

function entryOf(pid: number): ProcessEntry | undefined {
  const stat = readStat(pid)
  pageBytes ??= readPageBytes()
  return stat && { pid, group: Number(stat[2]), session: Number(stat[3]), rssBytes: Number(stat[21]) * pageBytes }
}

/** 4 KiB nearly everywhere, 16 or 64 KiB on some arm64 kernels. */
function readPageBytes(): number {
  const vector = readFileSync('/proc/self/auxv')
  for (let at = 0; at + 16 <= vector.length; at += 16) {
    if (vector.readBigUInt64LE(at) === AUXV_PAGE_SIZE) return Number(vector.readBigUInt64LE(at + 8))
  }
  return 4096
}

/** The fields of `/proc/PID/stat` from the third on: the second is a name in parentheses, in which anything may stand. */
function readStat(pid: number): string[] | undefined {
  const text = readProc(pid, 'stat')
  if (!text) return undefined
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields
}

function readProc(pid: number, name: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'latin1')
  } catch {
    // Gone meanwhile, or another user's.
    return undefined
  }
}

function runPs(args: string[]): string {
  try {
    return execFileSync('ps', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  } catch {
    // `ps -p` ends with 1 where there is no such process.
    return ''
  }
}
