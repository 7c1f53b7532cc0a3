import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Annotations } from '../annotations.ts'
import { type ProtocolWish, readProtocol } from './protocol.ts'

suite('readProtocol()', () => {
  const cases: readonly [string, ProtocolWish][] = [
    ['http', 'http'],
    ['h2c', 'h2c'],
    ['grpc', 'h2c'],
    ['https', { verify: true }],
    ['https insecure', { verify: false }],
    ['https ca=shop-ca', { verify: true, authority: 'shop-ca' }],
    ['https name=Shop.Example.com, ca=shop-ca', { verify: true, authority: 'shop-ca', name: 'shop.example.com' }],
    ['https insecure name=a.test', { verify: false, name: 'a.test' }],
    ['h2', { verify: true, http2: true }],
    ['grpcs ca=shop-ca', { verify: true, http2: true, authority: 'shop-ca' }],
    ['h2 insecure', { verify: false, http2: true }],
  ]
  for (const [text, wish] of cases) test(`reads ${text}`, () => assert.deepEqual(read(text), [wish, []]))
  for (const bad of [
    'h2 ca=other/name',
    'h3',
    'h2c insecure',
    'tcp',
    'http insecure',
    'https ca=other/name',
    'https insecure ca=a',
    'https verify=no',
    'HTTPS',
  ]) {
    test(`refuses ${bad} and keeps what was good`, () => {
      const [wish, faults] = read(bad, undefined, { verify: true })
      assert.deepEqual(wish, { verify: true })
      assert.equal(faults.length, 1)
      if (bad === 'h3') assert.match(faults[0]!, /write http, h2c, https or h2/)
    })
  }
  test('follows the port where the app says nothing', () => {
    assert.deepEqual(read(undefined, 'https'), [{ verify: true }, []])
    assert.deepEqual(read(undefined, 'kubernetes.io/wss'), [{ verify: true }, []])
    for (const word of ['http', 'kubernetes.io/ws', 'example.com/own']) assert.deepEqual(read(undefined, word), [undefined, []])
    for (const word of ['kubernetes.io/h2', 'grpcs']) assert.deepEqual(read(undefined, word), [{ verify: true, http2: true }, []])
    for (const word of ['kubernetes.io/h2c', 'grpc', 'GRPC']) assert.deepEqual(read(undefined, word), ['h2c', []])
    assert.deepEqual(read('http', 'kubernetes.io/h2c'), ['http', []], 'its own word goes before')
    assert.deepEqual(read('http', 'https'), ['http', []], 'its own word goes before')
  })
})

function read(text: string | undefined, appProtocol?: string, lastGood?: ProtocolWish) {
  const annotations = new Annotations(text === undefined ? {} : { 'router.drycc.cc/x-protocol': text }, 'router.drycc.cc/')
  return [readProtocol(annotations, appProtocol, lastGood), annotations.faults.map(({ message }) => message)] as const
}
