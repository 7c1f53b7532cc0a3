import type { LifecycleHandler } from 'kubernetes-types/core/v1'
import { delay } from '../../kernel/backoff.ts'
import { type CheckTarget, getHttp } from './probe.ts'

/**
 * Runs a postStart or preStop hook.
 *
 * @param signal ends it early
 * @throws {Error} with what went wrong, in the kubelet's words
 * @see https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/
 */
export async function runHook(hook: LifecycleHandler, target: CheckTarget, signal: AbortSignal): Promise<void> {
  const { exec, httpGet } = hook
  const sleep = (hook as { sleep?: { seconds: number } }).sleep
  if (sleep) await delay(sleep.seconds * 1000, signal)
  else if (exec) {
    const { exitCode, output } = await target.exec(exec.command ?? [], signal)
    if (exitCode !== 0) throw new Error(`command '${exec.command?.join(' ')}' exited with ${exitCode}: ${output.trim()}`)
  } else if (httpGet) {
    const { status } = await getHttp(httpGet, target, signal)
    if (status < 200 || status >= 400) throw new Error(`HTTP hook answered with status ${status}`)
  }
}
