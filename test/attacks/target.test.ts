import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ok, startBed, startHttpApp } from '../../router/serve/testbed.ts'

suite('A target reaches the app byte for byte, or not at all', () => {
  for (const target of [
    '/%2F%2e%2e/x',
    '/a%00b',
    '/%zz',
    '/%',
    '/%252e%252e/',
    '/..%5c..%5c',
    '/\\..\\x',
    '//evil.test/x',
    '/../../etc/passwd',
    '/a;b=c?d=%0d%0aX-Injected:1&e=//',
    '/?%23',
    '/\'"<>|^`{}',
  ]) {
    test(target, async () => {
      await using app = await startHttpApp(() => ok('fine'))
      await using bed = await startBed({ apps: { 'shop.test': app } })
      assert.match(await bed.exchange(`GET ${target} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n`), /fine$/)
      assert.ok(app.received[0]?.startsWith(`GET ${target} HTTP/1.1\r\nHost: shop.test\r\n`))
    })
  }
})

suite('A redirect of the router', () => {
  const policy = { sslEnforce: true }

  test('holds no line of the client, and leads to the host that was asked for', async () => {
    await using app = await startHttpApp(() => ok('fine'))
    await using bed = await startBed({ apps: { 'shop.test': app }, policy })
    for (const target of ['/%0d%0aSet-Cookie:%20a=b', '//evil.test/', '/\\evil.test', '/?a=%0aLocation:x', 'http://SHOP.test/x']) {
      const answer = await bed.exchange(`GET ${target} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n`)
      assert.match(answer, /^HTTP\/1\.1 301 /, target)
      const path = target.replace(/^http:\/\/[^/]+/, '')
      assert.deepEqual(answer.match(/^Location: .*$/gim), [`Location: https://shop.test${path}\r`.trimEnd()], target)
      assert.doesNotMatch(answer, /^Set-Cookie/im)
    }
    assert.deepEqual(app.received, [])
  })

  test('is never one to a host that nobody claims, however it is named', async () => {
    await using app = await startHttpApp(() => ok('fine'))
    await using bed = await startBed({ apps: { 'shop.test': app }, policy })
    for (const [request, status] of [
      ['GET / HTTP/1.1\r\nHost: evil.test', 404],
      ['GET http://evil.test/ HTTP/1.1\r\nHost: evil.test', 404],
      ['GET http://evil.test/ HTTP/1.1\r\nHost: shop.test', 400],
      ['GET http://shop.test@evil.test/ HTTP/1.1\r\nHost: shop.test', 400],
      ['GET / HTTP/1.1\r\nHost: shop.test\r\nX-Forwarded-Host: evil.test\r\nForwarded: host=evil.test', 301],
    ] as const) {
      const answer = await bed.exchange(`${request}\r\nConnection: close\r\n\r\n`)
      assert.ok(answer.startsWith(`HTTP/1.1 ${status} `), `${request}: ${answer}`)
      assert.doesNotMatch(answer, /evil/)
    }
  })
})
