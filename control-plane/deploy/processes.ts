import type { Deployment } from 'kubernetes-types/apps/v1'
import { LABELS } from '../../kernel/contract.ts'
import type { Stored } from '../../kernel/kubernetes/objects.ts'
import type { App } from '../domain/app.ts'
import type { Build } from '../domain/build.ts'
import { own } from '../domain/fields.ts'
import { type Formation, isRunnable, routableType } from '../domain/formation.ts'
import type { Release } from '../domain/release.ts'
import type { Cluster } from './cluster.ts'
import { buildDeployment, deploymentName, rolloutTimeoutMs } from './deployment.ts'
import { awaitRollout } from './rollout.ts'
import type { Workloads } from './workloads.ts'

/** The Deployments of an app: one for each process type that its formation and its build have in common. */
export class Processes {
  readonly #cluster: Cluster
  readonly #workloads: Workloads
  readonly #batchTimeoutMs: number
  readonly #stopDelaySeconds: number

  /**
   * @param options.batchTimeoutMs how long one batch of new pods may take to become ready
   * @param options.stopDelayMs what a pod that took traffic is left before it is told to end
   */
  constructor(cluster: Cluster, workloads: Workloads, options: { batchTimeoutMs: number; stopDelayMs: number }) {
    this.#cluster = cluster
    this.#workloads = workloads
    this.#batchTimeoutMs = options.batchTimeoutMs
    // The kubelet counts in seconds.
    this.#stopDelaySeconds = Math.ceil(options.stopDelayMs / 1000)
  }

  /** Makes all Deployments those of a release, without waiting for their pods. */
  async apply(app: App, release: Release): Promise<void> {
    await this.#cluster.applyEnvironment(release)
    for (const type of typesOf(app.formation, release.build!)) await this.#write(app, release, type)
    await this.removeStrays(app, release)
  }

  /**
   * Makes the Deployments of a release and waits until their pods are up; what the release does not have stays until it is asked to go.
   *
   * @throws {RolloutError} when they do not come up
   */
  async rollOut(app: App, release: Release, signal: AbortSignal): Promise<void> {
    await this.#cluster.applyEnvironment(release)
    await this.#settle(app, release, typesOf(app.formation, release.build!), signal)
  }

  /**
   * Makes as many processes of some types as the app's formation says, an autoscaler's opinion aside, and waits until those that are new
   * are up and those that are too many have ended.
   *
   * @throws {RolloutError} when they do not come up
   */
  async scale(app: App, release: Release, types: readonly string[], signal: AbortSignal): Promise<void> {
    const runnable = typesOf(app.formation, release.build!).filter(type => types.includes(type))
    await this.#settle(app, release, runnable, signal, { overrule: true })
    await Promise.all(types.map(type => this.#awaitGone(app.id, type, own(app.formation, type) ?? 0, signal)))
  }

  /** Removes the Deployments of types that the release does not have. */
  async removeStrays(app: App, release: Release): Promise<void> {
    const types = typesOf(app.formation, release.build!)
    for (const { metadata } of this.#workloads.deployments(app.id)) {
      const type = metadata.labels?.[LABELS.type] ?? ''
      if (!types.includes(type)) await this.#cluster.removeDeployment(app.id, metadata.name)
    }
  }

  /** Removes all Deployments. */
  async remove(app: string): Promise<void> {
    for (const { metadata } of this.#workloads.deployments(app)) await this.#cluster.removeDeployment(app, metadata.name)
  }

  /** Whether a type has a Deployment. */
  has(app: string, type: string): boolean {
    return this.#workloads.deployment(app, deploymentName(app, type)) !== undefined
  }

  async #settle(app: App, release: Release, types: readonly string[], signal: AbortSignal, { overrule = false } = {}): Promise<void> {
    const written = await Promise.all(types.map(type => this.#write(app, release, type, overrule)))
    const ended = new AbortController()
    const either = AbortSignal.any([signal, ended.signal])
    try {
      await Promise.all(
        written.map(deployment =>
          awaitRollout(this.#workloads, deployment, rolloutTimeoutMs(release, deployment, this.#batchTimeoutMs), either),
        ),
      )
    } finally {
      ended.abort()
    }
  }

  /** @param overrule whether the number of pods is set even where an autoscaler sets it otherwise */
  async #write(app: App, release: Release, type: string, overrule = false): Promise<Stored<Deployment>> {
    const isRouted = app.settings.routable && routableType(app.formation, release.build!) === type
    const takesTraffic = isRouted || Object.hasOwn(app.services ?? {}, type)
    const nodes = await this.#cluster.nodes().catch(() => [])
    const wanted = buildDeployment(release, type, {
      replicas: own(app.formation, type) ?? 0,
      isRouted,
      nodeCount: nodes.length,
      stopDelaySeconds: takesTraffic ? this.#stopDelaySeconds : 0,
    })
    return this.#cluster.applyDeployment(wanted, !overrule && Object.hasOwn(app.settings.autoscale, type))
  }

  /** Waits until no more pods of a type stand than shall, as long as their grace allows. */
  async #awaitGone(app: string, type: string, count: number, signal: AbortSignal): Promise<void> {
    const timeout = AbortSignal.timeout(this.#batchTimeoutMs)
    try {
      await this.#workloads.until(() => this.#workloads.pods(app, type).length <= count, AbortSignal.any([signal, timeout]))
    } catch (error) {
      if (!timeout.aborted || signal.aborted) throw error
    }
  }
}

function typesOf(formation: Formation, build: Build): string[] {
  return Object.entries(formation).flatMap(([type, count]) => (isRunnable(build, type, count) ? [type] : []))
}
