import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { silentLog } from '../../kernel/log.ts'
import { systemClock } from './clock.ts'
import { MemoryApi } from './testing/memory-api.ts'
import { View } from './view.ts'

suite('View', () => {
  test('shows what was made through it before the watch brings it, and under its owner', async () => {
    await using fixture = await held()
    const { view } = fixture
    const made = await view.create(pod('a', 'owner'))
    assert.equal(view.get('shop/a')?.metadata.uid, made.metadata.uid)
    assert.deepEqual(
      view.controlledBy('owner').map(({ metadata }) => metadata.name),
      ['a'],
    )
  })

  test('shows an object as on its way out as soon as its deletion was accepted, also when older news of it comes', async () => {
    await using fixture = await held()
    const { api, view } = fixture
    const made = await view.create(pod('a'))
    await api.patch(RESOURCES.pods, 'shop', 'a', { type: 'merge', body: { metadata: { labels: { late: 'news' } } } })
    await view.delete(made)
    assert.ok(view.get('shop/a')?.metadata.deletionTimestamp)
    api.letGo(RESOURCES.pods)
    await changed(view, () => view.get('shop/a') === undefined)
  })

  test('keeps a newer write of its own when the watch brings an older one', async () => {
    await using fixture = await held()
    const { api, view } = fixture
    const made = await view.create(pod('a'))
    await view.patch(made, { type: 'merge', body: { metadata: { labels: { step: '2' } } } })
    const seen: unknown[] = []
    view.onChange(() => seen.push(view.get('shop/a')?.metadata.labels?.['step']))
    api.letGo(RESOURCES.pods)
    await changed(view, () => seen.length === 2)
    assert.deepEqual(seen, ['2', '2'])
  })

  test('tells of an object that took the place of another as gone and new', async () => {
    await using fixture = await held()
    const { api, view } = fixture
    api.letGo(RESOURCES.pods)
    const first = await view.create(pod('a'))
    await changed(view, () => view.get('shop/a') !== undefined)
    await view.delete(first)
    const second = await view.create(pod('a'))
    await changed(view, () => view.get('shop/a')?.metadata.uid === second.metadata.uid)
    assert.equal(view.list().length, 1)
  })

  test('does not delete what has taken the name of the object', async () => {
    await using fixture = await held()
    const { api, view } = fixture
    const first = await view.create(pod('a'))
    await api.delete(RESOURCES.pods, 'shop', 'a')
    await api.create(RESOURCES.pods, pod('a'))
    await assert.rejects(view.delete(first), { code: 409 })
    assert.equal(api.all(RESOURCES.pods).length, 1)
  })

  test('forgets a write that was undone before the watch could bring it', async () => {
    await using fixture = await held()
    const { api, view } = fixture
    await view.create(pod('a'))
    await api.delete(RESOURCES.pods, 'shop', 'a')
    await api.create(RESOURCES.pods, pod('b'))
    api.letGo(RESOURCES.pods)
    await changed(view, () => view.get('shop/b') !== undefined)
    assert.deepEqual(
      view.list().map(({ metadata }) => metadata.name),
      ['b'],
    )
  })
})

/** A view of pods whose watch is held up. */
async function held() {
  const api = new MemoryApi()
  api.hold(RESOURCES.pods)
  const view = new View(api, RESOURCES.pods, { log: silentLog, clock: systemClock })
  await view.synced
  return { api, view, [Symbol.asyncDispose]: () => view.stop() }
}

function pod(name: string, owner?: string) {
  const ownerReferences = owner ? [{ apiVersion: 'v1', kind: 'X', name: owner, uid: owner, controller: true }] : []
  return { metadata: { name, namespace: 'shop', ownerReferences } }
}

/** Resolves once the condition holds after a change. */
async function changed(view: View<object>, condition: () => boolean): Promise<void> {
  if (condition()) return
  await new Promise<void>(resolve => {
    const end = view.onChange(() => {
      if (!condition()) return
      end()
      resolve()
    })
  })
}
