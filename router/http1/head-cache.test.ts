import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { HeadCache } from './head-cache.ts'
import { beginning, changed, parseRequestHead } from './request-head.ts'
import { parseResponseHead } from './response-head.ts'

const LIMITS = { requestLineBytesMax: 16_384, fieldCountMax: 200 }
const request = (target: string, more = '') => `GET ${target} HTTP/1.1\r\nHost: shop.test\r\n${more}\r\n`

suite('HeadCache', () => {
  test('reads a request that comes again and again once, from its third time on', () => {
    const cache = new HeadCache(LIMITS)
    const heads = [1, 2, 3, 4].map(() => cache.request(request('/poll')))
    assert.deepEqual(heads[0], parseRequestHead(request('/poll'), LIMITS))
    assert.notEqual(heads[0], heads[1])
    assert.equal(heads[1], heads[2])
    assert.equal(heads[2], heads[3])
  })

  test('gives each of many heads its own reading, also where they share a slot', () => {
    const cache = new HeadCache(LIMITS)
    for (let round = 0; round < 4; round++) {
      for (let index = 0; index < 2000; index++) {
        const text = request(`/${index % 50}`, `X-A: ${index}\r\n`)
        const head = cache.request(text)
        assert(typeof head !== 'string')
        assert.deepEqual(changed(head, {}), parseRequestHead(text, LIMITS))
        assert(head.beginning === '' || head.beginning === beginning(head, head.fields))
        const answer = `HTTP/1.1 ${200 + (index % 5)} OK\r\nContent-Length: ${index}\r\n\r\n`
        assert.deepEqual(cache.answer(answer, index % 2 ? 'HEAD' : 'GET'), parseResponseHead(answer, index % 2 ? 'HEAD' : 'GET'))
      }
    }
  })

  test('tells the answers to HEAD and GET apart, which are the same bytes', () => {
    const cache = new HeadCache(LIMITS)
    const text = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'
    for (let round = 0; round < 4; round++) {
      assert.equal(cache.answer(text, 'GET')?.length, 5)
      assert.equal(cache.answer(text, 'HEAD')?.length, 0)
    }
  })

  test('refuses the same head each time, and keeps none that is long', () => {
    const cache = new HeadCache(LIMITS)
    for (let round = 0; round < 4; round++) assert.equal(cache.request('GET / HTTP/1.1\r\n\r\n'), 'R40')
    const long = request('/', `Cookie: ${'x'.repeat(2000)}\r\n`)
    const heads = [1, 2, 3, 4].map(() => cache.request(long))
    assert.equal(new Set(heads).size, 4)
  })
})
