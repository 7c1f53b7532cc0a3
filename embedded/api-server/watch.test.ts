import assert from 'node:assert/strict'
import { after, suite, test } from 'node:test'
import { startApiServer } from './server.ts'
import { TestClient, watchEvents } from './test-client.ts'

const server = await startApiServer({ historyMax: 100, bookmarkMs: 20 })
const client = new TestClient(server)
after(async () => {
  client.close()
  await server.stop()
})

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps'
const MERGE = { 'content-type': 'application/merge-patch+json' }

suite('watches', () => {
  test('that break off and go on, over a history that is cut, mirror a collection exactly', async () => {
    const selectors = ['', 'color=red', 'color!=red', 'color in (red,blue)', '!color']
    const done = new AbortController()
    const mirrors = selectors.flatMap(selector => [true, false].map(streams => mirror(selector, streams, done.signal)))
    const random = generator(7)
    for (let round = 0; round < 40; round++) {
      await Promise.all(Array.from({ length: 15 }, () => change(random)))
    }
    await client.send('POST', CONFIG_MAPS, { metadata: { name: 'last', labels: { end: 'yes' } } })
    const { body } = await client.send('GET', CONFIG_MAPS)
    done.abort(body.metadata.resourceVersion)
    let resumed = 0
    for (const [index, result] of (await Promise.all(mirrors)).entries()) {
      const selector = selectors[Math.trunc(index / 2)]!
      const list = await client.send('GET', `${CONFIG_MAPS}?labelSelector=${encodeURIComponent(selector)}`)
      const wanted = list.body.items.map((item: Item) => [item.metadata.name, item.metadata.resourceVersion])
      assert.deepEqual([...result.objects].sort(), wanted.sort(), selector)
      resumed += result.resumed
    }
    assert.ok(resumed > 10, `resumed ${resumed} times`)
  })

  test('see one order: versions grow, and each is told once', async () => {
    const answer = await client.open('GET', `${CONFIG_MAPS}?watch=true&resourceVersion=${server.store.version}`)
    await Promise.all(Array.from({ length: 50 }, (_, index) => client.send('POST', CONFIG_MAPS, { metadata: { name: `order-${index}` } })))
    let before = 0
    let count = 0
    for await (const { object } of watchEvents(answer)) {
      const version = Number(object.metadata.resourceVersion)
      assert.ok(version > before)
      before = version
      if (++count === 50) break
    }
  })

  test('tell nothing of a write that was refused', async () => {
    const answer = await client.open('GET', `${CONFIG_MAPS}?watch=true&resourceVersion=${server.store.version}`)
    const names = ['twin', 'twin', 'single']
    const statuses = await Promise.all(names.map(name => client.send('POST', CONFIG_MAPS, { metadata: { name } })))
    assert.deepEqual(statuses.map(({ status }) => status).sort(), [201, 201, 409])
    const seen: string[] = []
    for await (const { type, object } of watchEvents(answer)) {
      seen.push(`${type} ${object.metadata.name}`)
      if (seen.length === 2) break
    }
    assert.deepEqual(seen.sort(), ['ADDED single', 'ADDED twin'])
  })
})

interface Item {
  metadata: { name: string; resourceVersion: string; annotations?: Record<string, string> }
}

/** Follows a selection by list and watch, or by streamed lists, with cuts in between, until it has come as far as the abort's reason says. */
async function mirror(selector: string, streams: boolean, done: AbortSignal) {
  const objects = new Map<string, string>()
  const query = `labelSelector=${encodeURIComponent(selector)}&allowWatchBookmarks=true`
  const random = generator(selector.length + (streams ? 1 : 0))
  let version = 0
  let resumed = 0
  const isFinished = () => done.aborted && version >= Number(done.reason)
  while (!isFinished()) {
    let start = `resourceVersion=${version}`
    if (version === 0 && streams) start = 'sendInitialEvents=true&resourceVersionMatch=NotOlderThan'
    else if (version === 0) {
      const { body } = await client.send('GET', `${CONFIG_MAPS}?${query}`)
      objects.clear()
      for (const { metadata } of body.items as Item[]) objects.set(metadata.name, metadata.resourceVersion)
      version = Number(body.metadata.resourceVersion)
      start = `resourceVersion=${version}`
    } else resumed++
    const answer = await client.open('GET', `${CONFIG_MAPS}?watch=true&timeoutSeconds=5&${query}&${start}`)
    const streamed = new Map<string, string>()
    let isInitial = start.startsWith('sendInitialEvents')
    let left = 1 + Math.trunc(random() * 60)
    for await (const { type, object } of watchEvents(answer)) {
      if (type === 'ERROR') {
        assert.equal(object.code, 410)
        version = 0
        break
      }
      const { name, resourceVersion, annotations } = object.metadata as Item['metadata']
      if (isInitial) {
        if (type === 'ADDED') streamed.set(name, resourceVersion)
        else {
          assert.deepEqual([type, annotations?.['k8s.io/initial-events-end']], ['BOOKMARK', 'true'])
          isInitial = false
          objects.clear()
          for (const [key, value] of streamed) objects.set(key, value)
          version = Number(resourceVersion)
        }
        continue
      }
      assert.ok(Number(resourceVersion) >= version)
      if (type === 'ADDED') assert.ok(!objects.has(name), `${name} added twice`)
      if (type === 'MODIFIED' || type === 'DELETED') assert.ok(objects.has(name), `${name} ${type} without being there`)
      if (type === 'DELETED') objects.delete(name)
      else if (type !== 'BOOKMARK') objects.set(name, resourceVersion)
      version = Number(resourceVersion)
      if (isFinished() || --left <= 0) break
    }
    answer.destroy()
  }
  return { objects, resumed }
}

async function change(random: () => number): Promise<void> {
  const name = `m${Math.trunc(random() * 12)}`
  const color = ['red', 'blue', 'green', null][Math.trunc(random() * 4)]
  const dice = random()
  if (dice < 0.25) await client.send('POST', CONFIG_MAPS, { metadata: { name, ...(color && { labels: { color } }) } })
  else if (dice < 0.45) await client.send('DELETE', `${CONFIG_MAPS}/${name}`)
  else await client.send('PATCH', `${CONFIG_MAPS}/${name}`, { metadata: { labels: { color } }, data: { value: String(random()) } }, MERGE)
}

/** Random enough, and the same each time. */
function generator(seed: number): () => number {
  let state = seed + 1
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
}
