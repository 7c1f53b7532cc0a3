import type { Pod } from 'kubernetes-types/core/v1'
import type { KubernetesApi } from '../../kernel/kubernetes/api.ts'
import type { Stored } from '../../kernel/kubernetes/objects.ts'
import type { Log } from '../../kernel/log.ts'
import type { ImageStore } from '../images/store.ts'
import type { LogFiles } from './log-files.ts'
import type { MemoryWatch } from './memory-watch.ts'
import type { PodNetwork } from './pod-network.ts'
import type { PodRecords } from './pod-record.ts'

/** The waits of the kubelet, in milliseconds; tests make them short. */
export interface Timing {
  /** Between a crash and the second restart; doubled for each further one up to the maximum. */
  readonly crashBackoffMinMs: number
  readonly crashBackoffMaxMs: number
  /** A run this long makes the next crash count as the first. */
  readonly crashResetMs: number
  /** Between two looks for an image that is not there; doubled up to the maximum. */
  readonly imageBackoffMinMs: number
  readonly imageBackoffMaxMs: number
  /** Between two looks for a Secret or ConfigMap that is not there, or a free port. */
  readonly retryMinMs: number
  readonly retryMaxMs: number
  /** What a process has left for its end after a preStop hook that used up the grace period. */
  readonly graceMinMs: number
  readonly heartbeatMs: number
  readonly memoryPollMs: number
  readonly imageCollectMs: number
  /** The longest that stopping the node waits for its pods, whatever their grace periods. */
  readonly shutdownMaxMs: number
}

/** Kubernetes' own numbers where it has one. */
export const TIMING: Timing = {
  crashBackoffMinMs: 10_000,
  crashBackoffMaxMs: 300_000,
  crashResetMs: 600_000,
  imageBackoffMinMs: 10_000,
  imageBackoffMaxMs: 300_000,
  retryMinMs: 500,
  retryMaxMs: 10_000,
  graceMinMs: 2000,
  heartbeatMs: 10_000,
  memoryPollMs: 1000,
  imageCollectMs: 300_000,
  shutdownMaxMs: 30_000,
}

/** What all pods of a node share. */
export interface Machine {
  readonly api: KubernetesApi
  readonly log: Log
  readonly images: ImageStore
  readonly network: PodNetwork
  readonly records: PodRecords
  readonly logs: LogFiles
  readonly memory: MemoryWatch
  readonly timing: Timing
  readonly hostIp: string
  readonly allocatable: { readonly cpu: number; readonly memory: number }
  /** What every process gets of the kubelet's own environment: `PATH`, `LANG`. Nothing else of it reaches a pod. */
  readonly environment: Readonly<Record<string, string>>
  /** Begins the id of every container of this kubelet, so that it knows its own among all processes of the machine. */
  readonly idPrefix: string
  /** Tells of a pod in an Event. */
  readonly tell: (pod: Stored<Pod>, type: 'Normal' | 'Warning', reason: string, message: string) => void
}
