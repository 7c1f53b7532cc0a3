import type { BuildResult } from '../kernel/contract.ts'
import { formatDuration } from '../kernel/units.ts'
import { BuildError } from './build/build-error.ts'
import type { PushOutput } from './build/push-output.ts'
import { type ControlPlane, RefusedError } from './control-plane.ts'
import type { Push } from './receive/git-server.ts'

/** How often a pusher is told that a rollout still goes on. git keeps the connection alive by itself. */
const WAITING_MS = 15_000

/**
 * Makes the release of a build and follows its rollout, which the control plane answers for.
 *
 * @param buildMs how long the build took, to be told
 * @returns the release's version
 * @throws {BuildError} with the control plane's reason when the release fails; what ran before keeps running
 */
export async function publish(
  push: Push,
  built: BuildResult,
  buildMs: number,
  output: PushOutput,
  controlPlane: ControlPlane,
): Promise<number> {
  output.line('Launching App...')
  const startedAt = performance.now()
  const waiting = setInterval(() => {
    output.line(`... still launching after ${Math.round((performance.now() - startedAt) / 1000)} s`)
  }, WAITING_MS)
  try {
    const { release, urls = [] } = await controlPlane.release({
      receive_user: push.user,
      receive_repo: push.app,
      image: built.image,
      sha: push.update.new.slice(0, 8),
      procfile: built.procfile,
      dockerfile: built.dockerfile,
    })
    output.line(`Done, ${push.app}:v${release.version} deployed to Workflow`)
    const times = `built in ${formatDuration(buildMs)}, deployed in ${formatDuration(performance.now() - startedAt)}`
    output.line([`success: ${push.app} v${release.version} is live (${times})`, ...urls.map(url => `  ${url}`)].join('\n'))
    output.line("Use 'drycc open' to view this application in your browser")
    return release.version
  } catch (error) {
    if (!(error instanceof RefusedError) || error.status >= 500) throw error
    const logs = `see what the app wrote with "drycc logs -a ${push.app}", and push again`
    // An app that runs and is not ready says nothing wrong: most listen on 127.0.0.1, or on a port of their own choice.
    const isSilent = /did not become ready/.test(error.message)
    throw new BuildError(error.message, isSilent ? `listen on 0.0.0.0, at the port in $PORT; ${logs}` : logs, { cause: error })
  } finally {
    clearInterval(waiting)
  }
}
