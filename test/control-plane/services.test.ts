import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { find } from '../../kernel/kubernetes/api.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { type Bed, startBed } from './bed.ts'

suite('control plane: what the second command line added', { timeout: 60_000 }, () => {
  let bed: Bed
  let token = ''
  let friend = ''
  before(async () => {
    bed = await startBed()
    token = await bed.register('admin')
    friend = await bed.register('friend')
    await bed.call('POST', '/v2/apps/', { token, body: { id: 'shop' } })
    await bed.call('POST', '/v2/apps/shop/perms/', { token, body: { username: 'friend' } })
    await bed.push('admin', 'shop', { procfile: { web: 'node web.js', api: 'node api.js' } })
  })
  after(() => bed.stop())

  const services = (method: string, body?: object, by = token) =>
    bed.call(method, '/v2/apps/shop/services/', { token: by, ...(body ? { body } : {}) })
  const annotations = async () => {
    const service = await find(bed.api, RESOURCES.services, 'shop', 'shop-api')
    return Object.fromEntries(
      Object.entries(service?.metadata.annotations ?? {}).map(([key, value]) => [key.replace('router.drycc.cc/', ''), value]),
    )
  }

  test('gives paths of the host to a process type, changes them, and takes them back', async () => {
    assert.deepEqual((await services('GET')).body, { services: [] })
    const created = await services('POST', { procfile_type: 'api', path_pattern: '/api' })
    assert.deepEqual([created.status, created.body], [201, { procfile_type: 'api', path_pattern: '/api' }])
    assert.deepEqual(await annotations(), { proxyDomain: 'shop', proxyLocations: '/api', maintenance: 'false', 'ssl.enforce': 'False' })
    const { spec, metadata } = await bed.api.get(RESOURCES.services, 'shop', 'shop-api')
    assert.deepEqual(spec?.selector, { app: 'shop', heritage: 'drycc', type: 'api' })
    assert.equal(metadata.labels?.['router.drycc.cc/routable'], 'true')
    assert.equal((await services('POST', { procfile_type: 'api', path_pattern: '/api' })).status, 204)
    assert.equal((await services('POST', { procfile_type: 'api', path_pattern: ' /api, /ws/ ,/api' }, friend)).status, 201)
    assert.equal((await annotations())['proxyLocations'], '/api,/ws/')
    assert.deepEqual((await services('GET')).body, { services: [{ procfile_type: 'api', path_pattern: '/api,/ws/' }] })
    assert.equal((await services('DELETE', { procfile_type: 'api' }, friend)).status, 403)
    assert.equal((await services('DELETE', { procfile_type: 'api' })).status, 204)
    assert.equal(await find(bed.api, RESOURCES.services, 'shop', 'shop-api'), undefined)
    assert.equal((await services('DELETE', { procfile_type: 'api' })).text, '"No Service matches the given query."')
  })

  test('refuses what is no path, and what is no type', async () => {
    for (const path_pattern of ['', 'api', '/a b', '/a\nb', '/a,b', '/{', '/a"', ',', '/a?b', `/${'a'.repeat(1100)}`, 5, null])
      assert.equal((await services('POST', { procfile_type: 'api', path_pattern } as object)).status, 400, String(path_pattern))
    for (const procfile_type of ['', 'A', '../x', 'a'.repeat(59), {}, '__proto__'])
      assert.equal((await services('POST', { procfile_type, path_pattern: '/x' })).status, 400, String(procfile_type))
    assert.deepEqual((await services('GET')).body, { services: [] })
  })

  test('follows maintenance and TLS of the app', async () => {
    await services('POST', { procfile_type: 'api', path_pattern: '/api' })
    await bed.call('POST', '/v2/apps/shop/settings/', { token, body: { maintenance: true, routable: false } })
    await bed.call('POST', '/v2/apps/shop/tls/', { token, body: { https_enforced: true } })
    assert.deepEqual(await annotations(), { proxyDomain: 'shop', proxyLocations: '/api', maintenance: 'true', 'ssl.enforce': 'True' })
    const { metadata } = await bed.api.get(RESOURCES.services, 'shop', 'shop-api')
    assert.equal(metadata.labels?.['router.drycc.cc/routable'], 'false')
  })

  test('gives each type its time to end, and lines to run at its start and end', async () => {
    const config = (body: object) => bed.call('POST', '/v2/apps/shop/config/', { token, body })
    const { body } = await config({
      termination_grace_period: { api: 90 },
      lifecycle_post_start: { web: 'echo up' },
      lifecycle_pre_stop: { web: 'sleep 1' },
    })
    assert.deepEqual(body.termination_grace_period, { api: '90' })
    assert.deepEqual([body.lifecycle_post_start, body.lifecycle_pre_stop], [{ web: 'echo up' }, { web: 'sleep 1' }])
    const web = (await bed.api.get(RESOURCES.deployments, 'shop', 'shop-web')).spec!.template.spec!
    assert.deepEqual(web.containers[0]!.lifecycle, {
      postStart: { exec: { command: ['/bin/bash', '-c', 'echo up'] } },
      preStop: { exec: { command: ['/bin/bash', '-c', 'sleep 1'] } },
    })
    assert.equal(web.terminationGracePeriodSeconds, 30)
    await bed.call('POST', '/v2/apps/shop/scale/', { token, body: { api: 1 } })
    const api = (await bed.api.get(RESOURCES.deployments, 'shop', 'shop-api')).spec!.template.spec!
    assert.equal(api.terminationGracePeriodSeconds, 90 + 3)
    assert.deepEqual(api.containers[0]!.lifecycle, { preStop: { sleep: { seconds: 3 } } }, 'it serves paths of the host')
    const latest = async () => (await bed.call('GET', '/v2/apps/shop/releases/?limit=1', { token })).body.results[0].summary
    assert.equal(
      await latest(),
      'admin added lifecycle_post_start web and admin added lifecycle_pre_stop web and admin changed timeouts for termination_grace_period',
    )
    assert.deepEqual((await config({ termination_grace_period: { api: 'x' } })).body, {
      termination_grace_period: ['Termination Grace Period format: <value>, where value must be a numeric'],
    })
    assert.deepEqual((await config({ termination_grace_period: { web: null } })).body, {
      detail: 'web does not exist under termination_grace_period',
    })
    assert.equal((await config({ termination_grace_period: { api: null } })).status, 201)
    assert.equal(await latest(), 'admin changed timeouts for termination_grace_period')
  })

  test('says of a release why it failed', async () => {
    bed.fate = () => ({ waiting: 'ErrImagePull', message: 'manifest unknown' })
    const failed = await bed.call('POST', '/v2/apps/shop/config/', { token, body: { values: { BAD: '1' } } })
    assert.equal(failed.status, 400)
    const [release] = (await bed.call('GET', '/v2/apps/shop/releases/?limit=1', { token })).body.results
    assert.deepEqual([release.failed, release.summary], [true, 'admin deployed a config that failed'])
    assert.match(release.exception, /ErrImagePull: manifest unknown/)
  })
})
