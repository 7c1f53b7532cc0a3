import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, suite, test } from 'node:test'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { type Bed, startBed } from './bed.ts'

suite('control plane: pages of an app’s own', { timeout: 60_000 }, () => {
  let bed: Bed
  let token: string
  let content = '<h1>one</h1>'
  const site = createServer((_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end(content))
  before(async () => {
    site.listen(0, '127.0.0.1')
    await once(site, 'listening')
    bed = await startBed({ CONTROLLER_PAGE_NETWORKS: '127.0.0.0/8' })
    token = await bed.register('ana')
    await call('POST', '/v2/apps/', { id: 'shop' })
  })
  after(async () => {
    await bed.stop()
    site.closeAllConnections()
    site.close()
  })
  const call = (method: string, path: string, body?: object) => bed.call(method, path, { token, ...(body ? { body } : {}) })
  const set = (body: object) => call('POST', '/v2/apps/shop/pages/', body)
  const stored = async () => (await bed.api.get(RESOURCES.configMaps, 'shop', 'shop-pages')).data ?? {}
  const named = async () => (await bed.api.get(RESOURCES.services, 'shop', 'shop')).metadata.annotations?.['router.drycc.cc/x-error-pages']

  test('stand in a ConfigMap that the Service names, and are listed without their texts', async () => {
    assert.equal(await named(), undefined)
    const answer = await set({ name: 'maintenance.html', body: '<h1>soon</h1>\n' })
    assert.equal(answer.status, 201, answer.text)
    assert.deepEqual([answer.body.name, answer.body.url, answer.body.bytes], ['maintenance.html', null, 14])
    assert.equal(await named(), 'shop-pages')
    assert.deepEqual(await stored(), { 'maintenance.html': '<h1>soon</h1>\n' })
    const { metadata } = await bed.api.get(RESOURCES.configMaps, 'shop', 'shop-pages')
    assert.equal(metadata.labels?.['router.drycc.cc/pages'], 'true')
    const { body } = await call('GET', '/v2/apps/shop/pages/')
    assert.deepEqual(
      body.pages.map((page: { name: string }) => page.name),
      ['maintenance.html'],
    )
  })
  test('are fetched from an address, and again with each release; a failure keeps the last', async () => {
    const url = `http://127.0.0.1:${(site.address() as AddressInfo).port}/503.html`
    assert.equal((await set({ name: '503.html', url })).status, 201)
    assert.equal((await stored())['503.html'], '<h1>one</h1>')
    content = '<h1>two</h1>'
    assert.equal((await call('POST', '/v2/apps/shop/config/', { values: { A: '1' } })).status, 201)
    await bed.until(async () => (await stored())['503.html'] === '<h1>two</h1>')
    content = 'x'.repeat(200_000)
    await call('POST', '/v2/apps/shop/config/', { values: { A: '2' } })
    const { status, body } = await set({ name: '503.html', url })
    assert.equal(status, 400)
    assert.match(body.url[0], /^The page cannot be fetched: It is larger than 128 KB$/)
    assert.equal((await stored())['503.html'], '<h1>two</h1>')
  })
  test('that cannot be shown are refused in words', async () => {
    for (const [body, field] of [
      [{ name: 'index.html', body: 'x' }, 'name'],
      [{ name: '../503.html', body: 'x' }, 'name'],
      [{ body: 'x' }, 'name'],
      [{ name: '503.html' }, 'body'],
      [{ name: '503.html', body: 'x', url: 'http://example.com/' }, 'body'],
      [{ name: '503.html', body: ' \n' }, 'body'],
      [{ name: '503.html', body: 'ü'.repeat(70_000) }, 'body'],
      [{ name: '503.html', body: { length: 1 } }, 'body'],
      [{ name: '503.html', url: 'file:///etc/passwd' }, 'url'],
      [{ name: '503.html', url: 'http://user:password@example.com/' }, 'url'],
      [{ name: '503.html', url: 'http://169.254.169.254/latest/meta-data/' }, 'url'],
      [{ name: '503.html', url: 'http://10.0.0.1/' }, 'url'],
    ] as const) {
      const answer = await set(body)
      assert.equal(answer.status, 400, JSON.stringify(body))
      assert.ok(answer.body[field], answer.text)
    }
  })
  test('are 512 KB together at most', async () => {
    for (const name of ['500.html', '501.html', '502.html']) assert.equal((await set({ name, body: 'x'.repeat(131_072) })).status, 201)
    const { status, body } = await set({ name: '504.html', body: 'x'.repeat(131_072) })
    assert.equal(status, 400)
    assert.match(body.body[0], /All pages together are larger than 512 KB/)
    for (const name of ['500.html', '501.html', '502.html'])
      assert.equal((await call('DELETE', '/v2/apps/shop/pages/', { name })).status, 204)
  })
  test('set at once by many are all there', async () => {
    const names = Array.from({ length: 8 }, (_, index) => `R3${index}.txt`)
    await Promise.all(names.map(name => set({ name, body: name })))
    const { body } = await call('GET', '/v2/apps/shop/pages/')
    for (const name of names) assert.ok(body.pages.some((page: { name: string }) => page.name === name) && (await stored())[name] === name)
    await Promise.all(names.map(name => call('DELETE', '/v2/apps/shop/pages/', { name })))
  })
  test('go one by one, and with the last the Service names none', async () => {
    for (const name of ['503.html', 'maintenance.html']) assert.equal((await call('DELETE', '/v2/apps/shop/pages/', { name })).status, 204)
    assert.equal((await call('DELETE', '/v2/apps/shop/pages/', { name: '503.html' })).status, 404)
    assert.equal(await named(), undefined)
    assert.deepEqual(await stored(), {})
  })
  test('that an operator named by hand stay his', async () => {
    const body = { metadata: { annotations: { 'router.drycc.cc/x-error-pages': 'by-hand' } } }
    await bed.api.patch(RESOURCES.services, 'shop', 'shop', { type: 'merge', body })
    await call('POST', '/v2/apps/shop/settings/', { maintenance: true })
    assert.equal(await named(), 'by-hand')
  })
})
