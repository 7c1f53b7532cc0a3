import assert from 'node:assert/strict'
import { unlinkSync } from 'node:fs'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, suite, test } from 'node:test'
import type { Service } from 'kubernetes-types/core/v1'
import { createLog, silentLog } from '../log.ts'
import type { KubernetesApi, WatchEvent } from './api.ts'
import { ManifestFolder, parseManifests } from './manifest-files.ts'
import { openManifests } from './manifests.ts'
import { RESOURCES } from './objects.ts'

suite('parseManifests()', () => {
  test('reads several documents, opens Lists and names the namespace', () => {
    const { manifests } = parseManifests(`${service('a')}---\n---\n${JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [b, c] })}`)
    assert.deepEqual(
      manifests.map(({ object }) => `${object.metadata?.namespace}/${object.metadata?.name}`),
      ['default/a', 'default/b', 'default/c'],
    )
  })

  test('encodes stringData over data', () => {
    const { manifests } = parseManifests('{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {a: eA==}, stringData: {a: secret}}')
    assert.deepEqual((manifests[0]?.object as { data?: unknown }).data, { a: Buffer.from('secret').toString('base64') })
  })

  test('leaves out kinds that it does not know and says so', () => {
    const { manifests, unknownKinds } = parseManifests(`{apiVersion: example.com/v1, kind: Toy, metadata: {name: t}}\n---\n${service('a')}`)
    assert.equal(manifests.length, 1)
    assert.deepEqual(unknownKinds, ['example.com/v1 Toy'])
  })

  test('refuses a label that is no text, and says which', () => {
    const text = '{apiVersion: v1, kind: Service, metadata: {name: a, labels: {routable: true}}}'
    assert.throws(() => parseManifests(text), /Service a: "routable" is true, write it in quotes/)
  })

  test('refuses broken YAML and documents without kind or name', () => {
    for (const text of ['{', 'a: [', '- 1', 'kind: Service', 'apiVersion: v1\nkind: Service', 'text']) {
      assert.throws(() => parseManifests(text), text)
    }
  })
})

suite('openManifests()', () => {
  let directory: string
  let api: KubernetesApi
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'manifests-'))
    await writeFile(join(directory, 'apps.yaml'), `${service('a', 'red')}---\n${service('b', 'blue')}`)
    api = await openManifests(directory, { log: silentLog })
  })
  afterEach(async () => {
    await api.close()
    await rm(directory, { recursive: true })
  })

  test('gets, lists and selects', async () => {
    assert.equal((await api.get(RESOURCES.services, 'default', 'a')).metadata.labels?.['colour'], 'red')
    await assert.rejects(api.get(RESOURCES.services, 'default', 'z'), { code: 404 })
    const { items } = await api.list(RESOURCES.services, { labelSelector: 'colour=blue' })
    assert.deepEqual(names(items), ['b'])
    assert.deepEqual(names((await api.list(RESOURCES.secrets)).items), [])
  })

  test('gives out copies', async () => {
    const found = await api.get(RESOURCES.services, 'default', 'a')
    found.metadata.labels = {}
    assert.equal((await api.get(RESOURCES.services, 'default', 'a')).metadata.labels?.['colour'], 'red')
  })

  test('refuses writes with 405 but drops Events and statuses', async () => {
    const found = await api.get(RESOURCES.services, 'default', 'a')
    await assert.rejects(api.create(RESOURCES.services, found), { code: 405 })
    await assert.rejects(api.update(RESOURCES.services, found), { code: 405 })
    await assert.rejects(api.patch(RESOURCES.services, 'default', 'a', { type: 'merge', body: {} }), { code: 405 })
    await assert.rejects(api.delete(RESOURCES.services, 'default', 'a'), { code: 405 })
    await api.update(RESOURCES.services, found, { subresource: 'status' })
    const event = { metadata: { name: 'e', namespace: 'default' }, involvedObject: {} }
    await api.create(RESOURCES.events, event)
    assert.deepEqual((await api.list(RESOURCES.events)).items, [])
  })

  test('takes a file that goes while it is looked at for one that has gone, not for a broken one', async () => {
    const lines: string[] = []
    const log = createLog({ role: 'test', write: line => lines.push(line) })
    const folder = new ManifestFolder(directory, log)
    const paths = Array.from({ length: 30 }, (_, index) => join(directory, `short-lived-${index}.yaml`))
    // After some of these turns a file stands when it is looked at, and has gone when it is read.
    for (let turns = 0; turns < 30; turns++) {
      await Promise.all(paths.map(path => writeFile(path, service('short'))))
      const scan = folder.scan()
      for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate)
      for (const path of paths) unlinkSync(path)
      await scan
    }
    assert.deepEqual(
      (await folder.scan()).map(({ object }) => object.metadata?.name),
      ['a', 'b'],
    )
    assert.deepEqual(
      lines.filter(line => line.includes('ENOENT')),
      [],
    )
  })

  test('watch() tells additions, changes and removals of a file replaced by rename', async () => {
    const { events, next } = await follow(api)
    await writeFile(join(directory, '.next'), `${service('a', 'green')}---\n${service('c')}`)
    await rename(join(directory, '.next'), join(directory, 'apps.yaml'))
    await next(3)
    assert.deepEqual(events, ['MODIFIED a', 'ADDED c', 'DELETED b'])
  })

  test('watch() sees an object leave its selection as a deletion', async () => {
    const { events, next } = await follow(api, 'colour=red')
    await writeFile(join(directory, 'apps.yaml'), `${service('a', 'green')}---\n${service('b', 'red')}`)
    await next(2)
    assert.deepEqual(events, ['DELETED a', 'ADDED b'])
  })

  test('a broken or emptied file keeps its last good objects, and another file still counts', async () => {
    const { events, next } = await follow(api)
    await writeFile(join(directory, 'apps.yaml'), 'kind: [')
    await writeFile(join(directory, 'more.yaml'), service('d'))
    await next(1)
    await writeFile(join(directory, 'apps.yaml'), '')
    await writeFile(join(directory, 'more.yaml'), service('e'))
    await next(3)
    assert.deepEqual(events, ['ADDED d', 'ADDED e', 'DELETED d'])
    assert.deepEqual(names((await api.list(RESOURCES.services)).items).sort(), ['a', 'b', 'e'])
  })

  test('a removed file removes its objects', async () => {
    const { events, next } = await follow(api)
    await rm(join(directory, 'apps.yaml'))
    await next(2)
    assert.deepEqual(events, ['DELETED a', 'DELETED b'])
  })

  test('watch() begins with what stands when asked, and ends with its signal', async () => {
    const aborter = new AbortController()
    const seen: string[] = []
    for await (const event of api.watch(RESOURCES.services, { sendInitialEvents: true, signal: aborter.signal })) {
      seen.push(event.type)
      if (event.type === 'BOOKMARK') aborter.abort()
    }
    assert.deepEqual(seen, ['ADDED', 'ADDED', 'BOOKMARK'])
  })

  test('watch() answers 410 to a version that it does not have', async () => {
    const watching = api.watch(RESOURCES.services, { resourceVersion: '999999' })[Symbol.asyncIterator]()
    await assert.rejects(watching.next(), { code: 410 })
  })

  test('refuses a folder that is not there', async () => {
    await assert.rejects(openManifests(join(directory, 'absent'), { log: silentLog }), { code: 'ENOENT' })
  })
})

const b = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'b' } }
const c = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'c' } }

function service(name: string, colour = 'none') {
  return `apiVersion: v1\nkind: Service\nmetadata:\n  name: ${name}\n  labels: {colour: ${colour}}\n`
}

function names(items: { metadata: { name: string } }[]) {
  return items.map(item => item.metadata.name)
}

/** Watches from now on; `next` waits until that many events have come since the test began. */
async function follow(api: KubernetesApi, labelSelector?: string) {
  const { resourceVersion } = await api.list(RESOURCES.services)
  const events: string[] = []
  const stream = api.watch(RESOURCES.services, { resourceVersion, ...(labelSelector && { labelSelector }) })[Symbol.asyncIterator]()
  const next = async (count: number) => {
    while (events.length < count) {
      const { value } = (await stream.next()) as { value: WatchEvent<Service> }
      events.push(`${value.type} ${value.object.metadata.name}`)
    }
  }
  return { events, next }
}
