import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { HEAD_BROKEN, HEAD_INCOMPLETE, HEAD_TOO_LARGE, HeadBuffer } from './head-buffer.ts'

const HEAD = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

suite('HeadBuffer.take()', () => {
  test('finds a head and where it ends, at any offset', () => {
    const heads = new HeadBuffer()
    const bytes = Buffer.from(`....${HEAD}body`)
    assert.equal(heads.take(bytes, 4, bytes.length, 1000), 4 + HEAD.length)
    assert.equal(heads.text(), HEAD)
    assert.equal(heads.text(), '')
    assert.equal(heads.begun, false)
  })
  test('gathers one from pieces cut anywhere', () => {
    for (let cut = 1; cut < HEAD.length; cut++) {
      const heads = new HeadBuffer()
      const first = Buffer.from(HEAD.slice(0, cut))
      assert.equal(heads.take(first, 0, first.length, 1000), HEAD_INCOMPLETE)
      assert.equal(heads.begun, true)
      const second = Buffer.from(`${HEAD.slice(cut)}body`)
      assert.equal(heads.take(second, 0, second.length, 1000), HEAD.length - cut)
      assert.equal(heads.text(), HEAD)
    }
  })
  test('does not look behind the end, where bytes of others may stand', () => {
    const heads = new HeadBuffer()
    const bytes = Buffer.from(HEAD)
    assert.equal(heads.take(bytes, 0, bytes.length - 1, 1000), HEAD_INCOMPLETE)
    const large = Buffer.from(`A: ${'b'.repeat(6000)}\r\n\r\n`)
    assert.equal(new HeadBuffer().take(large, 0, large.length - 1, 10_000), HEAD_INCOMPLETE)
  })
  test('is linear in its bytes: 128 kB one by one', () => {
    const heads = new HeadBuffer()
    const bytes = Buffer.from(`GET / HTTP/1.1\r\nA: ${'b'.repeat(128_000)}\r\n\r\n`)
    const before = performance.now()
    for (let at = 0; at < bytes.length - 1; at++) assert.equal(heads.take(bytes, at, at + 1, 131_072), HEAD_INCOMPLETE)
    assert.equal(heads.take(bytes, bytes.length - 1, bytes.length, 131_072), bytes.length)
    assert.ok(performance.now() - before < 2000)
    assert.equal(heads.text().length, bytes.length)
  })
  test('says when a head is too large, whole or not, and which part of it', () => {
    const whole = Buffer.from(`GET / HTTP/1.1\r\nA: ${'b'.repeat(200)}\r\n\r\n`)
    assert.equal(new HeadBuffer().take(whole, 0, whole.length, 100), HEAD_TOO_LARGE)
    for (const [text, firstLineEnded] of [
      [`GET / HTTP/1.1\r\nA: ${'b'.repeat(200)}`, true],
      [`GET / HTTP/1.1\r\nA: ${'b'.repeat(200)}\r\n\r\n`, true],
      [`GET / HTTP/1.1\r\nA: ${'b'.repeat(8000)}\r\n\r\n`, true],
      [`GET /${'a'.repeat(200)}`, false],
      [`\r\nGET /${'a'.repeat(200)}`, false],
    ] as const) {
      const heads = new HeadBuffer()
      const bytes = Buffer.from(text)
      assert.equal(heads.take(bytes, 0, bytes.length, 100), HEAD_TOO_LARGE)
      assert.equal(heads.firstLineEnded, firstLineEnded)
    }
  })
  for (const text of ['GET / HTTP/1.1\nHost: a\n\n', '\n', '\x16\x03\x01', '\0', '\x80', ' GET / HTTP/1.1']) {
    test(`gives up on ${JSON.stringify(text)} at once, whole or byte by byte`, () => {
      const bytes = Buffer.from(text, 'latin1')
      assert.equal(new HeadBuffer().take(bytes, 0, bytes.length, 1000), HEAD_BROKEN)
      const heads = new HeadBuffer()
      let result = HEAD_INCOMPLETE
      for (let at = 0; at < bytes.length && result === HEAD_INCOMPLETE; at++) result = heads.take(bytes, at, at + 1, 1000)
      assert.equal(result, HEAD_BROKEN)
    })
  }
})
