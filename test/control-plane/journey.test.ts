import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { type Bed, startBed } from './bed.ts'

suite('control plane: from a first user to a running app', { timeout: 60_000 }, () => {
  let bed: Bed
  let token = ''
  before(async () => {
    bed = await startBed()
  })
  after(() => bed.stop())

  test('makes the first user superuser', async () => {
    token = await bed.register('admin')
    const { body } = await bed.call('GET', '/v2/auth/whoami/', { token })
    assert.equal(body.is_superuser, true)
    assert.equal('id' in body, false)
  })

  test('creates an app with its namespace, Service and first release', async () => {
    const { status, body } = await bed.call('POST', '/v2/apps/', { token, body: { id: 'shop' } })
    assert.equal(status, 201)
    assert.deepEqual(body.structure, {})
    const service = await bed.api.get(RESOURCES.services, 'shop', 'shop')
    assert.deepEqual(service.metadata.annotations, {
      'router.drycc.cc/domains': 'shop',
      'router.drycc.cc/ssl.enforce': 'False',
      'router.drycc.cc/maintenance': 'false',
    })
    assert.equal(service.metadata.labels?.['router.drycc.cc/routable'], 'true')
    const releases = await bed.call('GET', '/v2/apps/shop/releases/', { token })
    assert.equal(releases.body.results[0].summary, 'admin created initial release')
  })

  test('deploys what the builder built and answers when it runs', async () => {
    const build = {
      receive_user: 'admin',
      receive_repo: 'shop',
      image: 'embedded/shop:git-12345678',
      sha: '12345678',
      procfile: { web: 'node .' },
      dockerfile: '',
    }
    const { status, body, text } = await bed.hook('POST', '/build/', build)
    assert.equal(status, 200, text)
    assert.equal(body.release.version, 2)
    const { body: pods } = await bed.call('GET', '/v2/apps/shop/pods/', { token })
    assert.deepEqual(
      pods.results.map((pod: { type: string; state: string; release: string }) => [pod.type, pod.state, pod.release]),
      [['web', 'up', 'v2']],
    )
  })
})
