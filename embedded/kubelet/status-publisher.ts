import type { Pod, PodStatus } from 'kubernetes-types/core/v1'
import { Backoff, delay } from '../../kernel/backoff.ts'
import { POD_PORTS_ANNOTATION } from '../../kernel/contract.ts'
import { isStatus, type KubernetesApi } from '../../kernel/kubernetes/api.ts'
import { RESOURCES, type Stored } from '../../kernel/kubernetes/objects.ts'
import type { Log } from '../../kernel/log.ts'

const FIELD_MANAGER = 'kubelet'

/**
 * Keeps a pod's status at the API server true: one write at a time, the newest status always, tried again until it has got through or the
 * pod has gone. The annotation with the pod's ports goes before the first status, so nobody sees a ready pod without it.
 */
export class StatusPublisher {
  readonly #api: KubernetesApi
  readonly #log: Log
  readonly #pod: () => Stored<Pod>
  readonly #build: () => PodStatus
  readonly #ports: () => Readonly<Record<string, number>> | undefined
  readonly #stop = new AbortController()
  #published = ''
  #annotated = ''
  #isDirty = false
  #working: Promise<void> | undefined

  /**
   * @param build the status as it is now
   * @param ports what the annotation shall say; `undefined` for no annotation
   */
  constructor(options: {
    api: KubernetesApi
    log: Log
    pod: () => Stored<Pod>
    build: () => PodStatus
    ports: () => Readonly<Record<string, number>> | undefined
  }) {
    this.#api = options.api
    this.#log = options.log
    this.#pod = options.pod
    this.#build = options.build
    this.#ports = options.ports
    this.#annotated = options.pod().metadata.annotations?.[POD_PORTS_ANNOTATION] ?? ''
  }

  /** The status may have changed: it is written soon, all changes of one turn at once. */
  changed(): void {
    this.#isDirty = true
    this.#working ??= this.#work()
  }

  /** Resolves when the newest status has been written, or never will be. */
  async flush(): Promise<void> {
    await this.#working
  }

  /** Writes nothing more. */
  stop(): void {
    this.#stop.abort()
  }

  async #work(): Promise<void> {
    const { signal } = this.#stop
    const backoff = new Backoff({ minMs: 100, maxMs: 5000 })
    await Promise.resolve()
    while (this.#isDirty && !signal.aborted) {
      this.#isDirty = false
      try {
        await this.#write()
        backoff.reset()
      } catch (error) {
        if (signal.aborted) break
        // Gone, or another pod of the same name: there is nobody to tell.
        if (isStatus(error, 404, 409)) break
        this.#log.warn('pod status not written', { pod: this.#pod().metadata.name, error: (error as Error).message })
        this.#isDirty = true
        await delay(backoff.next(), signal)
      }
    }
    this.#working = undefined
  }

  async #write(): Promise<void> {
    const { namespace = '', name, uid } = this.#pod().metadata
    const options = { fieldManager: FIELD_MANAGER, signal: this.#stop.signal }
    const ports = this.#ports()
    const annotation = ports ? JSON.stringify(ports) : this.#annotated
    if (annotation !== this.#annotated) {
      const body = { metadata: { uid, annotations: { [POD_PORTS_ANNOTATION]: annotation } } }
      await this.#api.patch(RESOURCES.pods, namespace, name, { type: 'merge', body }, options)
      this.#annotated = annotation
    }
    const status = this.#build()
    const text = JSON.stringify(status)
    if (text === this.#published) return
    // The uid is a condition: the API server refuses it for another pod of the same name.
    const body = { metadata: { uid }, status }
    await this.#api.patch(RESOURCES.pods, namespace, name, { type: 'merge', body }, { ...options, subresource: 'status' })
    this.#published = text
  }
}
