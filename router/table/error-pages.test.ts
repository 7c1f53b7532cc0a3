import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type BedOptions, startBed } from '../serve/testbed.ts'
import { ErrorPages, readErrorPages } from './error-pages.ts'

suite('readErrorPages()', () => {
  const read = (data: Record<string, string>, lastGood = {}) => readErrorPages({ metadata: {}, data }, lastGood)
  test('takes pages by code, status, class, error and maintenance, in three forms', () => {
    const data = Object.fromEntries(['R20.html', '503.json', '5xx.txt', 'error.html', 'maintenance.html'].map(name => [name, '{}']))
    assert.deepEqual(read(data), { pages: data, faults: [] })
  })
  test('says of a name that is none how to write it', () => {
    const { pages, faults } = read({ 'index.html': '', '200.html': '', '503.htm': '', '503.html/x': '', toString: '' })
    assert.deepEqual(pages, {})
    assert.equal(faults.length, 5)
    assert.match(faults[0]?.message as string, /^Cannot use page "index\.html": name it maintenance, error, 5xx, 503 or R20, with/)
  })
  test('takes no page of more than 128 KB and no more than 512 KB together, and keeps the last good page', () => {
    const { pages, faults } = read({ '503.html': 'x'.repeat(131_073), '502.html': 'ok' }, { '503.html': 'before' })
    assert.deepEqual(pages, { '503.html': 'before', '502.html': 'ok' })
    assert.match(faults[0]?.message as string, /larger than 128 KB/)
    const many = Object.fromEntries([500, 501, 502, 503, 504].map(code => [`${code}.html`, 'x'.repeat(131_072)]))
    assert.match(read(many).faults[0]?.message as string, /^Cannot use page "504\.html": All pages together/)
  })
  test('counts bytes, not characters', () => assert.equal(read({ '503.html': 'ü'.repeat(70_000) }).faults.length, 1))
  test('takes JSON that is JSON when its placeholders are filled', () => {
    assert.deepEqual(read({ '503.json': '{"status":{{status}},"id":"{{request_id}}"}' }).faults, [])
    assert.match(read({ '503.json': '{"status":{{title}}}' }).faults[0]?.message as string, /no JSON when its placeholders are filled/)
  })
  test('takes no bytes that are no text', () =>
    assert.equal(readErrorPages({ binaryData: { '503.html': '/w==' } }).faults[0]?.value, '503.html'))
})

suite('ErrorPages.find()', () => {
  const all = ['maintenance', 'R21', '503', '5xx', 'error']
  test('prefers the most exact name', () => {
    for (const [index, name] of all.entries()) {
      const pages = new ErrorPages(Object.fromEntries(all.slice(index).map(name => [`${name}.html`, name])))
      assert.deepEqual(pages.find('R21', 503, true, 'html')?.parts, [name])
    }
  })
  test('shows the page of maintenance for nothing else', () =>
    assert.equal(new ErrorPages({ 'maintenance.html': 'soon' }).find('R20', 503, false, 'html'), undefined))
  test('keeps the forms apart', () => assert.equal(new ErrorPages({ '503.html': '' }).find('R20', 503, false, 'json'), undefined))
})

suite('A page of one’s own', () => {
  const get = (accept = 'text/html', method = 'GET') =>
    `${method} / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\nAccept: ${accept}\r\n\r\n`
  const ask = async (options: BedOptions, request = get()) => {
    await using bed = await startBed({ apps: { 'shop.test': [] }, ...options })
    return await bed.exchange(request)
  }
  const pages = { 'shop/pages': { '503.html': '<h1>Café {{code}} {{request_id}}</h1>', 'maintenance.html': 'soon' } }
  const policy = { pages: { errors: 'shop/pages' } }

  test('is shown with its values filled in, the status and fields that the built-in one has', async () => {
    const text = await ask({ pages, policy, settings: { requestIds: true } })
    assert.match(text, /^HTTP\/1\.1 503 Service Unavailable\r\nContent-Type: text\/html; charset=utf-8\r\nCache-Control: no-store\r\n/)
    const body = Buffer.from(text.slice(text.indexOf('\r\n\r\n') + 4), 'latin1')
    assert.match(body.toString('utf8'), /^<h1>Café R20 [0-9a-f]{32}<\/h1>$/)
    assert.equal(Number(/Content-Length: (\d+)/.exec(text)?.[1]), body.length)
  })
  test('gives way to the built-in one in forms that it has not', async () => {
    assert.match(await ask({ pages, policy }, get('application/json')), /"code":"R20"/)
    assert.match(await ask({ pages, policy }, get('text/plain')), /\(R20\)/)
  })
  test('to HEAD is its length', async () =>
    assert.match(await ask({ pages, policy }, get('text/html', 'HEAD')), /\r\nContent-Length: 19\r\nConnection: close\r\n\r\n$/))
  test('stands for maintenance, unless another is named for it', async () => {
    assert.match(await ask({ pages, policy: { ...policy, maintenance: true } }), /\r\n\r\nsoon$/)
    const own = { ...pages, 'shop/late': { 'maintenance.html': 'later' } }
    const named = { maintenance: true, pages: { errors: 'shop/pages', maintenance: 'shop/late' } }
    assert.match(await ask({ pages: own, policy: named }), /\r\n\r\nlater$/)
  })
  test('of the router stands in for an app’s, and for hosts that no app has', async () => {
    const settings = { pages: { errors: 'drycc/pages' } }
    const both = { ...pages, 'drycc/pages': { '4xx.html': 'nobody', '503.html': 'router' } }
    assert.match(await ask({ pages: both, policy, settings }), /Caf/)
    assert.match(await ask({ pages: both, settings }), /\r\n\r\nrouter$/)
    assert.match(await ask({ pages: both, settings, apps: {} }), /^HTTP\/1\.1 404 .*\r\n\r\nnobody$/s)
  })
  test('that is not there is the built-in one', async () => assert.match(await ask({ policy }), /<dd>R20<\/dd>/))
  test('of 128 KB reaches a slow reader whole', async () => {
    const large = { 'shop/pages': { '503.html': 'x'.repeat(131_072) } }
    await using bed = await startBed({ apps: { 'shop.test': [] }, pages: large, policy })
    const clients = Array.from({ length: 50 }, () => bed.send(get()))
    for (const client of clients) client.socket.pause()
    for (const client of clients) {
      client.socket.resume()
      await client.ended
      assert.ok(client.text.endsWith('x'.repeat(131_072)))
    }
  })
})
