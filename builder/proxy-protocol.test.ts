import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { after, before, suite, test } from 'node:test'
import { run, TestBed } from './test-bed.ts'

/** Says that 192.0.2.7 connects to 10.0.0.1. */
const HEADER = Buffer.from('0d0a0d0a000d0a515549540a2111000cc00002070a000001010208ae', 'hex')

suite('the SSH door behind a router that says who connects', () => {
  let bed: TestBed
  before(async () => {
    bed = await TestBed.start({ BUILDER_PROXY_PROTOCOL: 'true' })
    await bed.addUser('ana', ['shop'])
  })
  after(() => bed.stop())

  const ping = (port: number) =>
    run('ssh', [...bed.sshArguments('ana').map(argument => argument.replace(String(bed.ports.ssh), String(port))), 'git@127.0.0.1', 'ping'])

  test('serves who comes through it, and nobody else', async () => {
    const router = createServer(client => {
      const builder = connect(bed.ports.ssh, '127.0.0.1')
      for (const socket of [client, builder]) socket.on('error', () => {})
      builder.write(HEADER)
      client.pipe(builder).pipe(client)
    }).listen(0, '127.0.0.1')
    await once(router, 'listening')
    assert.equal((await ping((router.address() as AddressInfo).port)).stdout, 'pong')
    router.close()
    assert.notEqual((await ping(bed.ports.ssh)).code, 0)
  })
})
