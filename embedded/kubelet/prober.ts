import type { Probe } from 'kubernetes-types/core/v1'
import { delay } from '../../kernel/backoff.ts'
import type { CheckResult } from './probe.ts'

export interface ProberOptions {
  readonly probe: Probe
  readonly check: () => Promise<CheckResult>
  /** The state changed: so many successes or failures came in a row. Also called for the first result that counts. */
  readonly onChange: (isSuccess: boolean, message: string) => void
  /** A check failed that counts. */
  readonly onFailure: (message: string) => void
  /**
   * Until the first success, check more often than the period says, so that a fast app is found ready at once. Failures of these extra checks
   * do not count. Only where the probe asks for neither a delay nor several successes, and not for commands.
   */
  readonly isEager: boolean
  readonly signal: AbortSignal
  /** The time in milliseconds and how to wait; tests have their own. */
  readonly clock?: { now(): number; wait(ms: number, signal: AbortSignal): Promise<void> }
}

const CLOCK = { now: () => performance.now(), wait: delay }

const EAGER_MIN_MS = 25

/**
 * Repeats a probe's check until the signal fires and tells when the outcome changes, by the thresholds of Kubernetes.
 *
 * An eager prober begins at once and waits a tenth of the time that has passed, at least 25 ms, between its extra checks: an app that needs 80 ms is found
 * within 25 ms, one that needs 20 s within its period, and a slow one is not flooded.
 */
export async function runProber({ probe, check, onChange, onFailure, isEager, signal, clock = CLOCK }: ProberOptions): Promise<void> {
  const periodMs = (probe.periodSeconds ?? 10) * 1000
  const { successThreshold = 1, failureThreshold = 3, initialDelaySeconds = 0 } = probe
  let eager = isEager && !probe.exec && successThreshold === 1 && initialDelaySeconds === 0
  await clock.wait(initialDelaySeconds * 1000, signal)
  const began = clock.now()
  let dueAt = eager ? began + periodMs : began
  let state: boolean | undefined
  let inRow = 0
  let last: boolean | undefined
  while (!signal.aborted) {
    const { isSuccess, message } = await check()
    if (signal.aborted) return
    const now = clock.now()
    const isDue = now >= dueAt
    if (isDue) dueAt = Math.max(now, dueAt + periodMs)
    if (isSuccess || isDue) {
      inRow = isSuccess === last ? inRow + 1 : 1
      last = isSuccess
      if (!isSuccess) onFailure(message)
      if (isSuccess !== state && inRow >= (isSuccess ? successThreshold : failureThreshold)) onChange((state = isSuccess), message)
      // A liveness or startup probe that has failed for good is told again, should its container not have been restarted meanwhile.
      else if (!isSuccess && inRow >= failureThreshold && inRow % failureThreshold === 0) onChange(false, message)
    }
    if (isSuccess && eager) {
      eager = false
      dueAt = now + periodMs
    }
    const waitMs = eager ? Math.max(EAGER_MIN_MS, (now - began) / 10) : Number.POSITIVE_INFINITY
    await clock.wait(Math.max(0, Math.min(waitMs, dueAt - clock.now())), signal)
  }
}
