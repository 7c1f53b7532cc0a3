import type { Pod } from 'kubernetes-types/core/v1'
import { remove } from '../../kernel/kubernetes/api.ts'
import { RESOURCES, type Stored } from '../../kernel/kubernetes/objects.ts'
import { CONTAINER_ID_VARIABLE, killContainer } from './container-process.ts'
import type { Machine } from './machine.ts'
import type { PodRecord } from './pod-record.ts'
import { PodRunner } from './pod-runner.ts'
import { findByEnvironment, sendSignal } from './process-table.ts'

/** The pods of the node: one runner for each that has work left. */
export class Pods {
  readonly #machine: Machine
  readonly #runners = new Map<string, PodRunner>()
  readonly #records = new Map<string, PodRecord>()
  /** Pods that are deleted without ever having run here. */
  readonly #dismissed = new Set<string>()
  #isStopping = false

  /** Takes over at once what still runs, before the API server is heard: full pipes would hold the apps up. */
  constructor(machine: Machine) {
    this.#machine = machine
    for (const record of machine.records.readAll()) {
      this.#records.set(record.pod.metadata.uid, record)
      if (record.address) machine.network.claim(record.pod.metadata.uid, record.address)
      if (Object.values(record.containers).some(({ process }) => process)) this.#run(record.pod)
    }
    this.#killStrays()
  }

  /** Image digests that pods of this node need. */
  get images(): Set<string> {
    const recorded = [...this.#records.values()].flatMap(({ containers }) =>
      Object.values(containers).map(({ imageDigest }) => imageDigest ?? ''),
    )
    return new Set([...this.#runners.values()].flatMap(runner => runner.images).concat(recorded))
  }

  /** The runner of a pod by its name, the newest of that name. */
  find(namespace: string, name: string): PodRunner | undefined {
    return [...this.#runners.values()].findLast(({ pod: { metadata } }) => metadata.namespace === namespace && metadata.name === name)
  }

  /** Takes a pod as it is now; another one of the same name may still be on its way out. */
  set(pod: Stored<Pod>): void {
    if (this.#isStopping) return
    const { uid, deletionTimestamp } = pod.metadata
    const runner = this.#runners.get(uid)
    const isOver = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'
    if (runner) runner.update(pod)
    else if (deletionTimestamp && (isOver || !this.#records.has(uid))) this.#dismiss(pod)
    else if (!isOver) this.#run(pod)
  }

  /** The object has gone. */
  remove({ metadata }: Stored<Pod>): void {
    const { namespace = '', name, uid } = metadata
    this.#dismissed.delete(uid)
    const runner = this.#runners.get(uid)
    if (runner) runner.gone()
    else {
      this.#forget(uid)
      this.#machine.logs.removePod({ namespace, name, uid })
    }
  }

  /** Ends and forgets every pod that the API server no longer has: it was deleted by force while no kubelet was there. */
  retain(uids: ReadonlySet<string>): void {
    for (const [uid, runner] of this.#runners) if (!uids.has(uid)) runner.gone()
    for (const uid of [...this.#records.keys()]) if (!uids.has(uid) && !this.#runners.has(uid)) this.#forget(uid)
    this.#machine.logs.removeOthers(new Set([...uids, ...this.#runners.keys()]))
  }

  /** Ends all processes; objects and records stay. */
  async shutDown(): Promise<void> {
    this.#isStopping = true
    await Promise.all([...this.#runners.values()].map(runner => runner.shutDown()))
  }

  /** Leaves all processes running. */
  detach(): void {
    this.#isStopping = true
    for (const runner of this.#runners.values()) runner.detach()
  }

  #run(pod: Stored<Pod>): void {
    const { uid } = pod.metadata
    const runner = new PodRunner(pod, this.#records.get(uid), this.#machine)
    this.#records.delete(uid)
    this.#runners.set(uid, runner)
    void runner.done.then(() => this.#runners.delete(uid))
  }

  #forget(uid: string): void {
    for (const { process } of Object.values(this.#records.get(uid)?.containers ?? {})) if (process) killContainer(process)
    this.#records.delete(uid)
    this.#machine.network.release(uid)
    this.#machine.records.remove(uid).catch(error => this.#machine.log.warn('pod folder not removed', { uid, error }))
  }

  #dismiss({ metadata: { namespace = '', name, uid } }: Stored<Pod>): void {
    if (this.#dismissed.has(uid)) return
    this.#dismissed.add(uid)
    remove(this.#machine.api, RESOURCES.pods, namespace, name, { gracePeriodSeconds: 0, preconditions: { uid } }).catch(error => {
      this.#dismissed.delete(uid)
      this.#machine.log.warn('pod not deleted', { pod: name, error: (error as Error).message })
    })
  }

  /** Kills what was started just before a crash, so that no record knows of it. */
  #killStrays(): void {
    const known = new Set(
      [...this.#records.values(), ...[...this.#runners.values()].map(({ record }) => record)].flatMap(({ containers }) =>
        Object.values(containers).flatMap(({ process, end }) => (process && !end ? [process.id] : [])),
      ),
    )
    for (const [pid, id] of findByEnvironment(CONTAINER_ID_VARIABLE, this.#machine.idPrefix)) if (!known.has(id)) sendSignal(pid, 'SIGKILL')
  }
}
