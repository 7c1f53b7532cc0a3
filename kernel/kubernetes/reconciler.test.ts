import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { silentLog } from '../log.ts'
import { startReconciler } from './reconciler.ts'

suite('Reconciler', () => {
  test('runs a key once for a burst and once more for what comes meanwhile', async () => {
    const runs: string[] = []
    let release = () => {}
    const reconciler = startReconciler({
      name: 'test',
      log: silentLog,
      async reconcile(key) {
        runs.push(key)
        if (runs.length === 1) await new Promise<void>(resolve => (release = resolve))
      },
    })
    for (let count = 0; count < 5; count++) reconciler.enqueue('a')
    await turn()
    for (let count = 0; count < 5; count++) reconciler.enqueue('a')
    release()
    await reconciler.idle()
    assert.deepEqual(runs, ['a', 'a'])
    await reconciler.stop()
  })

  test('never works on one key twice at once, nor on more keys than it may', async () => {
    let active = 0
    let most = 0
    const busy = new Set<string>()
    const reconciler = startReconciler({
      name: 'test',
      log: silentLog,
      concurrency: 3,
      async reconcile(key) {
        assert.ok(!busy.has(key))
        busy.add(key)
        most = Math.max(most, ++active)
        await turn()
        active--
        busy.delete(key)
      },
    })
    for (let count = 0; count < 100; count++) reconciler.enqueue(`key-${count % 10}`)
    await reconciler.idle()
    assert.equal(most, 3)
    await reconciler.stop()
  })

  test('tries again after a failure, and again when it was asked to', async () => {
    const runs: number[] = []
    const third = Promise.withResolvers<void>()
    const reconciler = startReconciler({
      name: 'test',
      log: silentLog,
      retryMinMs: 1,
      async reconcile() {
        runs.push(runs.length)
        if (runs.length === 1) throw new Error('first')
        if (runs.length === 2) return { againAfterMs: 1 }
        third.resolve()
      },
    })
    reconciler.enqueue('a')
    await third.promise
    await reconciler.stop()
    assert.equal(runs.length, 3)
  })

  test('tells running work to end when it stops, waits for it, and starts nothing more', async () => {
    let ended = false
    const began = Promise.withResolvers<void>()
    const reconciler = startReconciler({
      name: 'test',
      log: silentLog,
      async reconcile(_, signal) {
        began.resolve()
        await new Promise(resolve => signal.addEventListener('abort', resolve))
        ended = true
      },
    })
    reconciler.enqueue('a')
    await began.promise
    reconciler.enqueue('a')
    await reconciler.stop()
    assert.ok(ended)
    reconciler.enqueue('b')
    await reconciler.idle()
  })
})

function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
