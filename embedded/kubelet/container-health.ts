import type { Container, Probe } from 'kubernetes-types/core/v1'
import { runHook } from './hooks.ts'
import { type CheckTarget, check } from './probe.ts'
import { runProber } from './prober.ts'

export interface HealthOptions {
  readonly container: Container
  readonly target: CheckTarget
  /** It was found started before this kubelet took it over: neither postStart hook nor startup probe run again. */
  readonly isStarted: boolean
  /** Fires when the container has ended. */
  readonly signal: AbortSignal
  /** Fires when the container is being ended: liveness does not matter any more, readiness does. */
  readonly stopping: AbortSignal
  onStarted(): void
  onReady(isReady: boolean): void
  onUnhealthy(message: string): void
  onHookFailed(message: string): void
  /** The container has to be ended, to be started again by its pod's policy. */
  onFailed(kind: 'startup' | 'liveness', graceSeconds: number | undefined): void
}

/** Watches over a running container by its postStart hook and its probes, until the signal fires. Resolves when all probes run. */
export async function watchHealth(options: HealthOptions): Promise<void> {
  const { container, target, isStarted, signal, stopping } = options
  const { lifecycle, startupProbe, readinessProbe, livenessProbe } = container
  const prober = (probe: Probe, kind: string) => ({
    probe,
    check: () => check(probe, target),
    onFailure: (message: string) => options.onUnhealthy(`${kind} probe failed: ${message}`),
  })
  if (lifecycle?.postStart && !isStarted) {
    try {
      await runHook(lifecycle.postStart, target, signal)
    } catch (error) {
      if (!signal.aborted) options.onHookFailed(`PostStartHook failed: ${(error as Error).message}`)
      return
    }
  }
  if (startupProbe && !isStarted) {
    const passed = new AbortController()
    await runProber({
      ...prober(startupProbe, 'Startup'),
      isEager: true,
      signal: AbortSignal.any([signal, passed.signal]),
      onChange: isSuccess => {
        if (isSuccess) passed.abort()
        else options.onFailed('startup', startupProbe.terminationGracePeriodSeconds)
      },
    })
  }
  if (signal.aborted) return
  options.onStarted()
  if (readinessProbe) void runProber({ ...prober(readinessProbe, 'Readiness'), isEager: true, signal, onChange: options.onReady })
  else options.onReady(true)
  if (!livenessProbe) return
  void runProber({
    ...prober(livenessProbe, 'Liveness'),
    isEager: false,
    signal: AbortSignal.any([signal, stopping]),
    onChange: isSuccess => {
      if (!isSuccess) options.onFailed('liveness', livenessProbe.terminationGracePeriodSeconds)
    },
  })
}
