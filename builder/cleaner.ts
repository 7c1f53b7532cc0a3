import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import type { KubernetesApi } from '../kernel/kubernetes/api.ts'
import { startInformer } from '../kernel/kubernetes/informer.ts'
import { RESOURCES } from '../kernel/kubernetes/objects.ts'
import type { Running } from '../kernel/lifecycle.ts'
import type { Log } from '../kernel/log.ts'
import type { AppLocks } from './receive/app-locks.ts'
import type { Repositories } from './receive/repository.ts'

const TIDY_INTERVAL_MS = 3_600_000

/** Knows which apps there are, and removes the repositories of those that have gone. */
export interface Cleaner extends Running {
  /** The unique id of an app's namespace; `undefined` while unknown. */
  ownerOf(app: string): string | undefined
}

export interface CleanerParts {
  readonly repositories: Repositories
  readonly locks: AppLocks
  /** Folders named like apps, removed with them. */
  readonly cachePath: string | undefined
  readonly log: Log
}

/**
 * An app is its namespace. The deletion of one removes its repository at once; at the start, and each hour, repositories without a namespace are
 * looked for, as apps may have gone while nobody watched.
 */
export function startCleaner(api: KubernetesApi, { repositories, locks, cachePath, log }: CleanerParts): Cleaner {
  const stop = new AbortController()
  let work: Promise<unknown> = Promise.resolve()
  const later = (name: string, task: () => Promise<void>) => {
    work = work.then(() => (stop.signal.aborted ? undefined : task())).catch(error => log.warn('cleaning failed', { task: name, error }))
  }

  const namespaces = startInformer(api, RESOURCES.namespaces, {
    log,
    onChange: (app, namespace) => {
      if (!namespace) later('remove', () => removeOf(app))
    },
  })

  /** The lock keeps a push to a new app of the same name out of the way. */
  async function removeOf(app: string): Promise<void> {
    const release = locks.tryAcquire(app)
    if (!release) return
    try {
      if (namespaces.get(app)) return
      await repositories.remove(app)
      if (cachePath !== undefined) await rm(path.join(cachePath, app), { recursive: true, force: true })
      log.info('repository removed', { app })
    } finally {
      release()
    }
  }

  /** Only a repository that is known to have had a namespace can have lost it. */
  async function sweep(): Promise<void> {
    for (const app of await repositories.list()) {
      if (!namespaces.get(app) && (await repositories.ownerOf(app)) !== undefined) await removeOf(app)
      else await repositories.tidy(app)
    }
    const cached = cachePath === undefined ? [] : await readdir(cachePath).catch(() => [])
    const known = new Set(await repositories.list())
    for (const app of cached.filter(name => !name.startsWith('.'))) if (!namespaces.get(app) && !known.has(app)) await removeOf(app)
  }

  void namespaces.synced.then(() => later('sweep', sweep))
  const timer = setInterval(() => {
    if (namespaces.isSynced) later('sweep', sweep)
  }, TIDY_INTERVAL_MS)

  return {
    ownerOf: app => namespaces.get(app)?.metadata.uid,
    async stop() {
      clearInterval(timer)
      stop.abort()
      await namespaces.stop()
      await work
    },
  }
}
