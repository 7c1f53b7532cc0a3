import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import path from 'node:path'
import type { BuildResult } from '../../kernel/contract.ts'
import type { Log } from '../../kernel/log.ts'
import { type ControlPlane, RefusedError, UnavailableError } from '../control-plane.ts'
import type { BuilderMetrics } from '../metrics.ts'
import { publish } from '../publish.ts'
import type { Push } from '../receive/git-server.ts'
import { BuildError } from './build-error.ts'
import { PushOutput } from './push-output.ts'
import type { BuildRunner } from './runners/process.ts'
import type { Slots } from './slots.ts'
import { extractSource, type SourceLimits } from './source.ts'

export interface PipelineParts {
  readonly controlPlane: ControlPlane
  readonly runner: BuildRunner
  readonly slots: Slots
  /** Where trees are unpacked while they are built. */
  readonly buildsPath: string
  readonly limits: SourceLimits & { buildTimeoutMs: number; buildOutputBytesMax: number }
  readonly log: Log
  readonly metrics: BuilderMetrics
}

/**
 * The life of one push after git has taken its objects: config, source, build, release. The pusher reads along.
 *
 * @returns whether the push is accepted. A declined one leaves the branch where it was, so that the same commit can be pushed again
 */
export async function deployPush(push: Push, parts: PipelineParts): Promise<boolean> {
  const { app, user, signal } = push
  const log = parts.log.child({ app, user, sha: push.update.new.slice(0, 8) })
  const output = new PushOutput(push.write, push.color)
  const startedAt = performance.now()
  try {
    output.line('Starting build... but first, coffee!')
    const config = await parts.controlPlane.readConfig({ receive_user: user, receive_repo: app })
    output.hide(config)
    signal.throwIfAborted()
    const built = await parts.slots.run(
      () => build(push, config, output, parts),
      signal,
      ahead => output.line(`warning: other apps are being built, yours is next${ahead > 0 ? ` after ${ahead} more` : ''}`),
    )
    const builtAt = performance.now()
    parts.metrics.buildSeconds.observe({}, (builtAt - startedAt) / 1000)
    log.info('built', { image: built.image, detected: built.detected, ms: Math.round(builtAt - startedAt) })
    output.line('Build complete.')
    push.releasing()
    const version = await publish(push, built, builtAt - startedAt, output, parts.controlPlane)
    log.info('deployed', { version, ms: Math.round(performance.now() - builtAt) })
    parts.metrics.pushes.inc({ result: 'deployed' })
    return true
  } catch (error) {
    if (signal.aborted) return false
    parts.metrics.pushes.inc({ result: 'failed' })
    explain(error, output, log)
    return false
  } finally {
    await output.flushed()
  }
}

async function build(push: Push, config: Readonly<Record<string, string>>, output: PushOutput, parts: PipelineParts): Promise<BuildResult> {
  const { app, signal } = push
  const sha = push.update.new
  await mkdir(parts.buildsPath, { recursive: true, mode: 0o700 })
  const directory = await mkdtemp(path.join(parts.buildsPath, `${app}-`))
  try {
    const source = path.join(directory, 'source')
    await mkdir(source)
    const report = await extractSource({ ...push, sha }, source, parts.limits, signal)
    for (const warning of report.warnings) output.line(`warning: ${warning}`)
    const raw = output.raw(parts.limits.buildOutputBytesMax)
    try {
      const request = { app, sha, source, env: config, cacheKey: app, timeoutMs: parts.limits.buildTimeoutMs, color: push.color }
      return await parts.runner(request, raw.push, signal)
    } finally {
      raw.end()
    }
  } finally {
    // Not waited for: the next push of the app may begin while ten thousand files are deleted. The next start removes what is left.
    rm(directory, { recursive: true, force: true, maxRetries: 3 }).catch(error => {
      parts.log.warn('build folder was not removed', { app, error })
    })
  }
}

const AGAIN = 'push again in a moment; if it happens again, tell the operator'

/** The one place where a fault of a push becomes words for its pusher. What is not theirs to mend goes to the log, whole. */
function explain(error: unknown, output: PushOutput, log: Log): void {
  if (error instanceof BuildError) {
    output.error(error.message, error.hint)
    log.info('push failed', { reason: error.message })
  } else if (error instanceof RefusedError && error.status < 500) {
    output.error(error.message)
    log.info('push refused', { status: error.status, reason: error.message })
  } else if (error instanceof RefusedError) {
    output.error(`The control plane failed: ${error.message}`, AGAIN)
    log.error('control plane failed', { error })
  } else if (error instanceof UnavailableError) {
    output.error(error.message, AGAIN)
    log.error('control plane does not answer', { error })
  } else {
    output.error('The platform failed to deploy this push', AGAIN)
    log.error('push failed', { error })
  }
}
