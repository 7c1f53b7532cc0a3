import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { suite, test } from 'node:test'
import { takeProxyHeader } from './proxy-header.ts'

const SIGNATURE = '0d0a0d0a000d0a515549540a'

suite('takeProxyHeader()', () => {
  const cases: Readonly<Record<string, readonly [string, string]>> = {
    IPv4: [`${SIGNATURE}2111000cc00002070a000001010208ae`, '192.0.2.7'],
    IPv6: [`${SIGNATURE}21210024${'20010db8000000000000000000000007'}${'20010db8000000000000000000000001'}010208ae`, '2001:db8::7'],
    'with more than it needs': [`${SIGNATURE}2111000fc00002070a000001010208ae000000`, '192.0.2.7'],
    'a check of the balancer': [`${SIGNATURE}20000000`, '127.0.0.1'],
  }
  for (const [name, [hex, address]] of Object.entries(cases)) {
    for (const isDripped of [false, true]) {
      test(`reads ${name}${isDripped ? ', byte for byte' : ''}, and leaves what follows`, async () => {
        const { server, client, close } = await pair()
        const bytes = Buffer.concat([Buffer.from(hex, 'hex'), Buffer.from('SSH-2.0-git')])
        const taken = takeProxyHeader(server)
        if (isDripped) {
          for (const byte of bytes) {
            client.write(Buffer.from([byte]))
            await new Promise(setImmediate)
          }
        } else client.write(bytes)
        assert.equal(await taken, address)
        let rest = ''
        server.on('data', chunk => (rest += chunk))
        while (rest !== 'SSH-2.0-git') await once(server, 'data')
        close()
      })
    }
  }
  for (const [name, hex] of Object.entries({
    'a client without one': Buffer.from('SSH-2.0-OpenSSH_9.6\r\n').toString('hex'),
    'version 1': Buffer.from('PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n').toString('hex'),
    'a length beyond reason': `${SIGNATURE}2111ffff`,
    'an end in its middle': `${SIGNATURE}2111000cc000`,
  })) {
    test(`refuses ${name}`, async () => {
      const { server, client, close } = await pair()
      client.end(Buffer.from(hex, 'hex'))
      await assert.rejects(takeProxyHeader(server), /PROXY header/)
      close()
    })
  }
})

async function pair(): Promise<{ server: Socket; client: Socket; close(): void }> {
  const listener = createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const client = connect((listener.address() as AddressInfo).port, '127.0.0.1')
  const [server] = (await once(listener, 'connection')) as [Socket]
  for (const socket of [server, client]) socket.on('error', () => {})
  return {
    server,
    client,
    close() {
      server.destroy()
      client.destroy()
      listener.close()
    },
  }
}
