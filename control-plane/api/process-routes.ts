import type { Deployer } from '../deploy/deployer.ts'
import { showPods } from '../deploy/pod-state.ts'
import { findPod, type RestartScope } from '../deploy/restart.ts'
import type { RunResult } from '../deploy/run-pod.ts'
import type { Workloads } from '../deploy/workloads.ts'
import { field } from '../domain/fields.ts'
import { parseScale } from '../domain/formation.ts'
import { refused } from '../domain/refusal.ts'
import type { Release } from '../domain/release.ts'
import type { PlatformLog } from '../platform-log.ts'
import type { Records } from '../records.ts'
import type { AppCall } from './call.ts'
import { noContent, ok } from './reply.ts'
import type { Routes } from './routes.ts'

export interface ProcessParts {
  readonly records: Records
  readonly deployer: Deployer
  readonly workloads: Workloads
  readonly platformLog: PlatformLog
  readonly restart: (app: AppCall['app'], release: Release, scope: RestartScope) => Promise<void>
  readonly run: (release: Release, command: string, onStart: (pod: string) => void) => Promise<RunResult>
}

// Linux takes no longer argument (MAX_ARG_STRLEN).
const COMMAND_BYTES_MAX = 131_071

/** Processes: list, scale, restart, one-off commands. */
export function processRoutes(routes: Routes, parts: ProcessParts): void {
  const { records, deployer, workloads, platformLog } = parts

  routes.app('/pods/', { GET: ({ app }) => listed(show(app.id)) })
  routes.app('/pods/:type', { GET: ({ app, params }) => listed(show(app.id).filter(({ type }) => type === params['type'])) })
  routes.app('/pods/:type/:name', {
    GET({ app, params }) {
      const pod = findPod(workloads, app.id, params['name'] ?? '')
      return listed(show(app.id).filter(({ name }) => name === pod?.metadata.name))
    },
  })

  routes.app('/pods/restart', { POST: call => restart(call, {}) })
  routes.app('/pods/:type/restart', { POST: call => restart(call, { type: call.params['type'] ?? '' }) })
  // What stands before the name is what an old client makes of it; the name alone tells which pod is meant.
  routes.app('/pods/:type/:name/restart', { POST: call => restart(call, { name: call.params['name'] ?? '' }) })

  routes.app('/scale/', {
    async POST({ app, user, body }) {
      const release = records.releases.current(app.id)
      if (!release?.build) throw refused('No build associated with this release')
      const wish = parseScale(body, app.formation, release.build)
      const text = Object.entries(wish).map(([type, count]) => `${type}=${count}`)
      platformLog.say(app.id, `${user.username} scaled pods ${text.join(' ')}`)
      await deployer.scale(app.id, wish)
      return noContent()
    },
  })

  routes.app('/run', {
    async POST({ app, user, body }) {
      const command = field(body, 'command')
      if (typeof command !== 'string' || !command.trim()) throw refused('command is a required field')
      if (command.includes('\0') || Buffer.byteLength(command) > COMMAND_BYTES_MAX)
        throw refused(`command must not contain NUL and have ${COMMAND_BYTES_MAX} bytes or less`)
      const release = records.releases.current(app.id)
      if (!release?.build) throw refused('No build associated with this release to run this command')
      return ok(await parts.run(release, command, pod => platformLog.say(app.id, `${user.username} on ${pod} runs '${command}'`)))
    },
  })

  function show(app: string) {
    return showPods(workloads.pods(app), records.releases.current(app)?.version ?? 0, Date.now())
  }

  async function restart({ app }: AppCall, scope: RestartScope) {
    const release = records.releases.current(app.id)
    if (!release?.build) return ok([])
    await parts.restart(app, release, scope)
    const pods = show(app.id)
    if (scope.type !== undefined) return ok(pods.filter(({ type }) => type === scope.type))
    if (scope.name === undefined) return ok(pods)
    // A pod that was removed has left its place to another of its type.
    const type = pods.find(({ name }) => scope.name?.startsWith(name.slice(0, name.lastIndexOf('-'))))?.type
    return ok(pods.filter(pod => type === undefined || pod.type === type))
  }
}

function listed(results: readonly unknown[]) {
  return ok({ results, count: results.length })
}
