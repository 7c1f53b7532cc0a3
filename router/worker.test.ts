import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { suite, test } from 'node:test'
import { silentLog } from '../kernel/log.ts'
import { RawClient, startApp } from './serve/testbed.ts'
import { DEFAULT_POLICY, endpoint } from './table/route.ts'
import { readSettings } from './table/settings.ts'
import type { RouteSpec, TableDelta } from './table/spec.ts'
import { Worker } from './worker.ts'

const { allow: _allow, edge: _edge, ...policy } = DEFAULT_POLICY
const UPGRADE = 'GET /ws HTTP/1.1\r\nHost: chat.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n'
const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'

suite('WebSockets', () => {
  test('live through 1,000 changes of other apps’ routes, and lose no message', async () => {
    await using app = await startApp(socket => {
      socket.once('data', () => {
        socket.write(SWITCH)
        socket.pipe(socket)
      })
    })
    const { settings } = readSettings(undefined, 'router.drycc.cc/')
    const whole: TableDelta = {
      ...{ version: 1, whole: true, settings, certificates: [] },
      routes: [['chat', routeOf('chat', app.endpoint.port)]],
      hosts: [['chat.test', { app: 'chat' }]],
    }
    const worker = new Worker(
      whole,
      { listen: { publicHttpsPort: 443 }, tls: { ticketKeys: randomBytes(48) }, accessLog: 'off' },
      silentLog,
    )
    const { http } = await worker.listen([{ name: 'http', socket: { host: '127.0.0.1', port: 0 } }])
    const clients = Array.from({ length: 5 }, () => new RawClient(connect(http, '127.0.0.1')))
    try {
      for (const client of clients) client.send(UPGRADE)
      await Promise.all(clients.map(client => client.until(/^HTTP\/1\.1 101 .*\r\n\r\n/s)))
      for (let change = 1; change <= 1000; change++) {
        const key = `app${change % 50}`
        const isGone = change % 7 === 0
        worker.apply({
          ...{ version: change + 1, whole: change % 100 === 0, settings, certificates: [] },
          routes: [[key, isGone ? null : routeOf(key, 1 + change)], ...(change % 100 === 0 ? whole.routes : [])],
          hosts: [[`${key}.test`, isGone ? null : { app: key }], ...(change % 100 === 0 ? whole.hosts : [])],
        })
        if (change % 10 === 0) for (const client of clients) client.send(`<${change}>`)
        if (change % 50 === 0) await new Promise(setImmediate)
      }
      const sent = Array.from({ length: 100 }, (_, index) => `<${(index + 1) * 10}>`).join('')
      for (const client of clients) {
        await client.until('<1000>')
        assert.ok(client.text.endsWith(`\r\n\r\n${sent}`))
        assert.equal(client.how, 'open')
      }
      assert.equal(app.sockets.length, 5)
      assert.equal(worker.table.version, 1001)
    } finally {
      for (const client of clients) client.destroy()
      await worker.stop()
    }
  })
})

function routeOf(app: string, port: number): RouteSpec {
  return { app, namespace: app, service: app, policy, endpoints: [endpoint('127.0.0.1', port)], locations: [] }
}
