import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { suite, test } from 'node:test'
import { ExhaustedError, PodNetwork } from './pod-network.ts'

suite('PodNetwork', () => {
  test('gives no two pods one port or, on Linux, one address', async () => {
    const network = await PodNetwork.open()
    const all = await Promise.all(Array.from({ length: 40 }, (_, i) => network.allocate(`pod-${i}`, [5000, 5001])))
    assert.equal(new Set(all.flatMap(({ ports }) => Object.values(ports))).size, 80)
    assert.ok(all.every(({ ip }) => ip.startsWith('127.')))
    if (process.platform === 'linux') assert.equal(new Set(all.map(({ ip }) => ip)).size, 40)
  })

  test('passes over a port on which somebody listens', async () => {
    const taken = createServer().listen(0, '0.0.0.0')
    await once(taken, 'listening')
    const { port } = taken.address() as AddressInfo
    const network = await PodNetwork.open({ portRange: { from: port, to: port } })
    await assert.rejects(network.allocate('a', [80]), ExhaustedError)
    assert.equal(await network.isFree({ 80: port }), false)
    taken.close()
    await once(taken, 'close')
    assert.deepEqual((await network.allocate('a', [80])).ports, { 80: port })
  })

  test('lets a port rest that was given back, and keeps one that was claimed', async () => {
    const range = await freeRange()
    const resting = await PodNetwork.open({ portRange: range })
    resting.claim('old', { ip: '127.1.2.3', ports: { 80: range.from } })
    await assert.rejects(resting.allocate('new', [80]), /no free port/)
    resting.release('old')
    await assert.rejects(resting.allocate('new', [80]), /no free port/)
    const quick = await PodNetwork.open({ portRange: range, quarantineMs: 0 })
    quick.claim('old', { ip: '127.1.2.3', ports: { 80: range.from } })
    quick.release('old')
    assert.deepEqual((await quick.allocate('new', [80])).ports, { 80: range.from })
  })

  test('gives back what a failed allocation had taken', async () => {
    const range = await freeRange()
    const network = await PodNetwork.open({ portRange: range, quarantineMs: 0 })
    await assert.rejects(network.allocate('greedy', [80, 81]), ExhaustedError)
    assert.deepEqual((await network.allocate('modest', [80])).ports, { 80: range.from })
  })

  test('gives addresses of a network, and maps no ports there', async () => {
    const network = await PodNetwork.open({ podCidr: '10.9.8.0/30' })
    assert.equal(network.mapsPorts, false)
    const [a, b] = [await network.allocate('a', [5000]), await network.allocate('b', [5000])]
    assert.deepEqual([a.ip, b.ip].sort(), ['10.9.8.1', '10.9.8.2'])
    assert.deepEqual(a.ports, {})
    await assert.rejects(network.allocate('c', []), /no free address among 2/)
    network.release('a')
    assert.equal((await network.allocate('c', [])).ip, a.ip)
  })

  for (const podCidr of ['', '10.0.0.0', '10.0.0.0/31', '10.0.0.0/4', '10.0.0.300/16', 'fd00::/64'])
    test(`refuses the network "${podCidr}"`, () => assert.rejects(PodNetwork.open({ podCidr }), RangeError))
})

/** A range of one port that is free. */
async function freeRange(): Promise<{ from: number; to: number }> {
  const server = createServer().listen(0, '0.0.0.0')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return { from: port, to: port }
}
