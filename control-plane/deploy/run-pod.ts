import { randomInt } from 'node:crypto'
import { HERITAGE, LABELS } from '../../kernel/contract.ts'
import type { KubernetesApi } from '../../kernel/kubernetes/api.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { unavailable } from '../domain/refusal.ts'
import type { Release } from '../domain/release.ts'
import type { Cluster } from './cluster.ts'
import { runPodSpec } from './pod-template.ts'
import { findPodFault } from './rollout.ts'
import type { Workloads } from './workloads.ts'

/** What a one-off command came to. */
export interface RunResult {
  readonly exit_code: number
  readonly output: string
}

export interface RunParts {
  readonly api: KubernetesApi
  readonly cluster: Cluster
  readonly workloads: Workloads
  readonly signal: AbortSignal
  readonly timeoutMs: number
  /** Called with the pod's name before it is made. */
  readonly onStart: (pod: string) => void
}

// What is kept of the output; a command that writes more is better run in a process with a log.
const OUTPUT_BYTES_MAX = 8 * 1024 * 1024

/**
 * Runs a command in a pod of its own, with the environment, limits and tags of a release, and waits for its end. The pod is removed
 * whatever comes.
 *
 * @throws {Refusal} 503 when the pod does not start, or does not end in time
 */
export async function runCommand(release: Release, command: string, parts: RunParts): Promise<RunResult> {
  const { api, cluster, workloads } = parts
  const { app, version } = release
  const name = `${app}-run-${randomSuffix()}`
  await cluster.applyEnvironment(release)
  parts.onStart(name)
  try {
    await api.create(RESOURCES.pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name,
        namespace: app,
        labels: { [LABELS.app]: app, [LABELS.type]: 'run', [LABELS.version]: `v${version}`, [LABELS.heritage]: HERITAGE },
      },
      spec: runPodSpec(release, command),
    })
    await awaitEnd(app, name, parts)
    const ended = workloads.pod(app, name)?.status
    const output = await readLog(api, app, name, parts.signal)
    const code = ended?.containerStatuses?.[0]?.state?.terminated?.exitCode ?? (ended?.phase === 'Succeeded' ? 0 : 1)
    return { exit_code: code, output }
  } finally {
    await cluster.removePod(app, name, { gracePeriodSeconds: 0 }).catch(() => {})
  }
}

async function awaitEnd(app: string, name: string, { workloads, signal, timeoutMs }: RunParts): Promise<void> {
  const timeout = AbortSignal.timeout(timeoutMs)
  let seen = false
  let fault: string | undefined
  const isOver = () => {
    const pod = workloads.pod(app, name)
    if (!pod) {
      // Gone before its end: its app was destroyed, or its node.
      if (seen) fault = `${name} (run): deleted`
      return seen
    }
    seen = true
    if (pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return true
    fault = findPodFault(pod)?.message
    return fault !== undefined
  }
  try {
    await workloads.until(isOver, AbortSignal.any([signal, timeout]))
  } catch (error) {
    throw unavailable(
      timeout.aborted ? `${name} (run): timed out after ${Math.round(timeoutMs / 1000)} seconds` : 'The platform is stopping',
      error,
    )
  }
  if (fault) throw unavailable(fault)
}

async function readLog(api: KubernetesApi, app: string, name: string, signal: AbortSignal): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of await api.podLog(app, name, { limitBytes: OUTPUT_BYTES_MAX, signal })) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

function randomSuffix(): string {
  return Array.from({ length: 5 }, () => 'abcdefghijklmnopqrstuvwxyz0123456789'[randomInt(36)]).join('')
}
