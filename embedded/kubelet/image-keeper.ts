import type { Informer } from '../../kernel/kubernetes/informer.ts'
import type { KubernetesObject, Stored } from '../../kernel/kubernetes/objects.ts'
import type { Log } from '../../kernel/log.ts'
import type { ImageStore } from '../images/store.ts'

/** The repositories of apps: `embedded/<app>`, and an app's namespace is named like it. */
const PREFIX = 'embedded/'
/** An app that has no namespace is taken for destroyed once its newest tag is so old. */
const STRAY_AGE_MS = 3_600_000

/**
 * Keeps the image store small: untagged images that no pod uses go after a while, and those of an app that was destroyed with its namespace, at once
 * or, if no kubelet saw it, later. Tags stay otherwise, for a rollback may go to any release.
 */
export class ImageKeeper {
  readonly #images: ImageStore
  readonly #inUse: () => Set<string>
  readonly #namespaces: Pick<Informer<KubernetesObject>, 'get' | 'isSynced'>
  readonly #log: Log
  readonly #timer: NodeJS.Timeout
  readonly #unsubscribe: () => void
  #last: Promise<void> = Promise.resolve()

  constructor(options: {
    images: ImageStore
    /** Digests that pods need. */
    inUse: () => Set<string>
    namespaces: Pick<Informer<KubernetesObject>, 'subscribe' | 'get' | 'isSynced' | 'synced'>
    intervalMs: number
    log: Log
  }) {
    this.#images = options.images
    this.#inUse = options.inUse
    this.#namespaces = options.namespaces
    this.#log = options.log
    this.#timer = setInterval(() => this.#then(() => this.#collect()), options.intervalMs).unref()
    void options.namespaces.synced.then(() => this.#then(() => this.#collect()))
    this.#unsubscribe = options.namespaces.subscribe((key: string, object: Stored | undefined) => {
      if (!object) this.#then(() => this.#images.removeRepository(`${PREFIX}${key}`, this.#inUse()))
    })
  }

  /** Resolves when what is under way is done. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#unsubscribe()
    await this.#last
  }

  async #collect(): Promise<void> {
    if (this.#namespaces.isSynced) await this.#removeStrays()
    const removed = await this.#images.collect(this.#inUse())
    if (removed.length > 0) this.#log.info('images collected', { count: removed.length })
  }

  async #removeStrays(): Promise<void> {
    const repositories = Map.groupBy(await this.#images.tags(), ({ repository }) => repository)
    for (const [repository, tags] of repositories) {
      const isOld = tags.every(({ taggedAt }) => Date.now() - taggedAt > STRAY_AGE_MS)
      const isStray = repository.startsWith(PREFIX) && !this.#namespaces.get(repository.slice(PREFIX.length))
      if (isOld && isStray) await this.#images.removeRepository(repository, this.#inUse())
    }
  }

  /** One after the other. */
  #then(work: () => Promise<void>): void {
    this.#last = this.#last.then(work).catch(error => this.#log.warn('images not collected', { error }))
  }
}
