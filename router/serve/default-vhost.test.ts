import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { selfSigned } from '../../kernel/x509.ts'
import { addressMatcher, type Policy } from '../table/route.ts'
import { ok, RawClient, startBed, startHttpApp, testRoute } from './testbed.ts'

const get = (host = 'nobody.test', target = '/', method = 'GET') =>
  `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`

suite('A host that no app claims', () => {
  test('is asked for the router’s health by GET and HEAD, with a slash or a query or without', async () => {
    await using bed = await startBed()
    for (const target of ['/healthz', '/healthz/', '/healthz?full=1'])
      assert.match(await bed.exchange(get('10.0.0.1', target)), /^HTTP\/1\.1 200 OK\r\nContent-Type: text\/plain\r\nContent-Length: 0\r\n/)
    assert.match(await bed.exchange(get('10.0.0.1', '/healthz', 'HEAD')), /^HTTP\/1\.1 200 /)
    assert.match(await bed.exchange(get('10.0.0.1', '/healthz', 'POST')), /^HTTP\/1\.1 404 /)
    assert.match(await bed.exchange(get('10.0.0.1', '/healthzz')), /^HTTP\/1\.1 404 /)
  })
  test('is served by the default service, whatever the path and method, with the Host that was asked for', async () => {
    await using app = await startHttpApp(() => ok('default'))
    await using bed = await startBed({ settings: { defaultService: testRoute('default', app, {}) } })
    assert.match(await bed.exchange(get('nobody.test', '/a?b', 'DELETE')), /default$/)
    assert.match(app.received[0] as string, /^DELETE \/a\?b HTTP\/1\.1\r\nHost: nobody\.test\r\n/)
    assert.match(await bed.exchange('GET / HTTP/1.0\r\n\r\n'), /default$/)
  })
  test('still answers for the router’s health where there is a default service', async () => {
    await using app = await startHttpApp(() => ok('default'))
    await using bed = await startBed({ settings: { defaultService: testRoute('default', app, {}) } })
    assert.match(await bed.exchange(get('10.0.0.1', '/healthz')), /^HTTP\/1\.1 200 .*Content-Length: 0\r\n/s)
    assert.equal(app.sockets.length, 0)
  })
  test('shows nothing of the default service over TLS', async () => {
    await using app = await startHttpApp(() => ok('default'))
    const { certificate, key } = selfSigned({ names: ['nobody.test'], days: 1 })
    await using bed = await startBed({
      tls: { cert: certificate, key },
      settings: { defaultService: testRoute('default', app, {}) },
    })
    const client = RawClient.tls(bed.httpsPort, { servername: 'nobody.test' })
    client.send(get())
    await client.ended
    assert.match(client.text, /^HTTP\/1\.1 404 .*R10/s)
    assert.equal(app.sockets.length, 0)
    client.destroy()
  })
  test('is in maintenance with its default service, and tells when that has nothing running', async () => {
    for (const [policy, code] of [
      [{ maintenance: true }, 'R21'],
      [{}, 'R20'],
    ] as const) {
      await using bed = await startBed({ settings: { defaultService: testRoute('default', [], policy) } })
      assert.match(await bed.exchange(get()), new RegExp(`^HTTP/1\\.1 503 .*${code}`, 's'))
    }
  })
})

suite('Maintenance', () => {
  const ask = async (policy: Partial<Policy>, request = get('shop.test')) => {
    await using app = await startHttpApp(() => ok('up'))
    await using bed = await startBed({ apps: { 'shop.test': app }, policy })
    return await bed.exchange(request)
  }
  test('comes behind the whitelist: who may not come in does not learn of it (contract 5.6)', async () =>
    assert.match(await ask({ maintenance: true, allow: addressMatcher(['203.0.113.0/24']) }), /^HTTP\/1\.1 403 .*R12/s))
  test('comes before the redirect to https (contract 5.7)', async () =>
    assert.match(await ask({ maintenance: true, sslEnforce: true }), /^HTTP\/1\.1 503 .*R21/s))
  test('comes before the limit of the body', async () =>
    assert.match(
      await ask(
        { maintenance: true, bodyBytesMax: 1 },
        'POST / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab',
      ),
      /^HTTP\/1\.1 503 .*R21/s,
    ))
  test('answers what would change the protocol too', async () =>
    assert.match(
      await ask({ maintenance: true }, 'GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n\r\n'),
      /^HTTP\/1\.1 503 /,
    ))
  test('has HSTS over https, as all answers of the app', async () => {
    const { certificate, key } = selfSigned({ names: ['shop.test'], days: 1 })
    await using bed = await startBed({
      tls: { cert: certificate, key },
      apps: { 'shop.test': [] },
      policy: { maintenance: true, hsts: 'max-age=5' },
    })
    const client = RawClient.tls(bed.httpsPort, { servername: 'shop.test' })
    client.send(get('shop.test'))
    await client.ended
    assert.match(client.text, /^HTTP\/1\.1 503 .*\r\nStrict-Transport-Security: max-age=5\r\n/s)
    client.destroy()
  })
})
