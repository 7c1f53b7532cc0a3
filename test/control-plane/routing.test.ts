import assert from 'node:assert/strict'
import { after, before, beforeEach, suite, test } from 'node:test'
import { find } from '../../kernel/kubernetes/api.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { selfSigned } from '../../kernel/x509.ts'
import { type Bed, startBed } from './bed.ts'

suite('control plane: what the router reads', { timeout: 120_000 }, () => {
  let bed: Bed
  let token = ''
  let other = ''
  let app = ''
  let count = 0
  const { certificate, key } = selfSigned({ names: ['www.foo.com', '*.foo.com'], days: 30 })
  before(async () => {
    bed = await startBed({ CONTROLLER_PLATFORM_DOMAIN: 'apps.example.net' })
    token = await bed.register('admin')
    other = await bed.register('other')
  })
  after(() => bed.stop())
  beforeEach(async () => {
    app = `app-${++count}`
    await bed.call('POST', '/v2/apps/', { token, body: { id: app } })
  })

  const get = (path: string) => bed.call('GET', `/v2/apps/${app}${path}`, { token })
  const post = (path: string, body: unknown) => bed.call('POST', `/v2/apps/${app}${path}`, { token, body })
  const remove = (path: string, body?: unknown) => bed.call('DELETE', `/v2/apps/${app}${path}`, { token, ...(body ? { body } : {}) })
  const annotation = async (name: string) =>
    (await bed.api.get(RESOURCES.services, app, app)).metadata.annotations?.[`router.drycc.cc/${name}`]
  const addDomain = async (domain: string) => {
    const { status, body } = await post('/domains/', { domain })
    return status === 201 ? body.domain : body.domain[0]
  }

  test('adds domains in order, in ASCII, without a trailing dot, and removes them in either spelling', async () => {
    assert.equal(await addDomain('www.Zoo.example.'), 'www.Zoo.example')
    assert.equal(await addDomain('bücher.example'), 'xn--bcher-kva.example')
    assert.equal(await addDomain('*.wild.example'), '*.wild.example')
    assert.equal(await annotation('domains'), `${app},www.Zoo.example,xn--bcher-kva.example,*.wild.example`)
    assert.equal((await remove(`/domains/${encodeURIComponent('bücher.example')}`)).status, 204)
    assert.equal((await remove('/domains/%2A.wild.example')).status, 204)
    assert.equal((await remove('/domains/www.zoo.example')).status, 204)
    assert.equal(await annotation('domains'), app)
    assert.equal((await remove('/domains/www.zoo.example')).text, '"No Domain matches the given query."')
    assert.equal((await remove(`/domains/${app}`)).status, 204)
    assert.equal(await annotation('domains'), undefined)
    assert.deepEqual((await get('/domains/')).body.results, [])
  })

  test('refuses what is no host name', async () => {
    const ace = /^Hostname does not look valid, could not convert to ACE/
    assert.equal(await addDomain('*'), "Hostname can't only be a wildcard")
    assert.equal(await addDomain('example.123'), 'Hostname does not look valid.')
    assert.equal(await addDomain(`${'a.'.repeat(126)}example`), 'Hostname must be 253 characters or less.')
    for (const bad of [
      'a_b.example',
      'ab--c.example',
      `${'a'.repeat(64)}.example`,
      'a.*.example',
      '-a.example',
      'a..example',
      'a b.example',
      'http://x.example',
      'xn--\u0080.example',
      'a,b.example',
    ])
      assert.match(await addDomain(bad), ace, bad)
    assert.deepEqual((await post('/domains/', { domain: 5 })).status, 400)
    assert.deepEqual((await post('/domains/', {})).body, { domain: ['This field is required.'] })
  })

  test('gives a domain to one app only, whatever its spelling, and nobody what belongs to the platform', async () => {
    const taken = 'Domain is already in use by another application'
    await bed.call('POST', '/v2/apps/', { token: other, body: { id: `other-${count}` } })
    const theirs = (domain: string) => bed.call('POST', `/v2/apps/other-${count}/domains/`, { token: other, body: { domain } })
    await theirs('shop.example.com')
    await theirs('*.wide.example')
    assert.equal(await addDomain('shop.example.com'), taken)
    assert.equal(await addDomain('SHOP.example.com'), 'The domain SHOP.example.com is already in use by another app')
    for (const domain of [
      '*.example.com',
      'www.wide.example',
      `other-${count}`,
      `other-${count}.apps.example.net`,
      'drycc',
      'deis',
      'drycc-builder',
      'drycc.apps.example.net',
      'apps.example.net',
      '*.apps.example.net',
    ])
      assert.equal(await addDomain(domain), taken, domain)
    const answers = await Promise.all([
      post('/domains/', { domain: 'race.example' }),
      theirs('race.example'),
      post('/domains/', { domain: 'RACE.example' }),
    ])
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 400, 400])
  })

  test('keeps what others wrote on the Service, and removes what it no longer means', async () => {
    await bed.api.patch(RESOURCES.services, app, app, {
      type: 'merge',
      body: {
        metadata: {
          annotations: { 'router.drycc.cc/connectTimeout': '5', 'example.com/x': 'y', 'router.drycc.cc/whitelist': 'stale' },
          labels: { team: 'a' },
        },
      },
    })
    await post('/settings/', { maintenance: true })
    const { metadata } = await bed.api.get(RESOURCES.services, app, app)
    assert.deepEqual(metadata.annotations, {
      'router.drycc.cc/connectTimeout': '5',
      'example.com/x': 'y',
      'router.drycc.cc/domains': app,
      'router.drycc.cc/ssl.enforce': 'False',
      'router.drycc.cc/maintenance': 'true',
    })
    assert.equal(metadata.labels?.['team'], 'a')
  })

  test('turns settings on and off, refuses what changes nothing', async () => {
    const defaults = (await get('/settings/')).body
    assert.deepEqual(
      [defaults.maintenance, defaults.routable, defaults.whitelist, defaults.autoscale, defaults.label],
      [false, true, [], {}, {}],
    )
    const routable = async () => (await bed.api.get(RESOURCES.services, app, app)).metadata.labels?.['router.drycc.cc/routable']
    assert.equal((await post('/settings/', { routable: false })).body.routable, false)
    assert.equal(await routable(), 'false')
    assert.equal((await post('/settings/', { routable: true })).status, 201)
    assert.equal(await routable(), 'true')
    const same = await post('/settings/', { routable: true })
    assert.deepEqual([same.status, same.body], [409, { detail: 'admin changed nothing' }])
    assert.equal((await post('/settings/', { maintenance: 'perhaps' })).status, 400)
    assert.deepEqual((await post('/settings/', { label: { team: 'a', size: 3 } })).body.label, { team: 'a', size: '3' })
    assert.deepEqual((await post('/settings/', { label: { not_exist: null } })).body, { detail: 'not_exist does not exist under label' })
  })

  test('enforces TLS', async () => {
    assert.equal((await get('/tls/')).body.https_enforced, null)
    const { status, body } = await post('/tls/', { https_enforced: true })
    assert.deepEqual([status, body.https_enforced], [201, true])
    assert.equal(await annotation('ssl.enforce'), 'True')
    assert.deepEqual((await post('/tls/', { https_enforced: true })).body, { detail: 'admin changed nothing' })
    assert.equal((await post('/tls/', { https_enforced: 'maybe' })).status, 400)
    assert.equal((await post('/tls/', { https_enforced: false })).status, 201)
    assert.equal(await annotation('ssl.enforce'), 'False')
  })

  test('adds to and takes from the whitelist, DELETE with a body', async () => {
    const { status, body } = await post('/whitelist/', { addresses: ['1.2.3.4', '10.1.2.3/8', '2001:db8::/32'] })
    assert.deepEqual([status, body], [201, { addresses: ['1.2.3.4', '10.1.2.3/8', '2001:db8::/32'] }])
    assert.equal(await annotation('whitelist'), '1.2.3.4,10.1.2.3/8,2001:db8::/32')
    assert.equal((await post('/whitelist/', { addresses: ['1.2.3.4'] })).status, 409)
    for (const bad of ['1.2.3', '1.2.3.4/33', 'fe80::1%eth0', 'x', '', '1.2.3.4,5.6.7.8'])
      assert.equal((await post('/whitelist/', { addresses: [bad] })).status, 400, bad)
    const unknown = await remove('/whitelist/', { addresses: ['9.9.9.9'] })
    assert.deepEqual([unknown.status, unknown.body], [422, { detail: 'addresses {9.9.9.9} does not exist in whitelist' }])
    assert.equal((await remove('/whitelist/', { addresses: ['1.2.3.4', '10.1.2.3/8', '2001:db8::/32'] })).status, 204)
    assert.equal(await annotation('whitelist'), undefined)
  })

  test('attaches a certificate: a copy beside the app, and its name to the router; detaching takes both away', async () => {
    await addDomain(`www.foo-${count}.com`)
    const name = `cert-${count}`
    const created = await bed.call('POST', '/v2/certs/', { token, body: { name, certificate, key } })
    assert.equal(created.status, 201)
    assert.deepEqual([created.body.common_name, created.body.san, created.body.domains], ['www.foo.com', ['www.foo.com', '*.foo.com'], []])
    assert.match(created.body.fingerprint, /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/)
    assert.equal('key' in created.body || 'certificate' in created.body, false)
    assert.ok(Number.isInteger(created.body.id))
    const attach = (body: unknown) => bed.call('POST', `/v2/certs/${name}/domain/`, { token, body })
    assert.deepEqual((await attach({})).body, { detail: 'domain is a required field' })
    assert.equal((await attach({ domain: 'nothing.example' })).text, '"No Domain matches the given query."')
    const attached = await attach({ domain: `www.foo-${count}.com` })
    assert.deepEqual([attached.status, attached.text], [201, ''])
    assert.deepEqual((await attach({ domain: `www.foo-${count}.com` })).body, { detail: 'Domain already has a certificate attached to it' })
    assert.equal(await annotation('certificates'), `www.foo-${count}.com:${name}`)
    const secret = await bed.api.get(RESOURCES.secrets, app, `${name}-cert`)
    assert.equal(secret.type, 'kubernetes.io/tls')
    assert.equal(Buffer.from(secret.data!['tls.crt']!, 'base64').toString().trim(), certificate.trim())
    assert.deepEqual((await bed.call('GET', `/v2/certs/${name}`, { token })).body.domains, [`www.foo-${count}.com`])
    assert.equal((await bed.call('DELETE', `/v2/certs/${name}/domain/www.foo-${count}.com`, { token })).status, 204)
    assert.equal(await annotation('certificates'), undefined)
    assert.equal(await find(bed.api, RESOURCES.secrets, app, `${name}-cert`), undefined)
    await attach({ domain: `www.foo-${count}.com` })
    assert.equal((await bed.call('DELETE', `/v2/certs/${name}`, { token })).status, 204)
    assert.equal(await annotation('certificates'), undefined)
    assert.equal(await find(bed.api, RESOURCES.secrets, app, `${name}-cert`), undefined)
  })

  test('refuses certificates that cannot be read, do not belong to their key, or have a taken name', async () => {
    const post = (body: object) => bed.call('POST', '/v2/certs/', { token, body })
    const swapped = await post({ name: 'swapped', certificate: key, key: certificate })
    assert.equal(swapped.status, 400)
    assert.match(swapped.body.certificate[0], /^Could not load certificate: /)
    assert.match((await post({ name: 'x', certificate, key: 'nonsense' })).body.key[0], /^Could not load private key: /)
    const foreign = selfSigned({ names: ['x.example'], days: 1 })
    assert.match((await post({ name: 'x', certificate, key: foreign.key })).body.key[0], /not the key of the certificate$/)
    assert.deepEqual((await post({ name: 'No_Name', certificate, key })).body, {
      name: ['Can only contain a-z (lowercase), 0-9 and hyphens'],
    })
    assert.deepEqual((await post({ name: 'x' })).body, { certificate: ['This field is required.'] })
    await bed.call('POST', '/v2/certs/', { token: other, body: { name: 'theirs', certificate, key } })
    assert.equal((await post({ name: 'theirs', certificate, key })).status, 400)
  })

  test('hides the certificates of others, superusers included, and guards the domains of others', async () => {
    const name = `hidden-${count}`
    await bed.call('POST', '/v2/certs/', { token: other, body: { name, certificate, key } })
    assert.equal((await bed.call('GET', `/v2/certs/${name}`, { token })).text, '"No Certificate matches the given query."')
    assert.equal((await bed.call('DELETE', `/v2/certs/${name}`, { token })).status, 404)
    await addDomain(`guarded-${count}.example`)
    const attach = await bed.call('POST', `/v2/certs/${name}/domain/`, { token: other, body: { domain: `guarded-${count}.example` } })
    assert.equal(attach.text, '"No Domain matches the given query."')
  })

  test('pages its lists as clients expect', async () => {
    for (const domain of ['a.page.example', 'b.page.example', 'c.page.example']) await addDomain(domain)
    const list = async (query: string) => (await get(`/domains/${query}`)).body
    const first = await list('?limit=2')
    assert.equal(first.count, 4)
    assert.deepEqual(
      first.results.map(({ domain }: { domain: string }) => domain),
      ['a.page.example', app].sort(),
    )
    assert.equal(first.previous, null)
    const next = new URL(first.next)
    assert.deepEqual([next.searchParams.get('limit'), next.searchParams.get('offset')], ['2', '2'])
    const second = await list(next.search)
    assert.deepEqual([second.results.length, second.next], [2, null])
    assert.equal(new URL(second.previous).searchParams.has('offset'), false)
    for (const query of ['', '?limit=0', '?limit=-1', '?limit=x', '?limit=999999999', '?offset=-4'])
      assert.equal((await list(query)).results.length, 4, query)
    assert.deepEqual((await list('?offset=100')).results, [])
  })
})
