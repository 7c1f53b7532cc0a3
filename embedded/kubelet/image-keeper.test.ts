import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import type { ChangeHandler } from '../../kernel/kubernetes/informer.ts'
import type { KubernetesObject } from '../../kernel/kubernetes/objects.ts'
import { silentLog } from '../../kernel/log.ts'
import { openImageStore } from '../images/store.ts'
import { ImageKeeper } from './image-keeper.ts'

suite('ImageKeeper', () => {
  test('removes the images of an app whose namespace has gone, save one that still runs', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'drycc-keeper-'))
    const images = openImageStore(join(dir, 'images'))
    const digests: string[] = []
    for (const app of ['shop', 'shop', 'blog']) {
      const { digest } = await images.put(await mkdtemp(join(dir, 'tree-')), { command: [app, String(digests.length)] }, { move: true })
      digests.push(digest)
      await images.tag(`embedded/${app}`, `v${digests.length}`, digest)
    }
    let change: ChangeHandler<KubernetesObject> = () => {}
    const keeper = new ImageKeeper({
      images,
      inUse: () => new Set([digests[1]!]),
      namespaces: {
        subscribe: handler => {
          change = handler
          return () => {}
        },
      },
      intervalMs: 1_000_000,
      log: silentLog,
    })
    change('shop', undefined, undefined)
    await keeper.stop()
    const found = await Promise.all(digests.map(digest => images.resolve(`x@${digest}`)))
    assert.deepEqual(
      found.map(image => image !== undefined),
      [false, true, true],
    )
    assert.deepEqual(
      (await images.tags()).map(({ repository }) => repository),
      ['embedded/blog'],
    )
    await rm(dir, { recursive: true })
  })
})
