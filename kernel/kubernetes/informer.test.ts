import assert from 'node:assert/strict'
import { once } from 'node:events'
import { suite, test } from 'node:test'
import type { ConfigMap } from 'kubernetes-types/core/v1'
import { Backoff } from '../backoff.ts'
import { silentLog } from '../log.ts'
import { type KubernetesApi, KubernetesError, type ListOptions, type ObjectList, type WatchEvent, type WatchOptions } from './api.ts'
import { startInformer } from './informer.ts'
import { RESOURCES, type Stored } from './objects.ts'

type Step = WatchEvent<ConfigMap> | Error | 'end'

suite('Informer', () => {
  test('is whole after its first list and follows the watch from there', async () => {
    const api = new ScriptedApi([page('5', map('a', '3'), map('b', '4'))])
    const { informer, changes } = start(api)
    await informer.synced
    assert.deepEqual(names(informer.list()), ['a', 'b'])
    const watch = await api.nextWatch()
    assert.equal(watch.options.resourceVersion, '5')
    watch.push(
      { type: 'ADDED', object: map('c', '6') },
      { type: 'DELETED', object: map('a', '7') },
      { type: 'MODIFIED', object: map('b', '8') },
    )
    await informer.until(() => informer.get('default/b')?.metadata.resourceVersion === '8')
    assert.deepEqual(names(informer.list()), ['b', 'c'])
    assert.deepEqual(changes, ['+a', '+b', '+c', '-a', '~b'])
    await informer.stop()
  })

  test('gathers a list of several pages', async () => {
    const api = new ScriptedApi([{ ...page('5', map('a', '1')), continue: 'more' }, page('5', map('b', '2'))])
    const { informer } = start(api)
    await informer.synced
    assert.deepEqual(names(informer.list()), ['a', 'b'])
    await informer.stop()
  })

  test('keeps what has not changed as it is, pruned, and whole what has another shape', async () => {
    const pruned: string[] = []
    const prune = (object: Stored<ConfigMap>): Stored<ConfigMap> => {
      pruned.push(object.metadata.name)
      if (object.metadata.name === 'odd') throw new TypeError('of another shape')
      return { metadata: object.metadata }
    }
    const whole = (name: string, version: string) => ({ ...map(name, version), data: { much: 'x' } })
    const api = new ScriptedApi([
      page('5', whole('a', '1'), whole('odd', '2')),
      page('9', whole('a', '1'), whole('odd', '2'), whole('b', '8')),
    ])
    const { informer } = start(api, undefined, prune)
    const watch = await api.nextWatch()
    const first = informer.get('default/a')
    assert.deepEqual(first, map('a', '1'))
    assert.deepEqual(informer.get('default/odd'), whole('odd', '2'))
    watch.push({ type: 'MODIFIED', object: whole('odd', '6') }, new KubernetesError({ code: 410, reason: 'Expired', message: 'too old' }))
    await api.nextWatch()
    assert.equal(informer.get('default/a'), first)
    assert.deepEqual(pruned, ['a', 'odd', 'odd', 'a', 'odd', 'b'])
    await informer.stop()
  })

  test('resumes after an end and after a reset, from the last version or bookmark, without a new list', async () => {
    const api = new ScriptedApi([page('5')])
    const { informer } = start(api)
    const first = await api.nextWatch()
    first.push({ type: 'ADDED', object: map('a', '6') }, 'end')
    const second = await api.nextWatch()
    assert.equal(second.options.resourceVersion, '6')
    second.push({ type: 'BOOKMARK', object: map('', '9') }, new Error('reset'))
    const third = await api.nextWatch()
    assert.equal(third.options.resourceVersion, '9')
    assert.equal(api.listCount, 1)
    assert.equal(informer.size, 1)
    await informer.stop()
  })

  test('lists again after a 410 and tells what has gone meanwhile', async () => {
    const api = new ScriptedApi([page('5', map('a', '1'), map('b', '2')), page('20', map('b', '2'), map('c', '15'))])
    const { informer, changes } = start(api)
    const watch = await api.nextWatch()
    watch.push(new KubernetesError({ code: 410, reason: 'Expired', message: 'too old' }))
    const next = await api.nextWatch()
    assert.equal(next.options.resourceVersion, '20')
    assert.deepEqual(changes, ['+a', '+b', '-a', '+c'])
    await informer.stop()
  })

  test('follows a server that was put back: lower versions, the same ones for other contents, objects that are gone', async () => {
    const other = { ...map('b', '4'), data: { is: 'other' } }
    const api = new ScriptedApi([page('50', map('a', '3'), map('b', '4')), page('7', other)])
    const { informer, changes } = start(api)
    const watch = await api.nextWatch()
    watch.push(new KubernetesError({ code: 410, reason: 'Expired', message: 'Too large resource version' }))
    const next = await api.nextWatch()
    assert.equal(next.options.resourceVersion, '7')
    assert.deepEqual(changes, ['+a', '+b', '-a', '~b'])
    assert.equal(informer.get('default/b'), other)
    await informer.stop()
  })

  for (const how of ['end', new Error('reset')] as const)
    test(`lists again where a watch ended early and the server stands at an earlier version (${how})`, async () => {
      const api = new ScriptedApi([page('50', map('a', '3')), page('9', map('c', '9'))])
      const { informer } = start(api)
      const watch = await api.nextWatch()
      api.version = '9'
      watch.push(how)
      const next = await api.nextWatch()
      assert.deepEqual([next.options.resourceVersion, names(informer.list())], ['9', ['c']])
      await informer.stop()
    })

  test('lists again where a resumed watch tells of an earlier version, as it has missed what was before', async () => {
    const api = new ScriptedApi([page('50', map('a', '3')), page('9', map('c', '9'))])
    const { informer } = start(api)
    const watch = await api.nextWatch()
    watch.push({ type: 'ADDED', object: map('c', '9') })
    const next = await api.nextWatch()
    assert.deepEqual([next.options.resourceVersion, names(informer.list())], ['9', ['c']])
    await informer.stop()
  })

  test('lists again when a second watch in a row says nothing', async () => {
    const api = new ScriptedApi([page('50', map('a', '3')), page('9', map('c', '9'))])
    const { informer } = start(api, 10)
    for (const from of ['50', '50', '9']) assert.equal((await api.nextWatch()).options.resourceVersion, from)
    assert.deepEqual(names(informer.list()), ['c'])
    await informer.stop()
  })

  test('asks ever more slowly when every watch ends at once, whatever it says before', async () => {
    const api = new ScriptedApi([page('5')])
    const asked: number[] = []
    const { informer } = start(api, undefined, undefined, new Backoff({ minMs: 10, maxMs: 10_000, jitter: 0 }))
    for (let version = 6; version < 11; version++) {
      const watch = await api.nextWatch()
      asked.push(performance.now())
      watch.push(...(version % 2 === 0 ? [{ type: 'BOOKMARK', object: map('', String(version)) } as const] : []), 'end')
    }
    // 10, 20, 40 and 80 ms; a timer may come late, and a millisecond early.
    assert.ok(asked[4]! - asked[0]! >= 145, `${asked}`)
    await informer.stop()
  })

  test('leaves a server alone for as long as it asks', async () => {
    const busy = new KubernetesError({ code: 429, reason: '', message: 'busy', details: { retryAfterSeconds: 0.15 } })
    const api = new ScriptedApi([busy, busy, page('5')])
    const began = performance.now()
    const { informer } = start(api)
    await informer.synced
    assert.ok(performance.now() - began >= 295)
    await informer.stop()
  })

  test('begins a list anew whose next page has expired', async () => {
    const expired = new KubernetesError({ code: 410, reason: 'Expired', message: 'The provided continue parameter is too old' })
    const api = new ScriptedApi([{ ...page('5', map('a', '1')), continue: 'more' }, expired, page('9', map('b', '8'))])
    const { informer } = start(api)
    await informer.synced
    assert.deepEqual(names(informer.list()), ['b'])
    await informer.stop()
  })

  test('takes a silent watch for dead and resumes', async () => {
    const api = new ScriptedApi([page('5')])
    const { informer } = start(api, 10)
    await api.nextWatch()
    const second = await api.nextWatch()
    assert.equal(second.options.resourceVersion, '5')
    await informer.stop()
  })

  test('keeps its state and tries on while the API server is away', async () => {
    const api = new ScriptedApi([new Error('refused'), page('5', map('a', '1'))])
    const { informer } = start(api)
    await informer.synced
    const watch = await api.nextWatch()
    watch.push(new Error('reset'))
    const again = await api.nextWatch()
    again.push(new KubernetesError({ code: 503, reason: '', message: 'away' }))
    const third = await api.nextWatch()
    assert.equal(third.options.resourceVersion, '5')
    assert.equal(informer.size, 1)
    await informer.stop()
  })

  test('keeps its state while its lists are refused', async () => {
    const forbidden = new KubernetesError({ code: 403, reason: 'Forbidden', message: 'configmaps is forbidden' })
    const api = new ScriptedApi([
      page('5', map('a', '1')),
      forbidden,
      new SyntaxError('Unexpected end of JSON input'),
      page('9', map('b', '8')),
    ])
    const { informer, changes } = start(api)
    const watch = await api.nextWatch()
    let seen: string[] = []
    api.onList = () => (seen = [...seen, ...names(informer.list())])
    watch.push(new KubernetesError({ code: 410, reason: 'Expired', message: 'too old' }))
    await api.nextWatch()
    assert.deepEqual(
      [seen, changes],
      [
        ['a', 'a', 'a'],
        ['+a', '-a', '+b'],
      ],
    )
    await informer.stop()
  })

  test('tells a late subscriber what stands, and a failing handler costs no other', async () => {
    const api = new ScriptedApi([page('5', map('a', '1'))])
    const { informer } = start(api)
    await informer.synced
    const seen: string[] = []
    informer.subscribe(() => {
      throw new Error('broken')
    })
    const end = informer.subscribe(key => void seen.push(key))
    const watch = await api.nextWatch()
    watch.push({ type: 'ADDED', object: map('b', '6') })
    await informer.until(() => informer.size === 2)
    end()
    watch.push({ type: 'ADDED', object: map('c', '7') })
    await informer.until(() => informer.size === 3)
    assert.deepEqual(seen, ['default/a', 'default/b'])
    await informer.stop()
  })

  test('until() ends with the reason of its signal', async () => {
    const { informer } = start(new ScriptedApi([page('5')]))
    await assert.rejects(
      informer.until(() => false, AbortSignal.timeout(5)),
      { name: 'TimeoutError' },
    )
    await informer.stop()
  })
})

function start(
  api: ScriptedApi,
  silenceMs = 60_000,
  prune?: (object: Stored<ConfigMap>) => Stored<ConfigMap>,
  backoff = new Backoff({ minMs: 1, maxMs: 1 }),
) {
  const changes: string[] = []
  const informer = startInformer(api as unknown as KubernetesApi, RESOURCES.configMaps, {
    log: silentLog,
    silenceMs,
    ...(prune && { prune }),
    backoff,
    onChange: (key, object, previous) => changes.push(`${object ? (previous ? '~' : '+') : '-'}${key.split('/')[1]}`),
  })
  return { informer, changes }
}

function map(name: string, resourceVersion: string): Stored<ConfigMap> {
  return { metadata: { name, namespace: 'default', uid: name, resourceVersion } }
}

function page(resourceVersion: string, ...items: Stored<ConfigMap>[]): ObjectList<ConfigMap> {
  return { items, resourceVersion }
}

function names(objects: Stored[]): string[] {
  return objects.map(({ metadata }) => metadata.name).sort()
}

/** An API server whose lists are given beforehand and whose watches the test drives. */
class ScriptedApi {
  listCount = 0
  /** Where the server stands, as a list of one object tells; such lists are not counted. */
  version = '999'
  onList = () => {}
  readonly #pages: (ObjectList<ConfigMap> | Error)[]
  readonly #watches: ScriptedWatch[] = []
  #onWatch: (() => void) | undefined

  constructor(pages: (ObjectList<ConfigMap> | Error)[]) {
    this.#pages = pages
  }

  async list(_: unknown, { limit }: ListOptions = {}): Promise<ObjectList<ConfigMap>> {
    if (limit === 1) return { items: [], resourceVersion: this.version }
    this.listCount++
    this.onList()
    const next = this.#pages.shift()
    if (!next || next instanceof Error) throw next ?? new Error('no more lists')
    return next
  }

  watch(_: unknown, options: WatchOptions): AsyncIterable<WatchEvent<ConfigMap>> {
    const watch = new ScriptedWatch(options)
    this.#watches.push(watch)
    this.#onWatch?.()
    return watch.events()
  }

  async nextWatch(): Promise<ScriptedWatch> {
    while (this.#watches.length === 0) await new Promise<void>(resolve => (this.#onWatch = resolve))
    return this.#watches.shift()!
  }
}

class ScriptedWatch {
  readonly options: WatchOptions
  readonly #steps: Step[] = []
  #wake: () => void = () => {}

  constructor(options: WatchOptions) {
    this.options = options
  }

  push(...steps: Step[]): void {
    this.#steps.push(...steps)
    this.#wake()
  }

  async *events(): AsyncIterable<WatchEvent<ConfigMap>> {
    const { signal } = this.options
    for (;;) {
      const step = this.#steps.shift()
      if (step === 'end') return
      if (step instanceof Error) throw step
      if (step) {
        yield step
        continue
      }
      if (signal?.aborted) throw signal.reason
      const aborted = signal && once(signal, 'abort').then(() => {})
      await Promise.race([new Promise<void>(resolve => (this.#wake = resolve)), ...(aborted ? [aborted] : [])])
    }
  }
}
