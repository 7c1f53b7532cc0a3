import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Pod } from 'kubernetes-types/core/v1'
import type { Stored } from '../../kernel/kubernetes/objects.ts'
import type { ProcessHandle } from './container-process.ts'
import type { PodAddress } from './pod-network.ts'

/** How one run of a container ended. Times are RFC 3339. */
export interface EndRecord {
  readonly exitCode: number
  readonly reason: string
  readonly message?: string
  readonly startedAt: string
  readonly finishedAt: string
  readonly containerId: string
  /** The kubelet itself was asked to stop, or came back and found nothing: the run is repeated at once. */
  readonly isInterrupted?: boolean
}

/** What is known of one container of a pod across restarts of the kubelet. */
export interface ContainerRecord {
  /** How often it was started before: the number of its log file too. */
  restartCount: number
  imageDigest?: string
  startedAt?: string
  /** While it runs. */
  process?: ProcessHandle
  isStarted?: boolean
  isReady?: boolean
  cwd?: string
  env?: Record<string, string>
  /** How its newest run ended, when it does not run. */
  end?: EndRecord
  /** How the run before ended. */
  lastEnd?: EndRecord
  backoffMs?: number
}

/** What the kubelet keeps of a pod on disk. */
export interface PodRecord {
  /** As it was last seen: a kubelet that comes back looks after its pods before it has reached the API server. */
  pod: Stored<Pod>
  address?: PodAddress
  startTime: string
  containers: Record<string, ContainerRecord>
}

const FILE = 'pod.json'

/** The folder of records, one folder a pod by its uid; what belongs to a pod lies in its folder too. */
export class PodRecords {
  readonly #dir: string

  constructor(dir: string) {
    this.#dir = dir
    mkdirSync(dir, { recursive: true, mode: 0o700 })
  }

  folder(uid: string): string {
    return join(this.#dir, uid)
  }

  /** Every record that can be read; a folder without one is what a crash left, and is removed. */
  readAll(): PodRecord[] {
    return readdirSync(this.#dir).flatMap(uid => {
      try {
        return [JSON.parse(readFileSync(join(this.folder(uid), FILE), 'utf8')) as PodRecord]
      } catch {
        void this.remove(uid).catch(() => {})
        return []
      }
    })
  }

  /** Written in one step and at once: a process that was started must not be forgotten by a crash. */
  save(record: PodRecord): void {
    const folder = this.folder(record.pod.metadata.uid)
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    writeFileSync(join(folder, `${FILE}.new`), JSON.stringify(record), { mode: 0o600 })
    renameSync(join(folder, `${FILE}.new`), join(folder, FILE))
  }

  /** Resolves when the folder has gone; the record goes at once. */
  async remove(uid: string): Promise<void> {
    rmSync(join(this.folder(uid), FILE), { force: true })
    await rm(this.folder(uid), { recursive: true, force: true, maxRetries: 3 })
  }
}
