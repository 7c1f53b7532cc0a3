import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import { startApp, startBed, until } from '../../router/serve/testbed.ts'
import { DEFAULT_POLICY, endpoint } from '../../router/table/route.ts'
import type { PolicySpec, RouteSpec, TableDelta } from '../../router/table/spec.ts'
import { Table } from '../../router/table/table.ts'

const SOCKETS = 20
const CHANGES = 1000
const NEIGHBOURS = 50

suite('WebSockets', () => {
  test(`${SOCKETS} of them talk on through ${CHANGES} changes of other apps’ routes`, async () => {
    await using app = await startEchoApp()
    await using bed = await startBed()
    const route = routeOf('shop', app.endpoint.port)
    let table = new Table().apply(delta(1, [['shop.test', { app: 'shop' }]], [['shop', route]]))
    bed.table = table
    const clients = Array.from({ length: SOCKETS }, () => bed.send(upgrade(randomBytes(16).toString('base64'))))
    for (const client of clients) await client.until('\r\n\r\n')
    const [message, echo] = [frame('still here', true), frame('still here', false)]
    const sent = clients.map(() => 0)
    for (let change = 2; change <= CHANGES + 1; change++) {
      const name = `app${change % NEIGHBOURS}`
      const isGone = change % 3 === 0
      table = table.apply(
        delta(change, [[`${name}.test`, isGone ? null : { app: name }]], [[name, isGone ? null : routeOf(name, 1 + (change % 60_000))]]),
      )
      bed.table = table
      const index = change % SOCKETS
      clients[index]?.send(message)
      sent[index] = (sent[index] ?? 0) + 1
      if (change % 50 === 0) await Promise.all(clients.map((client, at) => client.until(text => count(text, echo) === sent[at])))
    }
    for (const [index, client] of clients.entries()) {
      await client.until(text => count(text, echo) === sent[index])
      assert.equal(client.how, 'open')
    }
    assert.equal(app.sockets.length, SOCKETS, 'each has kept its own connection to the app')
    assert.equal(bed.server.stats().connectionsOpen, SOCKETS)
    for (const client of clients) client.destroy()
    await until(() => app.open.size === 0)
  })

  test('the handshake passes whole, and frames of every length byte for byte', async () => {
    await using app = await startEchoApp()
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const key = randomBytes(16).toString('base64')
    const client = bed.send(upgrade(key))
    await client.until('\r\n\r\n')
    assert.ok(client.text.includes(`Sec-WebSocket-Accept: ${accept(key)}\r\n`))
    for (const size of [0, 1, 125, 126, 65_535, 65_536, 1_000_000]) {
      const payload = randomBytes(size).toString('latin1')
      const before = client.text.length
      client.send(frame(payload, true))
      const echo = frame(payload, false)
      await client.until(text => text.length >= before + echo.length)
      assert.ok(client.text.slice(before) === echo, `${size} bytes`)
    }
  })

  test('survive their own app’s route as well: changed, without endpoints, gone', async () => {
    await using app = await startEchoApp()
    await using bed = await startBed()
    let table = new Table().apply(delta(1, [['shop.test', { app: 'shop' }]], [['shop', routeOf('shop', app.endpoint.port)]]))
    bed.table = table
    const client = bed.send(upgrade('x'))
    await client.until('\r\n\r\n')
    const changes = [{ ...routeOf('shop', 9) }, { ...routeOf('shop', 9), endpoints: [] }, null]
    for (const [index, route] of changes.entries()) {
      table = table.apply(delta(index + 2, [], [['shop', route]]))
      bed.table = table
      client.send(frame(`after ${index}`, true))
      await client.until(frame(`after ${index}`, false))
    }
  })
})

/** An app that speaks just enough of RFC 6455: it unmasks whole frames and sends them back. */
function startEchoApp() {
  return startApp(socket => {
    let bytes = Buffer.alloc(0)
    let isOpen = false
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk])
      if (!isOpen) {
        const end = bytes.indexOf('\r\n\r\n')
        if (end < 0) return
        const key = /^sec-websocket-key: (.*)\r$/im.exec(bytes.toString('latin1', 0, end + 2))?.[1] ?? ''
        bytes = bytes.subarray(end + 4)
        isOpen = true
        socket.write(
          `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept(key)}\r\n\r\n`,
        )
      }
      for (let payload = unmasked(); payload !== undefined; payload = unmasked()) socket.write(frame(payload, false), 'latin1')
    })

    function unmasked(): string | undefined {
      if (bytes.length < 2) return undefined
      const short = bytes[1]! & 0x7f
      const head = short === 126 ? 4 : short === 127 ? 10 : 2
      if (bytes.length < head + 4) return undefined
      const size = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short
      if (bytes.length < head + 4 + size) return undefined
      const mask = bytes.subarray(head, head + 4)
      const payload = Buffer.from(bytes.subarray(head + 4, head + 4 + size).map((byte, at) => byte ^ mask[at % 4]!))
      bytes = bytes.subarray(head + 4 + size)
      return payload.toString('latin1')
    }
  })
}

function upgrade(key: string): string {
  return `GET /ws HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`
}

function accept(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
}

/** A binary frame as latin1, masked as a client's must be. */
function frame(payload: string, isMasked: boolean): string {
  const size = payload.length
  const head = Buffer.alloc(size < 126 ? 2 : size < 65_536 ? 4 : 10)
  head[0] = 0x82
  head[1] = (isMasked ? 0x80 : 0) | (size < 126 ? size : size < 65_536 ? 126 : 127)
  if (head.length === 4) head.writeUInt16BE(size, 2)
  else if (head.length === 10) head.writeBigUInt64BE(BigInt(size), 2)
  if (!isMasked) return head.toString('latin1') + payload
  const mask = Buffer.from([1, 2, 3, 4])
  const body = Buffer.from(payload, 'latin1').map((byte, at) => byte ^ mask[at % 4]!)
  return Buffer.concat([head, mask, body]).toString('latin1')
}

function count(text: string, part: string): number {
  return text.split(part).length - 1
}

function routeOf(name: string, port: number): RouteSpec {
  const policy = DEFAULT_POLICY as unknown as PolicySpec
  return { ...{ app: name, namespace: name, service: name, locations: [], policy }, endpoints: [endpoint('127.0.0.1', port)] }
}

function delta(version: number, hosts: TableDelta['hosts'], routes: TableDelta['routes']): TableDelta {
  return { version, whole: false, hosts, routes, certificates: [] }
}
