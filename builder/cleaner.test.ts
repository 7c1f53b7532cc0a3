import assert from 'node:assert/strict'
import { EventEmitter, on, once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import type { KubernetesApi, WatchEvent } from '../kernel/kubernetes/api.ts'
import { createLog } from '../kernel/log.ts'
import { startCleaner } from './cleaner.ts'
import { AppLocks } from './receive/app-locks.ts'
import { Repositories } from './receive/repository.ts'

suite('startCleaner()', () => {
  let home: string
  before(async () => {
    home = await mkdtemp(path.join(os.tmpdir(), 'cleaner-test-'))
  })
  after(() => rm(home, { recursive: true, force: true }))

  test('removes the repositories of apps that have gone, now or while nobody watched', async () => {
    const repositories = new Repositories(home)
    await repositories.open('kept', 'uid-kept')
    await repositories.open('lost', 'uid-lost')
    await repositories.open('young')
    await repositories.open('going', 'uid-going')
    const cachePath = path.join(home, 'cache')
    for (const app of ['kept', 'going', 'lost', 'forgotten']) await mkdir(path.join(cachePath, app), { recursive: true })
    const cluster = new StubNamespaces(['kept', 'going'])
    const said = new EventEmitter()
    const log = createLog({ role: 'test', write: line => void said.emit('line', JSON.parse(line)) })
    const removed = async (app: string) => {
      for await (const [line] of on(said, 'line')) if (line.msg === 'repository removed' && line.app === app) return
    }
    const lost = Promise.all([removed('lost'), removed('forgotten')])
    const cleaner = startCleaner(cluster.api, { repositories, locks: new AppLocks(), cachePath, log })
    try {
      await lost
      assert.deepEqual((await repositories.list()).sort(), ['going', 'kept', 'young'])
      assert.equal(cleaner.ownerOf('kept'), 'uid-kept')
      const going = removed('going')
      cluster.remove('going')
      await going
      assert.deepEqual((await repositories.list()).sort(), ['kept', 'young'])
      assert.deepEqual(await readdir(cachePath), ['kept'])
    } finally {
      await cleaner.stop()
    }
  })
})

suite('Repositories', () => {
  test('open() throws away what an earlier app of the same name left', async () => {
    const home = await mkdtemp(path.join(os.tmpdir(), 'repositories-test-'))
    try {
      const repositories = new Repositories(home)
      const opened = await repositories.open('shop', 'first')
      await repositories.setHead('shop', 'refs/heads/old')
      assert.equal(await repositories.open('shop', 'first'), opened)
      assert.equal((await repositories.head('shop')).ref, 'refs/heads/old')
      await Promise.all([repositories.open('shop', 'second'), repositories.open('shop', 'second'), repositories.open('shop')])
      assert.deepEqual(await repositories.head('shop'), { ref: 'refs/heads/main', born: false })
    } finally {
      await rm(home, { recursive: true, force: true })
    }
  })
})

/** Namespaces that can only be listed, watched and removed. */
class StubNamespaces {
  readonly #names: Set<string>
  readonly #events = new EventEmitter()
  #version = 1

  constructor(names: readonly string[]) {
    this.#names = new Set(names)
  }

  remove(name: string): void {
    this.#names.delete(name)
    this.#version++
    this.#events.emit('event', { type: 'DELETED', object: this.#object(name) })
  }

  get api(): KubernetesApi {
    return {
      list: async () => ({ items: [...this.#names].map(name => this.#object(name)), resourceVersion: String(this.#version) }),
      watch: (_resource: unknown, { signal }: { signal?: AbortSignal }) => this.#watch(signal),
    } as unknown as KubernetesApi
  }

  async *#watch(signal?: AbortSignal): AsyncGenerator<WatchEvent<object>> {
    while (!signal?.aborted) {
      const [event] = await once(this.#events, 'event', signal ? { signal } : {})
      yield event
    }
  }

  #object(name: string) {
    return { metadata: { name, uid: `uid-${name}`, resourceVersion: String(this.#version) } }
  }
}
