import { isStatus } from '../../kernel/kubernetes/api.ts'
import type { Log } from '../../kernel/log.ts'
import type { App } from '../domain/app.ts'
import { own } from '../domain/fields.ts'
import { type Formation, formationFor, routableType } from '../domain/formation.ts'
import { conflict, missing, type Refusal, refused, unavailable } from '../domain/refusal.ts'
import type { Release } from '../domain/release.ts'
import { summariseFailure } from '../domain/summary.ts'
import type { PlatformLog } from '../platform-log.ts'
import type { Records } from '../records.ts'
import type { AppLocks } from './app-locks.ts'
import type { Cluster } from './cluster.ts'
import { deploymentName } from './deployment.ts'
import type { Processes } from './processes.ts'
import { RolloutError } from './rollout.ts'
import type { Routing } from './routing.ts'

/** What a release came from; it says how its failure is called. */
export type ReleaseKind = 'build' | 'config' | 'rollback'

export interface DeployerOptions {
  readonly records: Records
  readonly cluster: Cluster
  readonly processes: Processes
  readonly routing: Routing
  /** Everything that changes what an app runs goes through its lock. */
  readonly locks: AppLocks
  readonly platformLog: PlatformLog
  readonly log: Log
  /** The last lines that a pod wrote, for the text of a failure; empty where there are none. */
  readonly lastLines: (app: string, pod: string) => Promise<string>
  /** Told of each release when it is made. */
  readonly onRelease?: (release: Release) => void
  /** Told how each rollout ended. */
  readonly onRollout?: (outcome: 'succeeded' | 'failed', seconds: number) => void
  /** Told of an app that was left half changed because Kubernetes failed: {@link Deployer.reconcile} finishes it once that works. */
  readonly onUnfinished?: (app: string) => void
  /** Waits until the router has learnt of an app that answers for the first time. */
  readonly awaitRoute?: (app: string, signal: AbortSignal) => Promise<void>
}

// A release is kept whole, config and all, in a Secret and in memory; who deploys each hour looks back over a month.
const RELEASES_MAX = 1000
const SUPERSEDED = 'Superseded by a rollback'
const STOPPING = 'The platform is stopping: the change goes on when it has started again'

/** Makes apps run what their records say. */
export class Deployer {
  /** Whose turn it is to roll out, app by app. */
  readonly #deploying = new Map<string, symbol>()
  readonly #options: DeployerOptions

  constructor(options: DeployerOptions) {
    this.#options = options
  }

  /**
   * Makes a release and rolls it out; a release without a build is only recorded.
   *
   * @param make reads the app's state and returns the release; asked while nothing else changes the app
   * @returns the release, once all its processes are ready and take the traffic
   * @throws {Refusal} 409 or 400 while another rollout runs, 400 with the reason when it fails (then the release before runs again)
   */
  async release(app: string, kind: ReleaseKind, make: (app: App) => Release | Promise<Release>): Promise<Release> {
    const { records, locks, platformLog, log, onRelease } = this.#options
    if (this.#deploying.has(app)) {
      // A rollback is how one gets out of a rollout that hangs; anything else would only pile up behind it.
      if (kind !== 'rollback') throw this.#busy(app, kind)
      locks.supersede(app)
    }
    const deploys = kind === 'build' || records.releases.current(app)?.build !== undefined
    const turn = Symbol(app)
    if (deploys) this.#deploying.set(app, turn)
    try {
      return await locks.run(app, async signal => {
        const release = await records.releases.create(await make(this.#mustHave(app)))
        if (!release) throw this.#busy(app, kind)
        platformLog.say(app, release.summary)
        onRelease?.(release)
        if (release.build) await this.#rollOut(this.#mustHave(app), release, kind, signal)
        await records.releases.prune(app, RELEASES_MAX, this.#mustHave(app).deployed).catch((error: unknown) => {
          log.warn('old releases not removed', { app, error })
        })
        return release
      })
    } finally {
      if (this.#deploying.get(app) === turn) this.#deploying.delete(app)
    }
  }

  /**
   * Changes how many processes of each type run.
   *
   * @throws {Refusal} 503 when they do not come up; the numbers are then as they were
   */
  async scale(id: string, wish: Formation): Promise<void> {
    const { records, cluster, processes, routing, locks, onUnfinished } = this.#options
    await locks.run(id, async signal => {
      // Read only now: the release that was current when the request came may have failed meanwhile.
      const release = records.releases.current(id)
      const before = this.#mustHave(id).formation
      const types = Object.keys(wish).filter(type => (own(before, type) ?? 0) !== wish[type] || !processes.has(id, type))
      if (!release?.build || types.length === 0) return
      const app = await records.apps.update(id, ({ formation }) => ({ formation: { ...formation, ...wish } }))
      try {
        await processes.scale(app, release, types, signal)
        const routed = routableType(app.formation, release.build)
        if (routed && (before[routed] ?? 0) === 0) await this.#awaitRoute(app, routed, signal)
        await routing.sync(id, routed)
      } catch (error) {
        if (signal.reason === 'stopping') throw unavailable(STOPPING, error)
        onUnfinished?.(id)
        await records.apps.update(id, ({ formation }) => ({ formation: { ...formation, ...restore(before, wish) } }))
        for (const type of types) await cluster.scaleDeployment(id, deploymentName(id, type), own(before, type) ?? 0).catch(() => {})
        throw unavailable(signal.aborted ? SUPERSEDED : await this.#explain(id, error), error)
      }
    })
  }

  /** Makes the Service, its certificates and the autoscalers those of the records; pods are left alone. */
  async sync(app: string): Promise<void> {
    const { routing, cluster } = this.#options
    await routing.sync(app)
    await cluster.applyAutoscalers(this.#mustHave(app))
  }

  /**
   * Makes everything of an app what its records say, after whatever happened to it or to us: what a control plane does for each app when
   * it starts. A release whose rollout was cut short is rolled out again.
   */
  async reconcile(id: string): Promise<void> {
    const { records, processes, routing, cluster, locks } = this.#options
    await locks.run(id, async signal => {
      const app = records.apps.get(id)
      const release = records.releases.current(id)
      if (!app || app.deleting || !release) return
      if (!release.build) return routing.sync(id)
      if (app.deployed !== release.version) await this.#rollOut(app, release, 'config', signal)
      else await processes.apply(app, release)
      const next = this.#mustHave(id)
      await routing.sync(id, routableType(next.formation, release.build))
      await cluster.applyAutoscalers(next)
    })
  }

  /** Rolls a release out, or puts the one before back. */
  async #rollOut(app: App, release: Release, kind: ReleaseKind, signal: AbortSignal): Promise<void> {
    const { records, processes, routing, onRollout, onUnfinished } = this.#options
    const previous = records.releases.get(app.id, app.deployed)
    const formation = formationFor(app.formation, previous?.build, release.build!)
    const routed = routableType(formation, release.build!)
    const next = { ...app, formation }
    const beganAt = performance.now()
    const ended = (outcome: 'succeeded' | 'failed') => onRollout?.(outcome, (performance.now() - beganAt) / 1000)
    try {
      // Until now the Service has taken every pod of the app; from the first on only those that take its traffic.
      if (!previous?.build) await routing.sync(app.id, routed)
      await processes.rollOut(next, release, signal)
      await routing.sync(app.id, routed)
      await records.apps.update(app.id, () => ({ formation, deployed: release.version }))
    } catch (error) {
      // A process that ends leaves the release as it is: the next one finds it unfinished and goes on.
      if (signal.reason === 'stopping') throw unavailable(STOPPING, error)
      ended('failed')
      const cause = signal.aborted ? new RolloutError(SUPERSEDED) : error
      throw await this.#fail(app, release, previous, kind, cause, signal).catch((failure: unknown) => {
        onUnfinished?.(app.id)
        return failure
      })
    }
    ended('succeeded')
    if (!previous?.build) await this.#awaitRoute(next, routed, signal)
    await this.#cleanUp(next, release, previous)
  }

  /** What is left over costs room and nothing else: that it could not be removed does not make the release a bad one. */
  async #cleanUp(app: App, release: Release, previous: Release | undefined): Promise<void> {
    const { processes, cluster, log } = this.#options
    try {
      await processes.removeStrays(app, release)
      await cluster.removeEnvironments(app.id, [release.version, previous?.version ?? 0])
    } catch (error) {
      log.warn('earlier release not cleared away', { app: app.id, error })
    }
  }

  /** An app that nothing runs of, or that is kept from the router on purpose, has nothing to wait for. */
  async #awaitRoute(app: App, type: string | undefined, signal: AbortSignal): Promise<void> {
    const { routable, maintenance } = app.settings
    if (type && (app.formation[type] ?? 0) > 0 && routable && !maintenance) await this.#options.awaitRoute?.(app.id, signal)
  }

  /** Marks a release as failed, puts the one before back, and returns what the user is told. */
  async #fail(
    app: App,
    release: Release,
    previous: Release | undefined,
    kind: ReleaseKind,
    error: unknown,
    signal: AbortSignal,
  ): Promise<Refusal> {
    const { records, platformLog, log, onUnfinished } = this.#options
    const reason = await this.#explain(app.id, error)
    const user = kind === 'build' || kind === 'rollback' ? app.owner : release.owner
    const summary = summariseFailure(kind, user, release.build)
    await records.releases.fail(app.id, release.version, summary, reason)
    for (const line of `${summary}: ${reason}`.split('\n')) platformLog.say(app.id, line, 'ERROR')
    try {
      await this.#putBack(this.#mustHave(app.id), previous, signal)
    } catch (cause) {
      log.error('previous release not put back', { app: app.id, version: previous?.version, error: cause })
      onUnfinished?.(app.id)
    }
    // What Kubernetes finds invalid is what the user asked for: a request above its limit, more variables than an object holds.
    if (error instanceof RolloutError || isStatus(error, 400, 413, 422)) return refused(reason)
    log.error('rollout failed', { app: app.id, version: release.version, error })
    return unavailable(reason, error)
  }

  /** Makes the Deployments those of an earlier release, whose pods for the most part still run. */
  async #putBack(app: App, previous: Release | undefined, signal: AbortSignal): Promise<void> {
    const { cluster, processes, routing } = this.#options
    if (previous?.build) {
      await processes.apply(app, previous)
      await routing.sync(app.id, routableType(app.formation, previous.build))
      // Waited for so that the user finds his old processes as he left them; a rollback that waits for its turn brings its own.
      if (!signal.aborted) await processes.rollOut(app, previous, signal)
    } else await processes.remove(app.id)
    await cluster.removeEnvironments(app.id, previous ? [previous.version] : [])
  }

  async #explain(app: string, error: unknown): Promise<string> {
    const message = error instanceof Error ? error.message : String(error)
    if (!(error instanceof RolloutError) || !error.pod) return message
    const lines = await this.#options.lastLines(app, error.pod)
    return lines ? `${message}\n${lines}` : message
  }

  #busy(app: string, kind: ReleaseKind): Refusal {
    const record = this.#options.records.apps.get(app)
    const type = Object.keys(record?.formation ?? {})[0] ?? 'web'
    const text = `Deployment for ${deploymentName(app, type)} is already in progress`
    return kind === 'build' ? refused(text) : conflict(text)
  }

  #mustHave(id: string): App {
    const app = this.#options.records.apps.get(id)
    if (!app || app.deleting) throw missing('App')
    return app
  }
}

/** The counts that a scaling has overwritten. */
function restore(before: Formation, wish: Formation): Formation {
  return Object.fromEntries(Object.keys(wish).map(type => [type, own(before, type) ?? 0]))
}
