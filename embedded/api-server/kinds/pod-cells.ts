import type { Json } from '../schema/decode.ts'
import { age, since } from './columns.ts'
import type { Draft } from './kind.ts'

interface ContainerStatus {
  name: string
  ready?: boolean
  started?: boolean
  restartCount?: number
  state?: { waiting?: { reason?: string }; running?: object; terminated?: { exitCode: number; signal?: number; reason?: string } }
  lastState?: { terminated?: { finishedAt?: string } }
}

/** A row of `kubectl get pods`, as `printPod` in pkg/printers/internalversion counts and words it. */
export function podCells(object: Draft, now: number): (string | number)[] {
  const spec = object.spec ?? {}
  const status = object.status ?? {}
  const row = summary(spec, status)
  if (object.metadata.deletionTimestamp && status['reason'] === 'NodeLost') row.reason = 'Unknown'
  else if (object.metadata.deletionTimestamp && status['phase'] !== 'Failed' && status['phase'] !== 'Succeeded') row.reason = 'Terminating'
  const restarts = row.restarts && row.lastRestart ? `${row.restarts} (${since(row.lastRestart, now)} ago)` : String(row.restarts)
  return [
    object.metadata.name,
    `${row.ready}/${row.total}`,
    row.reason,
    restarts,
    age(object, now),
    ((status['podIPs'] ?? []) as { ip: string }[])[0]?.ip || '<none>',
    String(spec['nodeName'] || '<none>'),
    String(status['nominatedNodeName'] || '<none>'),
    gates(spec, status),
  ]
}

interface Summary {
  ready: number
  total: number
  restarts: number
  lastRestart: string
  reason: string
}

function summary(spec: Json, status: Json): Summary {
  const sidecars = new Set(
    ((spec['initContainers'] ?? []) as Json[]).filter(each => each['restartPolicy'] === 'Always').map(each => String(each['name'])),
  )
  const row: Summary = {
    ready: 0,
    total: ((spec['containers'] ?? []) as Json[]).length + sidecars.size,
    restarts: 0,
    lastRestart: '',
    reason: String(status['reason'] || status['phase'] || ''),
  }
  if (condition(status, 'PodScheduled')?.['reason'] === 'SchedulingGated') row.reason = 'SchedulingGated'
  const isInitializing = countInit(row, spec, status, sidecars)
  if (!isInitializing || condition(status, 'Initialized')?.['status'] === 'True') countMain(row, status)
  return row
}

function countInit(row: Summary, spec: Json, status: Json, sidecars: ReadonlySet<string>): boolean {
  const all = (status['initContainerStatuses'] ?? []) as ContainerStatus[]
  for (const [index, container] of all.entries()) {
    addRestarts(row, container)
    const { waiting, terminated } = container.state ?? {}
    if (terminated?.exitCode === 0) continue
    if (sidecars.has(container.name) && container.started) {
      if (container.ready) row.ready++
      continue
    }
    if (terminated) row.reason = `Init:${terminated.reason || exit(terminated)}`
    else if (waiting?.reason && waiting.reason !== 'PodInitializing') row.reason = `Init:${waiting.reason}`
    else row.reason = `Init:${index}/${((spec['initContainers'] ?? []) as Json[]).length}`
    return true
  }
  return false
}

function countMain(row: Summary, status: Json): void {
  row.restarts = 0
  row.lastRestart = ''
  let hasRunning = false
  let errorReason = ''
  for (const container of ((status['containerStatuses'] ?? []) as ContainerStatus[]).toReversed()) {
    addRestarts(row, container)
    const { waiting, running, terminated } = container.state ?? {}
    if (waiting?.reason) row.reason = waiting.reason
    else if (terminated) {
      row.reason = terminated.reason || exit(terminated)
      if (terminated.exitCode !== 0) errorReason = row.reason
    } else if (container.ready && running) {
      hasRunning = true
      row.ready++
    }
  }
  if (row.reason !== 'Completed') return
  if (hasRunning && condition(status, 'Ready')?.['status'] === 'True') row.reason = 'Running'
  else if (errorReason) row.reason = errorReason
  else if (hasRunning) row.reason = 'NotReady'
}

function addRestarts(row: Summary, container: ContainerStatus): void {
  row.restarts += container.restartCount ?? 0
  const finished = container.lastState?.terminated?.finishedAt ?? ''
  if (finished > row.lastRestart) row.lastRestart = finished
}

function exit({ exitCode, signal }: { exitCode: number; signal?: number }): string {
  return signal ? `Signal:${signal}` : `ExitCode:${exitCode}`
}

function gates(spec: Json, status: Json): string {
  const all = (spec['readinessGates'] ?? []) as { conditionType: string }[]
  if (all.length === 0) return '<none>'
  return `${all.filter(({ conditionType }) => condition(status, conditionType)?.['status'] === 'True').length}/${all.length}`
}

function condition(status: Json, type: string): Json | undefined {
  return ((status['conditions'] ?? []) as Json[]).find(each => each['type'] === type)
}
