import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { suite, test } from 'node:test'
import { checkPorts, PortError } from './ports.ts'

suite('checkPorts()', () => {
  test('passes what is free and what is left to chance', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    await new Promise(resolve => server.close(resolve))
    await checkPorts({ 'http-port': port, 'https-port': 0 })
  })

  test('names the port that is taken and the flag that chooses another', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    await assert.rejects(checkPorts({ 'git-port': port }), (error: unknown) => {
      assert.ok(error instanceof PortError)
      assert.equal(error.message, `Port ${port} is taken: stop what listens there, or choose another with --git-port`)
      return true
    })
    server.close()
  })

  test('waits for a port that a killed copy is about to leave', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const checking = checkPorts({ 'http-port': port }, 10_000)
    setImmediate(() => server.close())
    await checking
  })

  test('finds two flags with one port', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    await new Promise(resolve => server.close(resolve))
    await assert.rejects(checkPorts({ 'http-port': port, 'https-port': port }), PortError)
  })
})
