import type { Pod } from 'kubernetes-types/core/v1'
import { LABELS } from '../../kernel/contract.ts'
import { timestamp } from '../domain/timestamp.ts'

/** A process as the API shows it. */
export interface ProcessView {
  readonly name: string
  readonly type: string
  readonly release: string
  readonly state: string
  readonly started: string
}

// States in which a pod is no process any more.
const OVER: readonly string[] = ['down', 'crashed', 'destroyed']

/** The pods of one release as processes, the youngest first: no one-off commands, nothing that has ended. */
export function showPods(pods: readonly Pod[], version: number, now: number): ProcessView[] {
  return pods
    .filter(pod => pod.metadata?.labels?.[LABELS.version] === `v${version}` && pod.metadata.labels[LABELS.type] !== 'run')
    .filter(pod => !isPastDeletion(pod, now))
    .map(showPod)
    .filter(({ state }) => !OVER.includes(state))
    .sort((a, b) => (a.started === b.started ? (a.name < b.name ? -1 : 1) : a.started < b.started ? 1 : -1))
}

/** One word for how far a pod has come, in the words of the first API; a reason of Kubernetes where it tells more. */
export function podState(pod: Pod): string {
  const { phase, containerStatuses: [container] = [] } = pod.status ?? {}
  if (pod.metadata?.deletionTimestamp) return 'terminating'
  if (phase === 'Succeeded') return 'down'
  if (phase === 'Failed') return 'crashed'
  const waiting = container?.state?.waiting
  if (waiting) return waiting.reason === 'ContainerCreating' || !waiting.reason ? 'creating' : waiting.reason
  if (container?.state?.terminated) return container.state.terminated.exitCode === 0 ? 'down' : 'crashed'
  if (phase === 'Pending' || !container) return 'initializing'
  return container.ready ? 'up' : 'starting'
}

function showPod(pod: Pod): ProcessView {
  const { name = '', labels = {}, creationTimestamp } = pod.metadata ?? {}
  const started = pod.status?.startTime ?? creationTimestamp ?? new Date(0).toISOString()
  return {
    name,
    type: labels[LABELS.type] ?? '',
    release: labels[LABELS.version] ?? '',
    state: podState(pod),
    started: timestamp(String(started)),
  }
}

/** Past its grace a pod that still stands is one whose node has gone. */
function isPastDeletion(pod: Pod, now: number): boolean {
  const { deletionTimestamp } = pod.metadata ?? {}
  return deletionTimestamp !== undefined && Date.parse(String(deletionTimestamp)) < now
}
