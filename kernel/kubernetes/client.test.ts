import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, suite, test } from 'node:test'
import { type KubernetesApi, KubernetesError, listAll, modify, remove, retryAfterMs } from './api.ts'
import { connectKubernetes } from './client.ts'
import { RESOURCES } from './objects.ts'

type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void

suite('connectKubernetes()', () => {
  const answers: Answer[] = []
  const asked: { line: string; headers: IncomingMessage['headers']; body: string }[] = []
  const server = createServer(async (request, response) => {
    const body = await text(request)
    asked.push({ line: `${request.method} ${request.url}`, headers: request.headers, body })
    answers.shift()!(request, response, body)
  })
  let api: KubernetesApi
  let token = 'first'
  before(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    api = connectKubernetes({ server: `http://127.0.0.1:${port}/base`, verify: true, namespace: 'default', token: () => token })
  })
  after(async () => {
    await api.close()
    server.close()
  })

  const json =
    (value: unknown, status = 200): Answer =>
    (_, response) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
  const object = (resourceVersion: string) => ({ metadata: { name: 'a', namespace: 'ns', uid: 'u', resourceVersion } })
  const lines = () => asked.splice(0).map(({ line }) => line)

  test('asks at the path of each kind, with the token of the moment', async () => {
    answers.push(json(object('1')), json(object('1')), json(object('1')))
    await api.get(RESOURCES.pods, 'ns', 'a')
    token = 'second'
    await api.get(RESOURCES.deployments, 'ns', 'a b')
    await api.get(RESOURCES.namespaces, '', 'a')
    assert.deepEqual(
      asked.map(({ headers }) => headers.authorization),
      ['Bearer first', 'Bearer second', 'Bearer second'],
    )
    assert.deepEqual(lines(), [
      'GET /base/api/v1/namespaces/ns/pods/a',
      'GET /base/apis/apps/v1/namespaces/ns/deployments/a%20b',
      'GET /base/api/v1/namespaces/a',
    ])
  })

  test('gathers all pages of a list, and gives each item its kind', async () => {
    answers.push(json({ items: [object('1')], metadata: { resourceVersion: '9', continue: 'x+y' } }))
    answers.push(json({ items: null, metadata: { resourceVersion: '9' } }))
    const { items, resourceVersion } = await listAll(api, RESOURCES.secrets, { labelSelector: 'a in (b,c)', fieldSelector: 'type=x' }, 1)
    assert.deepEqual([items.length, items[0]?.kind, items[0]?.apiVersion, resourceVersion], [1, 'Secret', 'v1', '9'])
    assert.deepEqual(lines(), [
      'GET /base/api/v1/secrets?labelSelector=a+in+%28b%2Cc%29&fieldSelector=type%3Dx&limit=1',
      'GET /base/api/v1/secrets?labelSelector=a+in+%28b%2Cc%29&fieldSelector=type%3Dx&limit=1&continue=x%2By',
    ])
  })

  test('writes with the kind, the manager and the type of patch', async () => {
    answers.push(json(object('1'), 201), json(object('2')), json(object('3')), json(object('4')), json({}))
    await api.create(RESOURCES.services, { metadata: { namespace: 'ns', name: 'a' } }, { fieldManager: 'me' })
    await api.update(RESOURCES.pods, { metadata: { namespace: 'ns', name: 'a' } }, { subresource: 'status', dryRun: true })
    await api.patch(RESOURCES.pods, 'ns', 'a', { type: 'json', body: [{ op: 'remove', path: '/x' }] })
    await api.patch(RESOURCES.pods, 'ns', 'a', { type: 'apply', body: {}, force: true }, { fieldManager: 'me' })
    await api.delete(RESOURCES.pods, 'ns', 'a', { gracePeriodSeconds: 0, preconditions: { uid: 'u' } })
    assert.deepEqual(JSON.parse(asked[0]!.body), { apiVersion: 'v1', kind: 'Service', metadata: { namespace: 'ns', name: 'a' } })
    assert.deepEqual(
      asked.map(({ headers }) => headers['content-type']),
      ['application/json', 'application/json', 'application/json-patch+json', 'application/apply-patch+yaml', 'application/json'],
    )
    assert.deepEqual(JSON.parse(asked[4]!.body), {
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      gracePeriodSeconds: 0,
      preconditions: { uid: 'u' },
    })
    assert.deepEqual(lines(), [
      'POST /base/api/v1/namespaces/ns/services?fieldManager=me',
      'PUT /base/api/v1/namespaces/ns/pods/a/status?dryRun=All',
      'PATCH /base/api/v1/namespaces/ns/pods/a',
      'PATCH /base/api/v1/namespaces/ns/pods/a?fieldManager=me&force=true',
      'DELETE /base/api/v1/namespaces/ns/pods/a',
    ])
  })

  test('tells the refusal of the API server from what a proxy says', async () => {
    answers.push(json({ kind: 'Status', status: 'Failure', reason: 'Conflict', message: 'changed', code: 409 }, 409))
    await assert.rejects(api.get(RESOURCES.pods, 'ns', 'a'), { name: 'KubernetesError', code: 409, reason: 'Conflict', message: 'changed' })
    answers.push((_, response) => response.writeHead(502).end('<html>Bad gateway'))
    await assert.rejects(api.get(RESOURCES.pods, 'ns', 'a'), { name: 'KubernetesError', code: 502, message: /Bad gateway/ })
    answers.push((_, response) => response.writeHead(429, { 'retry-after': '7' }).end('Too many requests, please try again later.\n'))
    await assert.rejects(api.get(RESOURCES.pods, 'ns', 'a'), error => retryAfterMs(error) === 7000)
    answers.push(json({ message: 'gone', reason: 'NotFound', code: 404 }, 404))
    await remove(api, RESOURCES.pods, 'ns', 'a')
    lines()
  })

  test('refuses a list that is no JSON, and one that is cut', async () => {
    answers.push((_, response) => response.writeHead(200).end('{"items":[{"metadata"'))
    await assert.rejects(api.list(RESOURCES.pods), SyntaxError)
    answers.push((_, response) => response.writeHead(200, { 'content-length': 1000 }).write('{"items":[]', () => response.destroy()))
    await assert.rejects(api.list(RESOURCES.pods), { code: 'UND_ERR_SOCKET' })
    lines()
  })

  test('modify() tries again when another writer was faster', async () => {
    answers.push(json(object('1')), json({ message: 'changed', reason: 'Conflict', code: 409 }, 409), json(object('2')), json(object('3')))
    const written = await modify(api, RESOURCES.configMaps, 'ns', 'a', map => ({ ...map, data: { a: 'b' } }))
    assert.equal(written.metadata.resourceVersion, '3')
    assert.deepEqual(
      lines().map(line => line.split(' ')[0]),
      ['GET', 'PUT', 'GET', 'PUT'],
    )
  })

  test('reads a watch as it comes, and throws its error event', async () => {
    answers.push((_, response) => {
      response.write('{"type":"ADDED","object":{"metadata":{"name":"a","resour')
      response.write('ceVersion":"5"}}}\n{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7"}}}\n')
      response.end('{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}\n')
    })
    const seen: string[] = []
    await assert.rejects(
      async () => {
        for await (const { type, object } of api.watch(RESOURCES.pods, {
          resourceVersion: '4',
          sendInitialEvents: true,
          timeoutSeconds: 5,
        })) {
          seen.push(`${type} ${object.metadata.resourceVersion}`)
        }
      },
      { name: 'KubernetesError', code: 410 },
    )
    assert.deepEqual(seen, ['ADDED 5', 'BOOKMARK 7'])
    assert.match(lines()[0]!, /watch=true&allowWatchBookmarks=true&resourceVersion=4&timeoutSeconds=5&sendInitialEvents=true/)
  })

  test('takes no half event of a cut watch for a whole one', async () => {
    answers.push((_, response) => {
      response.write('{"type":"ADDED","object":{"metadata":{"resourceVersion":"5"}}}\n{"type":"DELETED"')
      setImmediate(() => response.destroy())
    })
    const seen: string[] = []
    await assert.rejects(async () => {
      for await (const { type } of api.watch(RESOURCES.pods, { resourceVersion: '4' })) seen.push(type)
    })
    assert.deepEqual(seen, ['ADDED'])
    lines()
  })

  test('ends a watch whose reader leaves or whose signal fires', async () => {
    const closed: Promise<unknown>[] = []
    const endless: Answer = (_, response) => {
      closed.push(once(response, 'close'))
      response.write('{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"5"}}}\n')
    }
    answers.push(endless, endless)
    for await (const _ of api.watch(RESOURCES.pods, { resourceVersion: '4' })) break
    const stop = new AbortController()
    await assert.rejects(
      async () => {
        for await (const _ of api.watch(RESOURCES.pods, { resourceVersion: '4', signal: stop.signal })) stop.abort()
      },
      { name: 'AbortError' },
    )
    await Promise.all(closed)
    lines()
  })

  test('sends a read again when the kept connection was dead, and never a write', async () => {
    const cut: Answer = request => request.socket.destroy()
    answers.push(cut, json(object('8')))
    assert.equal((await api.get(RESOURCES.pods, 'ns', 'a')).metadata.resourceVersion, '8')
    answers.push(cut)
    await assert.rejects(
      api.create(RESOURCES.pods, { metadata: { namespace: 'ns', name: 'a' } }),
      (error: unknown) => !(error instanceof KubernetesError),
    )
    assert.deepEqual(
      lines().map(line => line.split(' ')[0]),
      ['GET', 'GET', 'POST'],
    )
  })

  test('streams the log of a pod', async () => {
    answers.push((_, response) => response.end('one\ntwo\n'))
    let log = ''
    for await (const chunk of await api.podLog('ns', 'a', { container: 'c', tailLines: 5, timestamps: true })) log += Buffer.from(chunk)
    assert.equal(log, 'one\ntwo\n')
    assert.deepEqual(lines(), ['GET /base/api/v1/namespaces/ns/pods/a/log?container=c&tailLines=5&timestamps=true'])
  })
})
