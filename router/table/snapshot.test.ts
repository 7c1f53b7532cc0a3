import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { KubernetesApi } from '../../kernel/kubernetes/api.ts'
import { silentLog } from '../../kernel/log.ts'
import type { Changes } from './build.ts'
import { allowedSecrets, ClusterWatch } from './snapshot.ts'

suite('allowedSecrets()', () => {
  const keys = (namespace: string, count: number) => Array.from({ length: count }, (_, index) => `${namespace}/s${index}`)
  test('leaves places for others, however many Secrets one namespace names', () =>
    assert.deepEqual(allowedSecrets([...keys('greedy', 500), 'shop/users'], []), [...keys('greedy', 10), 'shop/users']))
  test('counts those that are watched already, and never exceeds them all', () => {
    assert.deepEqual(allowedSecrets(['a/x', 'b/x'], keys('a', 10)), ['b/x'])
    const many = Array.from({ length: 30 }, (_, index) => keys(`n${index}`, 5)).flat()
    assert.equal(allowedSecrets(many, keys('a', 10)).length, 90)
  })
})

suite('ClusterWatch', () => {
  test('tells a burst in parts, and what changes meanwhile as it then is', async () => {
    const api = new FakeApi()
    const told: Changes[] = []
    let lastPort: number | undefined
    const watch = new ClusterWatch(api as unknown as KubernetesApi, {
      ...{ family: 'router.drycc.cc/' as const, namespace: 'drycc', log: silentLog },
      onChanges: changes => {
        told.push(changes)
        if (changes.slices.has('team/app-299')) lastPort = watch.slices('team/app-299')[0]?.ports?.[0]?.port
        // While the rest waits.
        if (told.length === 1) api.change(299, 2)
      },
    })
    try {
      await watch.synced
      while (watch.takeChanges().isPart);
      for (let index = 0; index < 300; index++) api.change(index, 1)
      while (lastPort !== 2 || told.at(-1)!.isPart) await nextTurn()
      assert.ok(told.length >= 3)
      assert.ok(told.every(({ services, slices }) => services.size + slices.size <= 101))
      assert.equal(new Set(told.flatMap(({ slices }) => [...slices])).size, 300)
      assert.equal(new Set(told.flatMap(({ services }) => [...services])).size, 300)
    } finally {
      await watch.stop()
    }
  })
})

/** An API server without an object, whose watches are told what to say. */
class FakeApi {
  readonly #watches = new Map<string, (event: unknown) => void>()

  async list() {
    return { items: [], resourceVersion: '1' }
  }

  async *watch({ plural }: { plural: string }, { labelSelector, signal }: { labelSelector?: string; signal: AbortSignal }) {
    const queue: unknown[] = []
    let wake = () => {}
    signal.addEventListener('abort', () => wake())
    if (labelSelector !== 'router.deis.io/routable=true' && labelSelector !== undefined)
      this.#watches.set(plural, event => {
        queue.push(event)
        wake()
      })
    while (!signal.aborted) {
      if (queue.length > 0) yield queue.shift()
      else await new Promise<void>(resolve => (wake = resolve))
    }
  }

  change(index: number, port: number): void {
    const name = `app-${index}`
    const metadata = { name, namespace: 'team', resourceVersion: `${port}`, uid: name }
    this.#watches.get('services')!({ type: 'MODIFIED', object: { metadata, spec: { ports: [{ port: 80 }] } } })
    const labels = { 'kubernetes.io/service-name': name }
    const slice = { metadata: { ...metadata, labels }, addressType: 'IPv4', endpoints: [], ports: [{ port }] }
    this.#watches.get('endpointslices')!({ type: 'MODIFIED', object: slice })
  }
}
