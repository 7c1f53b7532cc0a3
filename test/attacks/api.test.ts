import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { type Bed, startBed } from '../control-plane/bed.ts'

suite('The API under attack', { timeout: 60_000 }, () => {
  let bed: Bed
  let owner = ''
  let other = ''
  before(async () => {
    bed = await startBed()
    await bed.register('admin')
    owner = await bed.register('owner')
    other = await bed.register('other')
    await bed.call('POST', '/v2/apps/', { token: owner, body: { id: 'shop' } })
  })
  after(() => bed.stop())

  test('takes no field that is not the caller’s to set', async () => {
    const wanted = { owner: 'admin', uuid: '00000000-0000-4000-8000-000000000000', created: '1999-01-01T00:00:00Z', is_superuser: true }
    const { status, body } = await bed.call('POST', '/v2/apps/', { token: other, body: { id: 'mine', ...wanted, structure: { web: 9 } } })
    assert.equal(status, 201)
    assert.deepEqual([body.owner, body.structure, body.created.slice(0, 2)], ['other', {}, '20'])
    assert.notEqual(body.uuid, wanted.uuid)
    const config = await bed.call('POST', '/v2/apps/mine/config/', { token: other, body: { values: { A: '1' }, app: 'shop', ...wanted } })
    assert.deepEqual([config.body.app, config.body.owner], ['mine', 'other'])
    assert.notEqual(config.body.uuid, wanted.uuid)
    assert.deepEqual((await bed.call('GET', '/v2/apps/shop/config/', { token: owner })).body.values, {})
  })

  test('reads a token from its header only, sets no cookie, and lets no page send credentials', async () => {
    for (const path of [`/v2/apps/?token=${owner}`, `/v2/apps/?access_token=${owner}`, `/v2/apps/?Authorization=token%20${owner}`])
      assert.equal((await bed.call('GET', path)).status, 401, path)
    for (const headers of [{ cookie: `token=${owner}; sessionid=${owner}` }, { 'x-auth-token': owner }, { authorization: owner }] as Record<
      string,
      string
    >[])
      assert.equal((await bed.call('GET', '/v2/apps/', { headers })).status, 401, JSON.stringify(headers))
    const answers = [
      await bed.call('GET', '/v2/apps/', { token: owner, headers: { origin: 'https://evil.test' } }),
      await bed.call('POST', '/v2/auth/login/', { body: { username: 'owner', password: 'owner-password' } }),
      await bed.call('OPTIONS', '/v2/apps/', { headers: { origin: 'https://evil.test', 'access-control-request-method': 'DELETE' } }),
    ]
    for (const { headers } of answers) {
      assert.equal(headers.get('set-cookie'), null)
      assert.equal(headers.get('access-control-allow-credentials'), null)
    }
  })

  test('lets nobody out of an app’s path into another', async () => {
    for (const path of [
      '/v2/apps/mine/../shop/config/',
      '/v2/apps/mine/%2e%2e/shop/config/',
      '/v2/apps/mine%2f..%2fshop/config/',
      '/v2/apps/..%2fshop/config/',
      '/v2/apps/shop%00/config/',
      '/v2/apps/SHOP/config/',
      '/v2/apps/shop;x/config/',
      '/v2/apps/shop%0a/config/',
      '/v2/apps/__proto__/config/',
      '/v2/apps/constructor/',
      '/v2/apps/drycc/config/',
      '/v2/apps/kube-system/',
    ]) {
      const { status } = await bed.call('GET', path, { token: other })
      assert.ok([403, 404, 400].includes(status), `${path}: ${status}`)
    }
  })

  test('gives one app’s releases, pods, keys and certificates to nobody by guessing their names', async () => {
    for (const path of ['/v2/apps/mine/releases/v99/', '/v2/keys/owner@home/', '/v2/certs/owners/'])
      assert.equal((await bed.call('GET', path, { token: other })).status, 404, path)
    assert.equal((await bed.push('owner', 'shop')).status, 200)
    const [pod] = (await bed.call('GET', '/v2/apps/shop/pods/', { token: owner })).body.results
    for (const path of [`pods/web/${pod.name}/`, `pods/${pod.name}/`, 'pods/']) {
      const { text } = await bed.call('GET', `/v2/apps/mine/${path}`, { token: other })
      assert.equal(text.includes(pod.name), false, path)
    }
    await bed.call('POST', `/v2/apps/mine/pods/web/${pod.name}/restart/`, { token: other })
    assert.equal((await bed.call('GET', '/v2/apps/shop/pods/', { token: owner })).body.results[0].name, pod.name)
    assert.notEqual((await bed.call('POST', '/v2/apps/mine/builds/', { token: other, body: { image: 'embedded/shop:git-1' } })).status, 201)
  })

  test('bounds a config, whatever it is made of', async () => {
    const config = (values: unknown) => bed.call('POST', '/v2/apps/mine/config/', { token: other, body: { values } })
    const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`KEY_${index}`, 'x'.repeat(150)]))
    for (const values of [many, { A: 'x'.repeat(1_200_000) }, { ['K'.repeat(254)]: 'x' }]) {
      const { status } = await config(values)
      assert.ok(status >= 400 && status < 500, String(status))
    }
    const odd = { A: 'line\nbreak', B: '$(id) `id` ; rm -rf / #', C: '\u202e\u0007', D: '$(A) $A %s' }
    assert.equal((await config(odd)).status, 201)
    assert.deepEqual((await bed.call('GET', '/v2/apps/mine/config/', { token: other })).body.values, odd)
  })

  test('keeps probes, images and domains away from the platform’s own network', async () => {
    const post = (path: string, body: object) => bed.call('POST', `/v2/apps/mine/${path}`, { token: other, body })
    for (const host of ['169.254.169.254', '127.0.0.1', 'drycc-controller.drycc'])
      for (const handler of [{ httpGet: { port: 80, path: '/', host } }, { tcpSocket: { port: 80, host } }])
        assert.equal((await post('config/', { healthcheck: { web: { livenessProbe: handler } } })).status, 400, JSON.stringify(handler))
    for (const image of ['a b', 'a\nb', 'embedded/../embedded/shop:1', 'embedded//shop:1', 'embedded/shop', 'embedded/shop@sha256:00'])
      assert.equal((await post('builds/', { image })).status, 400, image)
    for (const domain of [
      'localhost',
      '*',
      '*.localhost',
      'drycc.localhost',
      'deis',
      '127.0.0.1:80',
      'shop',
      'shop.localhost',
      'a'.repeat(254),
    ])
      assert.equal((await post('domains/', { domain })).status, 400, domain)
  })

  test('keeps tokens, passwords and the shared key out of what it stores in the clear and tells apps', async () => {
    await bed.call('POST', '/v2/auth/login/', { body: { username: 'owner', password: 'wrong-owner-password' } })
    const stored = JSON.stringify([
      (await bed.api.list(RESOURCES.configMaps)).items,
      (await bed.api.list(RESOURCES.services)).items,
      (await bed.api.list(RESOURCES.deployments)).items,
      (await bed.api.list(RESOURCES.events)).items,
      bed.lines,
    ])
    for (const secret of [owner, other, 'owner-password', 'the-builder-key']) assert.equal(stored.includes(secret), false)
  })
})
