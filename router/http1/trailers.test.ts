import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { mayTrail, passingTrailers } from './trailers.ts'

suite('mayTrail()', () => {
  for (const name of ['x-checksum', 'content-digest', 'repr-digest', 'content-md5', 'etag', 'server-timing', 'grpc-status', 'grpc-message'])
    test(`${name}: yes`, () => assert.deepEqual([mayTrail(name, true), mayTrail(name, false)], [true, true]))
  for (const name of [
    ...['transfer-encoding', 'content-length', 'host', 'connection', 'te', 'trailer', 'upgrade', 'authorization', 'cookie', 'set-cookie'],
    ...['content-type', 'content-encoding', 'content-range', 'content-disposition', 'content-digest-x', 'cache-control', 'if-none-match'],
    ...['x-forwarded-for', 'x-forwarded-anything', 'forwarded', 'x-real-ip', 'ssl-client-verify', 'x-ssl-client-dn', 'x-request-id'],
    ...['access-control-allow-origin', 'strict-transport-security', 'location', 'cdn-loop', 'early-data'],
  ])
    test(`${name}: no`, () => assert.deepEqual([mayTrail(name, true), mayTrail(name, false)], [false, false]))
  for (const name of ['x_forwarded_for', 'a.b'])
    test(`${name}: of an answer only`, () => assert.deepEqual([mayTrail(name, true), mayTrail(name, false)], [false, true]))
})

suite('passingTrailers()', () => {
  test('keeps lines in order and as they are, without blanks at their ends', () => {
    assert.equal(passingTrailers('X-A: 1 \t\r\nHOST: evil\r\nx-a:2\r\nX-Empty:\r\n', true), 'X-A: 1\r\nx-a:2\r\nX-Empty:\r\n')
    assert.equal(passingTrailers('', true), '')
    assert.equal(passingTrailers('Cookie: a=1\r\n', false), '')
  })
})
