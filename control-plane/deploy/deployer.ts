import { LABELS } from '../../kernel/contract.ts'
import { isStatus } from '../../kernel/kubernetes/api.ts'
import type { Log } from '../../kernel/log.ts'
import type { App } from '../domain/app.ts'
import type { Build } from '../domain/build.ts'
import { type Formation, formationFor, isRunnable, routableType } from '../domain/formation.ts'
import { conflict, Refusal, refused, unavailable } from '../domain/refusal.ts'
import type { Release } from '../domain/release.ts'
import { summariseFailure } from '../domain/summary.ts'
import type { PlatformLog } from '../platform-log.ts'
import type { Records } from '../records.ts'
import { AppLocks } from './app-locks.ts'
import type { Cluster } from './cluster.ts'
import { buildDeployment, deploymentName, rolloutTimeoutMs } from './deployment.ts'
import { awaitRollout, RolloutError } from './rollout.ts'
import type { Workloads } from './workloads.ts'

/** What a release came from; it says how its failure is called. */
export type ReleaseKind = 'build' | 'config' | 'rollback'

export interface DeployerOptions {
  readonly records: Records
  readonly cluster: Cluster
  readonly workloads: Workloads
  readonly platformLog: PlatformLog
  readonly log: Log
  /** How long one batch of new pods may take to become ready. */
  readonly batchTimeoutMs: number
  /** The last lines that a pod wrote, for the text of a failure; empty where there are none. */
  readonly lastLines: (app: string, pod: string) => Promise<string>
  /** Told of each release when it is made. */
  readonly onRelease?: (release: Release) => void
  /** Told how each rollout ended. */
  readonly onRollout?: (outcome: 'succeeded' | 'failed', seconds: number) => void
  /** Waits until the router has learnt of an app that answers for the first time. */
  readonly awaitRoute?: (app: string, signal: AbortSignal) => Promise<void>
}

/** Makes apps run what their records say. Everything that changes what an app runs goes through its lock. */
export class Deployer {
  readonly locks = new AppLocks()
  readonly #routing = new AppLocks()
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
    const { records } = this.#options
    if (this.#deploying.has(app)) {
      // A rollback is how one gets out of a rollout that hangs; anything else would only pile up behind it.
      if (kind !== 'rollback') throw this.#busy(app, kind)
      this.locks.supersede(app)
    }
    const deploys = kind === 'build' || records.releases.current(app)?.build !== undefined
    const turn = Symbol(app)
    if (deploys) this.#deploying.set(app, turn)
    try {
      return await this.locks.run(app, async signal => {
        const release = await records.releases.create(await make(this.#mustHave(app)))
        if (!release) throw this.#busy(app, kind)
        this.#options.platformLog.say(app, release.summary)
        this.#options.onRelease?.(release)
        if (release.build) await this.#rollOut(this.#mustHave(app), release, kind, signal)
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
    const { records, cluster } = this.#options
    await this.locks.run(id, async signal => {
      // Read only now: the release that was current when the request came may have failed meanwhile.
      const release = records.releases.current(id)
      const before = this.#mustHave(id).formation
      const changed = Object.entries(wish).filter(([type, count]) => (before[type] ?? 0) !== count || !this.#stands(id, type))
      if (!release?.build || changed.length === 0) return
      const { formation } = await records.apps.update(id, app => ({ formation: { ...app.formation, ...wish } }))
      try {
        const types = typesOf(formation, release.build).filter(type => changed.some(([name]) => name === type))
        await this.#apply(this.#mustHave(id), release, types, signal, { overrule: true })
        for (const [type, count] of changed) await this.#awaitGone(id, type, count, signal)
        const routed = this.#routedType(id)
        if (routed && (before[routed] ?? 0) === 0) await this.#awaitRoute(this.#mustHave(id), routed, signal)
      } catch (error) {
        if (signal.aborted) throw unavailable('The platform is stopping: the change goes on when it has started again', error)
        await records.apps.update(id, app => ({ formation: { ...app.formation, ...restore(before, wish) } }))
        for (const [type] of changed) await cluster.scaleDeployment(id, deploymentName(id, type), before[type] ?? 0).catch(() => {})
        throw unavailable(await this.#explain(id, error), error)
      }
    })
    await this.syncRouting(id, this.#routedType(id))
  }

  /** Makes the Service, its certificates and the autoscalers those of the records; pods are left alone. */
  async sync(app: string): Promise<void> {
    await this.syncRouting(app, undefined)
    await this.#options.cluster.applyAutoscalers(this.#mustHave(app))
  }

  /**
   * Makes the Service and its certificates those of the records.
   *
   * @param type the process type that shall take the traffic; `undefined` leaves it where it goes
   */
  async syncRouting(id: string, type: string | undefined): Promise<void> {
    const { records, cluster } = this.#options
    // One writer at a time, each reading the records when its turn comes: so the last write is the newest state.
    await this.#routing.run(id, async () => {
      const app = this.#mustHave(id)
      const domains = records.domains.list(id)
      const names = new Set(domains.flatMap(domain => domain.certificate ?? []))
      const certificates = [...names].flatMap(name => records.certificates.get(name) ?? [])
      const known = new Set(certificates.map(certificate => certificate.name))
      await cluster.applyCertificates(id, certificates)
      // A certificate that has gone must not be named to the router.
      const routed = domains.map(({ certificate, ...rest }) => (certificate && known.has(certificate) ? { ...rest, certificate } : rest))
      await cluster.applyService(app, routed, type)
      await cluster.removeCertificates(id, [...known])
    })
  }

  /**
   * Makes everything of an app what its records say, after whatever happened to it or to us: what a control plane does for each app when
   * it starts. A release whose rollout was cut short is rolled out again.
   */
  async reconcile(id: string): Promise<void> {
    const { records } = this.#options
    await this.locks.run(id, async signal => {
      const app = records.apps.get(id)
      const release = records.releases.current(id)
      if (!app || app.deleting || !release) return
      if (!release.build) return this.syncRouting(id, undefined)
      if (app.deployed !== release.version) await this.#rollOut(app, release, 'config', signal)
      else await this.#applyAll(app, release)
      await this.syncRouting(id, this.#routedType(id))
      await this.#options.cluster.applyAutoscalers(this.#mustHave(id))
    })
  }

  async stop(): Promise<void> {
    await Promise.all([this.locks.stop(), this.#routing.stop()])
  }

  /** Rolls a release out, or puts the one before back. */
  async #rollOut(app: App, release: Release, kind: ReleaseKind, signal: AbortSignal): Promise<void> {
    const { records, cluster, onRollout } = this.#options
    const previous = records.releases.get(app.id, app.deployed)
    const formation = formationFor(app.formation, previous?.build, release.build!)
    const next = { ...app, formation }
    const beganAt = performance.now()
    const ended = (outcome: 'succeeded' | 'failed') => onRollout?.(outcome, (performance.now() - beganAt) / 1000)
    try {
      await cluster.applyEnvironment(release)
      await this.#apply(next, release, typesOf(formation, release.build!), signal)
      await this.syncRouting(app.id, routableType(formation, release.build!))
      await records.apps.update(app.id, () => ({ formation, deployed: release.version }))
      if (!previous?.build) await this.#awaitRoute(next, routableType(formation, release.build!), signal)
      await this.#removeStrayTypes(next, release)
      await cluster.removeEnvironments(app.id, [release.version, previous?.version ?? 0])
      ended('succeeded')
    } catch (error) {
      // A process that ends leaves the release as it is: the next one finds it unfinished and goes on.
      if (signal.reason === 'stopping') throw unavailable('The platform is stopping: the rollout goes on when it has started again', error)
      ended('failed')
      const cause = signal.aborted ? new RolloutError('Superseded by a rollback') : error
      throw await this.#fail(app, release, previous, kind, cause, signal)
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
    const { records, platformLog, log } = this.#options
    const reason = await this.#explain(app.id, error)
    const user = kind === 'build' || kind === 'rollback' ? app.owner : release.owner
    const summary = summariseFailure(kind, user, release.build)
    await records.releases.fail(app.id, release.version, summary, reason)
    platformLog.say(app.id, `${summary}: ${reason}`, 'ERROR')
    try {
      await this.#putBack(this.#mustHave(app.id), previous, signal)
    } catch (cause) {
      log.error('previous release not put back', { app: app.id, version: previous?.version, error: cause })
    }
    // What Kubernetes finds invalid is what the user asked for: a request above its limit, a pull policy that is none.
    if (error instanceof RolloutError || isStatus(error, 400, 422)) return refused(reason)
    log.error('rollout failed', { app: app.id, version: release.version, error })
    return unavailable(reason, error)
  }

  /** Makes the Deployments those of an earlier release, whose pods for the most part still run. */
  async #putBack(app: App, previous: Release | undefined, signal: AbortSignal): Promise<void> {
    const { cluster, workloads } = this.#options
    if (previous?.build) {
      await this.#applyAll(app, previous)
      await this.syncRouting(app.id, routableType(app.formation, previous.build))
      // Waited for so that the user finds his old processes as he left them; a rollback that waits for its turn brings its own.
      if (!signal.aborted) await this.#apply(app, previous, typesOf(app.formation, previous.build), signal)
    } else {
      for (const { metadata } of workloads.deployments(app.id)) await cluster.removeDeployment(app.id, metadata.name)
    }
    await cluster.removeEnvironments(app.id, previous ? [previous.version] : [])
  }

  /** Writes all Deployments of a release without waiting for their pods. */
  async #applyAll(app: App, release: Release): Promise<void> {
    await this.#options.cluster.applyEnvironment(release)
    for (const type of typesOf(app.formation, release.build!)) await this.#write(app, release, type)
    await this.#removeStrayTypes(app, release)
  }

  /** Writes the Deployments of some types and waits for all of them. */
  async #apply(app: App, release: Release, types: readonly string[], signal: AbortSignal, { overrule = false } = {}): Promise<void> {
    const { workloads, batchTimeoutMs } = this.#options
    const written = await Promise.all(types.map(type => this.#write(app, release, type, overrule)))
    const ended = new AbortController()
    const either = AbortSignal.any([signal, ended.signal])
    try {
      await Promise.all(
        written.map(deployment => awaitRollout(workloads, deployment, rolloutTimeoutMs(release, deployment, batchTimeoutMs), either)),
      )
    } finally {
      ended.abort()
    }
  }

  /** @param overrule whether the number of pods is set even where an autoscaler sets it otherwise */
  async #write(app: App, release: Release, type: string, overrule = false) {
    const { cluster } = this.#options
    const nodes = await cluster.nodes().catch(() => [])
    const wanted = buildDeployment(release, type, {
      replicas: app.formation[type] ?? 0,
      isRouted: app.settings.routable && routableType(app.formation, release.build!) === type,
      nodeCount: nodes.length,
    })
    return cluster.applyDeployment(wanted, !overrule && Object.hasOwn(app.settings.autoscale, type))
  }

  /** Removes Deployments of types that the release does not have, now that nothing is sent to them any more. */
  async #removeStrayTypes(app: App, release: Release): Promise<void> {
    const { cluster, workloads } = this.#options
    const types = typesOf(app.formation, release.build!)
    for (const { metadata } of workloads.deployments(app.id)) {
      const type = metadata.labels?.[LABELS.type] ?? ''
      if (!types.includes(type)) await cluster.removeDeployment(app.id, metadata.name)
    }
  }

  /** After scaling down: waits until the pods have really ended, as long as their grace allows. */
  async #awaitGone(app: string, type: string, count: number, signal: AbortSignal): Promise<void> {
    const { workloads, batchTimeoutMs } = this.#options
    const timeout = AbortSignal.timeout(batchTimeoutMs)
    const either = AbortSignal.any([signal, timeout])
    await workloads
      .until(() => workloads.pods(app, type).length <= count, either)
      .catch((error: unknown) => {
        if (!timeout.aborted) throw error
      })
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

  #stands(app: string, type: string): boolean {
    return this.#options.workloads.deployment(app, deploymentName(app, type)) !== undefined
  }

  #routedType(id: string): string | undefined {
    const build = this.#options.records.releases.current(id)?.build
    return build && routableType(this.#mustHave(id).formation, build)
  }

  #mustHave(id: string): App {
    const app = this.#options.records.apps.get(id)
    if (!app || app.deleting) throw new Refusal(404, 'No App matches the given query.')
    return app
  }
}

/** The types that a formation and a build have in common: those that get a Deployment. */
function typesOf(formation: Formation, build: Build): string[] {
  return Object.entries(formation).flatMap(([type, count]) => (isRunnable(build, type, count) ? [type] : []))
}

/** The counts that a scaling has overwritten. */
function restore(before: Formation, wish: Formation): Formation {
  return Object.fromEntries(Object.keys(wish).map(type => [type, before[type] ?? 0]))
}
