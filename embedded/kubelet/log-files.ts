import { readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { LOG_LIMITS, LogFile, type LogLimits, listSegments, segmentPath } from './log-file.ts'

/** All logs of the node, `<dir>/<namespace>_<pod>_<uid>/<container>/<restart>.log`, and which of them are being written. */
export class LogFiles {
  readonly #dir: string
  readonly #limits: LogLimits
  readonly #live = new Map<string, LogFile>()

  constructor(dir: string, limits: LogLimits = LOG_LIMITS) {
    this.#dir = dir
    this.#limits = limits
  }

  path(pod: { namespace?: string; name: string; uid: string }, container: string, restart: number): string {
    return join(this.#dir, `${pod.namespace ?? ''}_${pod.name}_${pod.uid}`, container, `${restart}.log`)
  }

  /** Opens a log for writing; readers find it by {@link live} until it is closed. */
  open(path: string): LogFile {
    const log = new LogFile(path, this.#limits)
    this.#live.set(path, log)
    return log
  }

  live(path: string): LogFile | undefined {
    return this.#live.get(path)
  }

  close(path: string): void {
    this.#live.get(path)?.close()
    this.#live.delete(path)
  }

  /** Removes the files of one run; one that is being read goes on to its end. */
  remove(path: string): void {
    for (const segment of listSegments(path)) rmSync(segmentPath(path, segment), { force: true })
    rmSync(path, { force: true })
  }

  removePod(pod: { namespace?: string; name: string; uid: string }): void {
    rmSync(dirname(dirname(this.path(pod, '_', 0))), { recursive: true, force: true })
  }

  /** Removes the logs of all pods but these. */
  removeOthers(uids: ReadonlySet<string>): void {
    let folders: string[]
    try {
      folders = readdirSync(this.#dir)
    } catch {
      // Nothing has been logged yet.
      return
    }
    for (const folder of folders)
      if (!uids.has(folder.slice(folder.lastIndexOf('_') + 1))) rmSync(join(this.#dir, folder), { recursive: true })
  }
}
