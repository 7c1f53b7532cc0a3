import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createSecureServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, suite, test } from 'node:test'
import { httpClient } from './http.ts'
import { selfSigned } from './x509.ts'

suite('httpClient()', () => {
  const server = createServer(async (request, response) => {
    if (request.url === '/silent') return
    if (request.url === '/huge') return void response.end(Buffer.alloc(4096))
    if (request.url === '/none') return void response.writeHead(204).end()
    if (request.url === '/plain') return void response.writeHead(503, { 'content-type': 'text/plain' }).end('later')
    const body = await text(request)
    const { method, url, headers } = request
    response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' })
    response.end(JSON.stringify({ method, url, type: headers['content-type'], key: headers['x-key'], body }))
  })
  let client = httpClient()
  before(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    client = httpClient({ baseUrl: `http://127.0.0.1:${port}`, headers: { 'x-key': 'k' }, bodyBytesMax: 1024 })
  })
  after(async () => {
    await client.close()
    server.close()
  })

  test('sends and reads JSON with its own headers', async () => {
    const answer = await client.json('POST', '/a?b=1', { c: 2 })
    assert.equal(answer.status, 200)
    assert.deepEqual(answer.body, { method: 'POST', url: '/a?b=1', type: 'application/json', key: 'k', body: '{"c":2}' })
  })

  test('hands over other texts and empty bodies, whatever the status', async () => {
    assert.deepEqual([(await client.json('GET', '/plain')).status, (await client.json('GET', '/plain')).body], [503, 'later'])
    assert.equal((await client.json('DELETE', '/none')).body, undefined)
  })

  test('streams both ways', async () => {
    const answer = await client.stream('PUT', '/up', 'bytes')
    assert.equal((JSON.parse(await text(answer.body)) as { body: string }).body, 'bytes')
  })

  test('gives up on a silent server, an aborted call and an endless body', async () => {
    await assert.rejects(client.json('GET', '/silent', undefined, { answerTimeoutMs: 20 }), { name: 'HeadersTimeoutError' })
    await assert.rejects(client.json('GET', '/silent', undefined, { signal: AbortSignal.timeout(5) }), { name: 'TimeoutError' })
    await assert.rejects(client.json('GET', '/huge'), RangeError)
  })

  test('speaks HTTP/1.1 where HTTP/2 is offered too, and tells a call under way when it is closed', async () => {
    const { certificate: cert, key } = selfSigned({ names: ['localhost'], days: 1 })
    const asked = Promise.withResolvers<string>()
    const secure = createSecureServer({ cert, key, allowHTTP1: true }, request => asked.resolve(request.httpVersion)).listen(0, '127.0.0.1')
    await once(secure, 'listening')
    const { port } = secure.address() as AddressInfo
    const other = httpClient({ baseUrl: `https://127.0.0.1:${port}`, verify: false })
    const call = assert.rejects(other.json('GET', '/'), { code: 'UND_ERR_DESTROYED' })
    assert.equal(await asked.promise, '1.1')
    await other.close()
    await call
    secure.close()
  })
})
