import assert from 'node:assert/strict'
import { mkdtemp, rm, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, suite, test } from 'node:test'
import type { ChangeHandler } from '../../kernel/kubernetes/informer.ts'
import type { KubernetesObject } from '../../kernel/kubernetes/objects.ts'
import { silentLog } from '../../kernel/log.ts'
import { type ImageStore, openImageStore } from '../images/store.ts'
import { ImageKeeper } from './image-keeper.ts'

suite('ImageKeeper', () => {
  let dir: string
  let images: ImageStore
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'drycc-keeper-'))
    images = openImageStore(join(dir, 'images'))
  })
  afterEach(() => rm(dir, { recursive: true }))

  const put = async (app: string, tag: string) => {
    const { digest } = await images.put(await mkdtemp(join(dir, 'tree-')), { command: [app, tag] }, { move: true })
    await images.tag(`embedded/${app}`, tag, digest)
    return digest
  }
  const keep = (inUse: string[], there: string[] = []) => {
    let change: ChangeHandler<KubernetesObject> = () => {}
    const keeper = new ImageKeeper({
      images,
      inUse: () => new Set(inUse),
      namespaces: {
        ...{ isSynced: true, synced: Promise.resolve() },
        get: name => (there.includes(name) ? { metadata: { name, uid: '', resourceVersion: '' } } : undefined),
        subscribe: handler => {
          change = handler
          return () => {}
        },
      },
      intervalMs: 1_000_000,
      log: silentLog,
    })
    return { keeper, change }
  }
  const isThere = async (digest: string) => (await images.resolve(`x@${digest}`)) !== undefined

  test('removes the images of an app whose namespace has gone, save one that still runs', async () => {
    const [one, two, other] = [await put('shop', 'v1'), await put('shop', 'v2'), await put('blog', 'v1')]
    const { keeper, change } = keep([two])
    change('shop', undefined, undefined)
    await keeper.stop()
    assert.deepEqual(await Promise.all([one, two, other].map(isThere)), [false, true, true])
    assert.deepEqual(
      (await images.tags()).map(({ repository }) => repository),
      ['embedded/blog'],
    )
  })

  test('removes the images of an app that was destroyed while no kubelet ran, once they are old', async () => {
    const [old, young, alive] = [await put('old', 'v1'), await put('young', 'v1'), await put('alive', 'v1')]
    for (const app of ['old', 'alive']) await utimes(join(dir, 'images/tags/embedded', app, 'v1'), 1, 1)
    const { keeper } = keep([], ['alive'])
    await Promise.resolve()
    await keeper.stop()
    assert.deepEqual(await Promise.all([old, young, alive].map(isThere)), [false, true, true])
  })
})
