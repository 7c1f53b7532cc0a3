import assert from 'node:assert/strict'
import { connect as connectTcp } from 'node:net'
import { suite, test } from 'node:test'
import { connect } from 'node:tls'
import { selfSigned } from '../../kernel/x509.ts'
import { addressMatcher } from '../table/route.ts'
import { type Bed, startBed } from './testbed.ts'

const { certificate: cert, key } = selfSigned({ names: ['shop.test'], days: 1 })
const TLS = { cert, key, SNICallback: (_: string, done: (error: null) => void) => done(null) }

suite('TLS handshakes', { skip: process.platform !== 'linux' && 'there is one loopback address' }, () => {
  test('one client’s are refused beyond its rate, another’s are not', async () => {
    await using bed = await startBed({ tls: TLS, limits: { clientHandshakesPerSecondMax: 1 } })
    const outcomes = []
    for (let index = 0; index < 8; index++) outcomes.push(await handshake(bed, 'shop.test'))
    assert.deepEqual(outcomes.slice(0, 5), [true, true, true, true, true])
    assert.ok(outcomes.slice(5).includes(false))
    assert.equal(bed.server.stats().handshakesLimited, outcomes.filter(outcome => !outcome).length)
    assert.equal(await handshake(bed, 'shop.test', '127.0.0.2'), true)
  })

  test('of a trusted proxy are not limited', async () => {
    const settings = { trusted: addressMatcher(['127.0.0.1/32']) }
    await using bed = await startBed({ tls: TLS, limits: { clientHandshakesPerSecondMax: 1 }, settings })
    for (let index = 0; index < 12; index++) assert.equal(await handshake(bed, 'shop.test'), true)
    assert.equal(bed.server.stats().handshakesLimited, 0)
  })

  test('for one name are refused beyond its rate, those for others are not', async () => {
    await using bed = await startBed({ tls: TLS, limits: { nameHandshakesPerSecondMax: 1 } })
    const outcomes = []
    for (let index = 0; index < 8; index++) outcomes.push(await handshake(bed, index % 2 ? 'shop.test' : 'SHOP.test'))
    assert.ok(outcomes.slice(5).includes(false))
    assert.equal(await handshake(bed, 'other.test'), true)
  })

  test('that resume a session are counted apart', async () => {
    await using bed = await startBed({ tls: TLS })
    const session = await new Promise<Buffer>(resolve => {
      const socket = connect({ port: bed.httpsPort, rejectUnauthorized: false, maxVersion: 'TLSv1.2' })
      socket.once('session', made => {
        resolve(made)
        socket.destroy()
      })
    })
    await new Promise<void>(resolve => {
      const socket = connect({ port: bed.httpsPort, rejectUnauthorized: false, maxVersion: 'TLSv1.2', session }, () => {
        socket.end('GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n')
      })
      socket.resume().on('close', () => resolve())
    })
    assert.deepEqual([bed.server.stats().handshakes, bed.server.stats().handshakesResumed], [2, 1])
  })
})

function handshake(bed: Bed, servername: string, localAddress = '127.0.0.1'): Promise<boolean> {
  return new Promise(resolve => {
    const raw = connectTcp({ host: '127.0.0.1', port: bed.httpsPort, localAddress })
    raw.on('error', () => {})
    const socket = connect({ socket: raw, servername, rejectUnauthorized: false })
    socket.on('error', () => resolve(false))
    socket.on('secureConnect', () => {
      resolve(true)
      socket.destroy()
    })
  })
}
