import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, suite, test } from 'node:test'
import { createLog, silentLog } from '../../kernel/log.ts'
import { RouterProbe } from './router-probe.ts'

suite('RouterProbe', () => {
  const answers: [number, string][] = []
  const hosts: string[] = []
  const server = createServer((request, response) => {
    hosts.push(String(request.headers.host))
    const [status, body] = answers.shift() ?? [200, 'hello']
    response.writeHead(status, { 'content-type': 'text/plain' }).end(body)
  })
  let probe: RouterProbe
  before(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    probe = new RouterProbe(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, 'example.com', silentLog)
  })
  after(async () => {
    await probe.stop()
    server.close()
  })

  test("asks on while the answer is the router's own", async () => {
    answers.push([404, '404 Not Found\nNo app has this name (R10)\n'], [503, 'nothing running (R20)'])
    await probe.awaitRoute('shop', new AbortController().signal)
    assert.deepEqual(hosts.splice(0), ['shop.example.com', 'shop.example.com', 'shop.example.com'])
  })

  for (const [status, body] of [
    [404, "the app's own"],
    [500, ''],
    [301, ''],
  ] as const) {
    test(`takes the app's own ${status} for an answer`, async () => {
      answers.push([status, body])
      await probe.awaitRoute('shop', new AbortController().signal)
      assert.equal(hosts.splice(0).length, 1)
    })
  }

  test('gives up with its signal, without a word', async () => {
    const lines: string[] = []
    const nowhere = new RouterProbe('http://127.0.0.1:1', 'example.com', createLog({ role: 'test', write: line => lines.push(line) }))
    await nowhere.awaitRoute('shop', AbortSignal.timeout(30))
    assert.deepEqual(lines, [])
    await nowhere.stop()
  })
})
