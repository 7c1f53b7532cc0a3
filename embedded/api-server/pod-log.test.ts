import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, suite, test } from 'node:test'
import { startApiServer } from './server.ts'
import { TestClient } from './test-client.ts'

const server = await startApiServer({ kubeletToken: 'shared' })
const client = new TestClient(server)
let answer: (request: IncomingMessage, response: ServerResponse) => void = (_, response) => response.end()
const kubelet = createServer((request, response) => answer(request, response)).listen(0, '127.0.0.1')
await once(kubelet, 'listening')
after(async () => {
  client.close()
  kubelet.close()
  kubelet.closeAllConnections()
  await server.stop()
})

const PODS = '/api/v1/namespaces/default/pods'
const { port } = kubelet.address() as AddressInfo
await client.send('POST', '/api/v1/nodes', {
  metadata: { name: 'here' },
  status: { addresses: [{ type: 'InternalIP', address: '127.0.0.1' }], daemonEndpoints: { kubeletEndpoint: { Port: port } } },
})
await client.send('POST', '/api/v1/nodes', { metadata: { name: 'silent' } })
for (const [name, nodeName] of [
  ['p', 'here'],
  ['q', 'silent'],
  ['r', 'nowhere'],
] as const) {
  await client.send('POST', PODS, { metadata: { name }, spec: { nodeName, containers: [{ name: 'c', image: 'i' }] } })
}

suite('pods/log', () => {
  test('asks the kubelet of the pod, with the shared token and the options that it knows', async () => {
    const asked = new Promise<IncomingMessage>(resolve => {
      answer = (request, response) => {
        resolve(request)
        response.end('a line\n')
      }
    })
    const { status, text, headers } = await client.send('GET', `${PODS}/p/log?tailLines=5&timestamps=true&previous=true&other=1`)
    assert.deepEqual([status, text, headers['content-type']], [200, 'a line\n', 'text/plain'])
    const request = await asked
    assert.equal(request.url, '/containerLogs/default/p/c?previous=true&timestamps=true&tailLines=5')
    assert.equal(request.headers.authorization, 'Bearer shared')
  })
  test('lets the kubelet go when the client goes', async () => {
    const gone = new Promise<void>(resolve => {
      answer = (_, response) => {
        response.write('first\n')
        response.once('close', resolve)
      }
    })
    const followed = await client.open('GET', `${PODS}/p/log?follow=true`)
    await once(followed.setEncoding('utf8'), 'data')
    followed.destroy()
    await gone
  })
  test('breaks off when the kubelet does, so that nobody takes half a log for all of it', async () => {
    answer = (_, response) => {
      response.write('first\n')
      setImmediate(() => response.destroy())
    }
    await assert.rejects(client.send('GET', `${PODS}/p/log`), /aborted|hang up|ECONNRESET/)
  })
  test('tells what the kubelet refuses', async () => {
    answer = (_, response) => {
      response.statusCode = 400
      response.end('container "c" in pod "p" is waiting to start: ContainerCreating')
    }
    const { status, body } = await client.send('GET', `${PODS}/p/log`)
    assert.deepEqual(
      [status, body.reason, body.message],
      [400, 'BadRequest', 'container "c" in pod "p" is waiting to start: ContainerCreating'],
    )
  })
  test('of a node that does not say where its kubelet is, or is not there: 500 that names it', async () => {
    for (const [pod, node] of [
      ['q', 'silent'],
      ['r', 'nowhere'],
    ] as const) {
      const { status, body } = await client.send('GET', `${PODS}/${pod}/log`)
      assert.equal(status, 500)
      assert.match(body.message, new RegExp(`no kubelet is known on node "${node}"`))
    }
  })
  test('of a kubelet that does not answer: 500', async () => {
    const closed = createServer().listen(0, '127.0.0.1')
    await once(closed, 'listening')
    const { port: dead } = closed.address() as AddressInfo
    closed.close()
    await client.send(
      'PATCH',
      '/api/v1/nodes/silent/status',
      { status: { addresses: [{ type: 'InternalIP', address: '127.0.0.1' }], daemonEndpoints: { kubeletEndpoint: { Port: dead } } } },
      { 'content-type': 'application/merge-patch+json' },
    )
    const { status, body } = await client.send('GET', `${PODS}/q/log`)
    assert.equal(status, 500)
    assert.match(body.message, /ECONNREFUSED/)
  })
})
