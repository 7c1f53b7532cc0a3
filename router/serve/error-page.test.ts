import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { choosePageType } from './error-page.ts'
import { ERRORS, type ErrorCode } from './errors.ts'
import { startBed, startHttpApp } from './testbed.ts'

suite('choosePageType()', () => {
  for (const [accept, expected] of [
    ['', 'text'],
    ['*/*', 'text'],
    ['text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8', 'html'],
    ['application/json, text/plain, */*', 'json'],
    ['application/vnd.api+json', 'json'],
    ['text/html;q=0.5, application/json;q=0.6', 'json'],
    ['application/json;q=0.5, text/html;q=0.6', 'html'],
    ['text/html, application/json', 'html'],
    ['application/json, text/html', 'json'],
    ['text/html;q=0, */*', 'text'],
    ['text/plain;q=0, text/html;q=0, */*;q=0.1', 'json'],
    ['text/plain;q=0, */*', 'html'],
    ['application/*', 'json'],
    ['text/*;q=0.1, application/*;q=0.2', 'json'],
    ['image/png', 'text'],
    ['image/avif,image/webp,*/*;q=0.8', 'text'],
    ['TEXT/HTML', 'html'],
    ['nonsense;;;,,', 'text'],
  ] as const) {
    test(`${expected} for ${JSON.stringify(accept)}`, () => assert.equal(choosePageType(accept), expected))
  }
})

suite('The page of an error', () => {
  const get = (fields = '', method = 'GET') => `${method} / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n${fields}\r\n`
  test('says in each form what happened, whose fault it is, and which request it was', async () => {
    await using bed = await startBed({ apps: { 'shop.test': [] }, settings: { requestIds: true } })
    for (const accept of ['text/html', 'application/json', 'text/plain']) {
      const text = await bed.exchange(get(`Accept: ${accept}\r\n`))
      const id = /\r\nX-Request-Id: ([0-9a-f]{32})\r\n/.exec(text)?.[1] as string
      const body = text.slice(text.indexOf('\r\n\r\n') + 4)
      for (const part of [id, 'R20', '503', 'Service Unavailable', 'nothing running']) assert.ok(body.includes(part), `${part} in ${body}`)
      if (accept === 'application/json') {
        assert.deepEqual(JSON.parse(body), {
          error: {
            ...{ code: 'R20', status: 503, title: 'Service Unavailable', detail: ERRORS.R20.text, fault: 'app', requestId: id },
          },
        })
      } else assert.match(body, /The app behind this address is at fault/)
    }
  })
  test('without request ids speaks of none', async () => {
    await using bed = await startBed({ apps: { 'shop.test': [] } })
    for (const accept of ['text/html', 'application/json', 'text/plain'])
      assert.doesNotMatch(await bed.exchange(get(`Accept: ${accept}\r\n`)), /request.?id|<dt>Request|\nRequest/i)
  })
  test('is kept by nobody, taken for nothing else, and says when to come back', async () => {
    await using bed = await startBed({ apps: { 'shop.test': [] } })
    assert.match(await bed.exchange(get()), /\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nRetry-After: 10\r\n/)
    bed.table = { ...bed.table, match: () => undefined }
    assert.doesNotMatch(await bed.exchange(get()), /Retry-After/)
  })
  test('of an app in maintenance is titled so, with Retry-After, whatever the method', async () => {
    await using app = await startHttpApp(() => undefined)
    await using bed = await startBed({ apps: { 'shop.test': app }, policy: { maintenance: true } })
    for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'BREW'])
      assert.match(await bed.exchange(get('', method)), /^HTTP\/1\.1 503 .*\r\nRetry-After: 120\r\n.*Site Maintenance.*R21/s)
    assert.match(await bed.exchange(get('Accept: text/html\r\n')), /<title>Site Maintenance<\/title>/)
    assert.equal(app.sockets.length, 0)
  })
  test('of a path in maintenance that another app serves on a host is the bare one (contract 5.2)', async () => {
    await using bed = await startBed({ apps: { 'shop.test': [] }, policy: { maintenance: true, isDelegated: true } })
    const text = await bed.exchange(get('Accept: text/html\r\n'))
    assert.match(text, /<title>Service Unavailable<\/title>.*R21/s)
    assert.doesNotMatch(text, /Site Maintenance/)
  })
  test('is named in a header field where the operator wants it, on what was no request too', async () => {
    await using bed = await startBed({ apps: { 'shop.test': [] }, settings: { errorHeader: 'X-Drycc-Error' } })
    assert.match(await bed.exchange(get()), /\r\nX-Drycc-Error: R20\r\n/)
    assert.match(await bed.exchange('nonsense\r\n\r\n'), /^HTTP\/1\.1 400 .*\r\nX-Drycc-Error: R40\r\n/s)
    await using app = await startHttpApp(() => 'HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n')
    await using other = await startBed({ apps: { 'shop.test': app }, settings: { errorHeader: 'X-Drycc-Error' } })
    assert.doesNotMatch(await other.exchange(get()), /X-Drycc-Error/)
  })
  test('exists for each code, in each form', async () => {
    const { errorPage } = await import('./error-page.ts')
    for (const code of Object.keys(ERRORS) as ErrorCode[]) assert.ok(errorPage(code, undefined).body.includes(code))
  })
})
