import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, suite, test } from 'node:test'
import { selfSigned } from '../../kernel/x509.ts'
import { type Bed, BUILDER_KEY, startBed } from './bed.ts'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/

interface Answered {
  readonly status: number
  readonly head: string
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: a test that asks for the wrong thing fails all the same
  readonly body: any
}

/** What the first command line sends, byte for byte, and the answers as its SDK decodes them: absent, null and wrong types break it. */
suite('control plane: the wire as the first command line knows it', { timeout: 60_000 }, () => {
  let bed: Bed
  let token = ''
  before(async () => {
    bed = await startBed({ CONTROLLER_RUN_TIMEOUT: '5s' })
    bed.fate = pod => (pod.metadata.labels?.['type'] === 'run' ? { exitCode: 3 } : 'up')
    bed.logOf = () => 'Grüße, 世界\n'
  })
  after(() => bed.stop())

  /** One request with the headers of Go's client; a body of none is announced as JSON all the same. */
  async function go(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answered> {
    const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body)
    const lines = [
      `${method} ${path} HTTP/1.1`,
      'Host: deis.localhost',
      'User-Agent: Deis Client v2.18.0',
      'Connection: close',
      ...(text || method === 'POST' ? [`Content-Length: ${Buffer.byteLength(text)}`] : []),
      ...(token ? [`Authorization: token ${token}`] : []),
      ...Object.entries({ 'Content-Type': 'application/json', 'Accept-Encoding': 'gzip', ...headers }).map(
        ([name, value]) => `${name}: ${value}`,
      ),
    ]
    const socket = connect(Number(new URL(bed.url).port), '127.0.0.1')
    socket.write(`${lines.join('\r\n')}\r\n\r\n${text}`)
    let answer = ''
    for await (const chunk of socket.setEncoding('utf8')) answer += chunk
    const [head = '', ...rest] = answer.split('\r\n\r\n')
    const payload = /transfer-encoding: chunked/i.test(head) ? dechunk(rest.join('\r\n\r\n')) : rest.join('\r\n\r\n')
    assert.match(head, /\r\nDEIS_API_VERSION: 2\.3\r\n/, path)
    assert.match(head, /\r\nDEIS_PLATFORM_VERSION: 2\.3\.0\r\n/, path)
    assert.match(head, /\r\nconnection: close/i, path)
    let parsed: unknown
    try {
      parsed = JSON.parse(payload)
    } catch {
      parsed = undefined
    }
    return { status: Number(head.slice(9, 12)), head, text: payload, body: parsed }
  }

  async function expect(status: number, method: string, path: string, body?: unknown): Promise<Answered['body']> {
    const answer = await go(method, path, body)
    assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`)
    return answer.body ?? answer.text
  }

  test('finds the controller, registers, logs in and asks who it is', async () => {
    for (const path of ['/v2/', '//v2/', '/v2']) {
      const answer = await go('GET', path)
      assert.equal(answer.status, 401)
      assert.match(answer.head, /\r\nwww-authenticate: token\r\n/i)
    }
    const account = { username: 'admin', password: 'admin', email: 'admin@example.com' }
    const user = await expect(201, 'POST', '/v2/auth/register/', account)
    assert.deepEqual(shape(user), USER)
    assert.deepEqual([user.is_superuser, user.is_staff, user.is_active], [true, true, true])
    const login = await expect(200, 'POST', '/v2/auth/login/', { username: 'admin', password: 'admin' })
    assert.match(login.token, /^[0-9a-f]{40}$/)
    token = login.token
    assert.deepEqual(await expect(200, 'GET', '/v2/'), {})
    assert.deepEqual(shape(await expect(200, 'GET', '/v2/auth/whoami/')), USER)
    assert.deepEqual(shape((await expect(200, 'GET', '/v2/users/?limit=100')).results[0]), USER)
    const renewed = await expect(200, 'POST', '/v2/auth/tokens/')
    assert.equal((await go('GET', '/v2/auth/whoami/')).status, 401)
    token = renewed.token
    await expect(201, 'POST', '/v2/auth/register/', { username: 'bob', password: 'bob', email: 'bob@example.com' })
  })

  test('creates an app and reads what its info page needs', async () => {
    const invented = await expect(201, 'POST', '/v2/apps/')
    assert.deepEqual(shape(invented), APP)
    await expect(204, 'DELETE', `/v2/apps/${invented.id}/`)
    const app = await expect(201, 'POST', '/v2/apps/', { id: 'shop' })
    assert.deepEqual([app.id, app.owner, app.structure, app.procfile_structure], ['shop', 'admin', {}, {}])
    assert.deepEqual(shape(await expect(200, 'GET', '/v2/apps/shop/')), APP)
    const { results, ...envelope } = await expect(200, 'GET', '/v2/apps/shop/domains/?limit=1')
    assert.deepEqual(envelope, { count: 1, next: null, previous: null })
    assert.deepEqual(shape(results[0]), { owner: 'string', created: 'time', updated: 'time', app: 'string', domain: 'string' })
    assert.deepEqual(await expect(200, 'GET', '/v2/apps/shop/pods/'), { results: [], count: 0 })
    assert.deepEqual(shape(await expect(200, 'GET', '/v2/apps/shop/settings/')), SETTINGS)
    const settings = await expect(200, 'GET', '/v2/apps/shop/settings/')
    assert.deepEqual(
      [settings.maintenance, settings.routable, settings.whitelist, settings.autoscale, settings.label],
      [false, true, [], {}, {}],
    )
    // Those of newer clients are more.
    const { certs_auto_enabled, certs_on_demand, on_demand_ask, issuer, events, certificates, ...tls } = await expect(
      200,
      'GET',
      '/v2/apps/shop/tls/',
    )
    assert.deepEqual([certs_on_demand, on_demand_ask], [false, ''])
    assert.deepEqual([certs_auto_enabled, issuer, events], [null, { email: '', server: '', key_id: '', key_secret: '' }, []])
    assert.equal(certificates[0].domain, 'shop')
    assert.deepEqual(shape(tls), { uuid: 'uuid', app: 'string', owner: 'string', created: 'time', updated: 'time', https_enforced: 'null' })
    const again = await go('POST', '/v2/apps/', { id: 'shop' })
    assert.deepEqual([again.status, again.body], [400, { id: ['Application with this id already exists.'] }])
    for (const path of [
      '',
      'config/',
      'domains/',
      'builds/',
      'releases/',
      'pods/',
      'settings/',
      'tls/',
      'perms/',
      'whitelist/',
      'logs',
      'services/',
    ]) {
      const answer = await go('GET', `/v2/apps/nothere/${path}`)
      assert.deepEqual([answer.status, answer.text], [404, '"No App matches the given query."'], path)
    }
  })

  test('deploys an image, shows builds and releases', async () => {
    assert.deepEqual(await expect(400, 'POST', '/v2/apps/shop/scale/', { cmd: 1 }), { detail: 'No build associated with this release' })
    assert.deepEqual(await expect(400, 'POST', '/v2/apps/shop/run', { command: 'ls' }), {
      detail: 'No build associated with this release to run this command',
    })
    assert.deepEqual(await expect(200, 'POST', '/v2/apps/shop/pods/restart/'), [])
    const build = await expect(201, 'POST', '/v2/apps/shop/builds/', { image: 'drycc/example:1' })
    assert.deepEqual(shape(build), BUILD)
    assert.deepEqual([build.sha, build.procfile, build.dockerfile], ['', {}, ''])
    assert.deepEqual(shape(await expect(200, 'GET', `/v2/apps/shop/builds/${build.uuid}/`)), BUILD)
    assert.equal(
      await expect(404, 'GET', '/v2/apps/shop/builds/00000000-0000-4000-8000-000000000000/'),
      'No Build matches the given query.',
    )
    const { results } = await expect(200, 'GET', '/v2/apps/shop/releases/?limit=100')
    assert.deepEqual(
      results.map((release: { summary: string }) => release.summary),
      ['admin deployed drycc/example:1', 'admin created initial release'],
    )
    assert.deepEqual(shape(results[0]), { ...RELEASE, build: 'uuid' })
    assert.deepEqual(shape(await expect(200, 'GET', '/v2/apps/shop/releases/v1/')), RELEASE)
    for (const version of ['v99', 'v0', '1', 'vx', 'v1e0'])
      assert.equal(await expect(404, 'GET', `/v2/apps/shop/releases/${version}/`), 'No Release matches the given query.')
    const pods = await expect(200, 'GET', '/v2/apps/shop/pods/')
    assert.deepEqual(shape(pods.results[0]), { name: 'string', type: 'string', release: 'string', state: 'string', started: 'time' })
    assert.deepEqual([pods.count, pods.results[0].type, pods.results[0].state, pods.results[0].release], [1, 'cmd', 'up', 'v2'])
  })

  test('sets and unsets config: every value a string, every map there', async () => {
    const config = (body: unknown, status = 201) => expect(status, 'POST', '/v2/apps/shop/config/', body)
    assert.deepEqual(shape(await expect(200, 'GET', '/v2/apps/shop/config/')), CONFIG)
    const set = await config({ values: { FOO: 1, BAR: true, LINES: 'a\nb', CJK: '世界' } })
    assert.deepEqual(shape(set), CONFIG)
    assert.deepEqual(set.values, { FOO: '1', BAR: 'true', LINES: 'a\nb', CJK: '世界' })
    assert.deepEqual(await config({ values: { FOO: '1' } }, 409), { detail: 'admin changed nothing - release stopped' })
    assert.deepEqual(await config({ values: { NOT: null } }, 422), { detail: 'NOT does not exist under values' })
    assert.deepEqual(await config({ values: { 'FOO-BAR': '1' } }, 400), {
      values: ['Config keys must start with a letter or underscore and only contain [A-z0-9_]'],
    })
    assert.deepEqual(await config({ values: { PORT: 'x' } }, 400), { values: ['PORT can only be a numeric value'] })
    assert.deepEqual(await config({ values: { PORT: '70000' } }, 400), { values: ['PORT needs to be between 1 and 65535'] })
    assert.equal((await config({ values: { BAR: null } })).values.BAR, undefined)
    assert.deepEqual((await config({ memory: '{"cmd": "64M"}' })).memory, { cmd: '64M' })
    assert.deepEqual((await config({ cpu: { cmd: 0.5 } })).cpu, { cmd: '0.5' })
    const memory = 'Memory limit format: <number><unit> or <number><unit>/<number><unit>, where unit = B, K, M or G'
    for (const value of ['64', 'M', '64T', '1.5G', '64M/', '-1M'])
      assert.deepEqual(await config({ memory: { cmd: value } }, 400), { memory: [memory] })
    const cpu = 'CPU limit format: <value> or <value>/<value>, where value must be a numeric'
    for (const value of ['m', '.', '20MK', '1/', '1k']) assert.deepEqual(await config({ cpu: { cmd: value } }, 400), { cpu: [cpu] })
    assert.deepEqual((await config({ memory: { cmd: null } })).memory, {})
    assert.deepEqual(await config({ memory: { cmd: null } }, 422), { detail: 'cmd does not exist under memory' })
    assert.deepEqual(await config({ tags: { rack: 'moon' } }, 400), { detail: 'No nodes matched the provided labels: rack=moon' })
    assert.deepEqual((await config({ tags: { disk: 'ssd' } })).tags, { disk: 'ssd' })
    assert.deepEqual(await config({ tags: { rack: 'moon' } }, 400), {
      detail: 'No nodes matched the provided labels: disk=ssd, rack=moon - Addition of rack=moon is the cause',
    })
    const port = { registry: ['PORT needs to be set in the config when using a private registry'] }
    assert.deepEqual(await config({ registry: { username: 'a' } }, 400), port)
    assert.deepEqual(await config({ registry: { bogus: null } }, 422), { detail: 'bogus does not exist under registry' })
    assert.deepEqual((await config({ values: { PORT: 8080 }, registry: { USERNAME: 'a', password: 'b' } })).registry, {
      username: 'a',
      password: 'b',
    })
    const summary = (await expect(200, 'GET', '/v2/apps/shop/releases/?limit=1')).results[0].summary
    assert.equal(summary, 'admin added PORT and admin added registry info username, password')
  })

  test('keeps probes by type and turns those of the first API into them', async () => {
    const config = (body: unknown, status = 201) => expect(status, 'POST', '/v2/apps/shop/config/', body)
    const probe = { initialDelaySeconds: 50, timeoutSeconds: 50, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 }
    const flat = await config({ healthcheck: { livenessProbe: { ...probe, httpGet: { path: '/', port: 1500 } } } })
    assert.deepEqual(flat.healthcheck, { 'web/cmd': { livenessProbe: { ...probe, httpGet: { path: '/', port: 1500 } } } })
    const summary = async () => (await expect(200, 'GET', '/v2/apps/shop/releases/?limit=1')).results[0].summary
    assert.equal(await summary(), 'admin added healthcheck info for proc type web/cmd')
    assert.deepEqual(await config({ healthcheck: { 'web/cmd': { readinessProbe: null } } }, 422), {
      detail: 'readinessProbe does not exist under healthcheck',
    })
    assert.deepEqual((await config({ healthcheck: { 'web/cmd': { livenessProbe: null } } })).healthcheck, {})
    assert.deepEqual(await config({ healthcheck: { web: null } }, 422), { detail: 'web does not exist under healthcheck' })
    const legacy = await config({ values: { HEALTHCHECK_URL: '/ok', HEALTHCHECK_TIMEOUT: '5' } })
    assert.equal(
      Object.keys(legacy.values).some(key => key.startsWith('HEALTHCHECK')),
      false,
    )
    assert.deepEqual(Object.keys(legacy.healthcheck['web/cmd']), ['livenessProbe', 'readinessProbe'])
    assert.deepEqual(legacy.healthcheck['web/cmd'].readinessProbe.httpGet, { path: '/ok', port: 8080 })
    await config({ values: { HEALTHCHECK_URL: 'http://x/' } }, 400)
    await config({ values: { HEALTHCHECK_TIMEOUT: 'x' } }, 400)
  })

  test('scales, restarts and runs', async () => {
    assert.equal((await go('POST', '/v2/apps/shop/scale/', { cmd: 3 })).text, '')
    const listed = await expect(200, 'GET', '/v2/apps/shop/pods/?limit=1')
    assert.equal(listed.count, 3)
    const { name } = listed.results[0]
    const old = name.split('-').at(-2)
    const restarted = await expect(200, 'POST', `/v2/apps/shop/pods/${old}/${name}/restart/`)
    assert.equal(Array.isArray(restarted), true)
    assert.equal((await expect(200, 'GET', '/v2/apps/shop/pods/cmd/')).count, 3)
    assert.deepEqual(await expect(200, 'POST', '/v2/apps/shop/pods/nothing/restart/'), [])
    assert.deepEqual(await expect(404, 'POST', '/v2/apps/shop/scale/', { nope: 1 }), {
      detail: 'Container type nope does not exist in application',
    })
    for (const count of ['x', 1.5, null, [], {}]) {
      const { detail } = await expect(400, 'POST', '/v2/apps/shop/scale/', { cmd: count })
      assert.match(detail, /^Invalid scaling format: /)
    }
    assert.match((await expect(400, 'POST', '/v2/apps/shop/scale/', { cmd: -1 })).detail, /Must be greater than or equal to zero$/)
    await expect(204, 'POST', '/v2/apps/shop/scale/', { cmd: 0 })
    assert.equal((await expect(200, 'GET', '/v2/apps/shop/pods/')).count, 0)
    await expect(204, 'POST', '/v2/apps/shop/scale/', { cmd: '1' })
    assert.deepEqual(await expect(200, 'POST', '/v2/apps/shop/run', { command: 'ls -alh' }), { exit_code: 3, output: 'Grüße, 世界\n' })
    for (const body of [undefined, {}, { command: '' }, { command: null }])
      assert.deepEqual(await expect(400, 'POST', '/v2/apps/shop/run', body), { detail: 'command is a required field' })
  })

  test('rolls back to what was before', async () => {
    const current = (await expect(200, 'GET', '/v2/apps/shop/releases/?limit=1')).results[0].version
    assert.deepEqual(await expect(201, 'POST', '/v2/apps/shop/releases/rollback/'), { version: current + 1 })
    assert.deepEqual(await expect(201, 'POST', '/v2/apps/shop/releases/rollback/', { version: 2 }), { version: current + 2 })
    assert.deepEqual(await expect(400, 'POST', '/v2/apps/shop/releases/rollback/', { version: 1 }), {
      detail: 'Cannot roll back to initial release.',
    })
    assert.deepEqual(await expect(400, 'POST', '/v2/apps/shop/releases/rollback/', { version: -1 }), {
      detail: 'version cannot be below 0',
    })
    assert.deepEqual((await expect(200, 'GET', '/v2/apps/shop/config/')).values, {})
  })

  test('keeps domains, certificates and how an app is served', async () => {
    await expect(201, 'POST', '/v2/apps/shop/domains/', { domain: '*.Foo.com.' })
    assert.equal(await expect(404, 'DELETE', '/v2/apps/shop/domains/%2A.bar.com'), 'No Domain matches the given query.')
    assert.equal(await expect(404, 'DELETE', '/v2/apps/shop/domains/a_b'), 'No Domain matches the given query.')
    assert.equal((await go('DELETE', '/v2/apps/shop/domains/%2A.foo.com')).status, 204)
    await expect(201, 'POST', '/v2/apps/shop/domains/', { domain: 'www.foo.com' })
    const { certificate, key } = selfSigned({ names: ['foo.com', 'www.foo.com'], days: 30 })
    const cert = await expect(201, 'POST', '/v2/certs/', { name: 'foo', certificate, key })
    assert.deepEqual(shape(cert), CERTIFICATE)
    assert.deepEqual([cert.common_name, cert.san, cert.domains, cert.subject], ['foo.com', ['foo.com', 'www.foo.com'], [], '/CN=foo.com'])
    assert.match(cert.fingerprint, /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/)
    assert.match(
      (await expect(400, 'POST', '/v2/certs/', { name: 'x', certificate: key, key: certificate })).certificate[0],
      /^Could not load certificate/,
    )
    assert.equal((await go('POST', '/v2/certs/foo/domain/', { domain: 'www.foo.com' })).text, '')
    assert.deepEqual(await expect(409, 'POST', '/v2/certs/foo/domain/', { domain: 'www.foo.com' }), {
      detail: 'Domain already has a certificate attached to it',
    })
    assert.deepEqual(await expect(400, 'POST', '/v2/certs/foo/domain/', {}), { detail: 'domain is a required field' })
    assert.equal(await expect(404, 'POST', '/v2/certs/nope/domain/', { domain: 'nope' }), 'No Certificate matches the given query.')
    assert.equal(await expect(404, 'POST', '/v2/certs/foo/domain/', { domain: 'nope' }), 'No Domain matches the given query.')
    assert.deepEqual((await expect(200, 'GET', '/v2/certs/foo')).domains, ['www.foo.com'])
    await expect(204, 'DELETE', '/v2/certs/foo/domain/www.foo.com')
    await expect(204, 'DELETE', '/v2/certs/foo')
    const tls = await expect(201, 'POST', '/v2/apps/shop/tls/', { https_enforced: true })
    assert.equal(tls.https_enforced, true)
    assert.deepEqual(await expect(409, 'POST', '/v2/apps/shop/tls/', { https_enforced: true }), { detail: 'admin changed nothing' })
    await expect(400, 'POST', '/v2/apps/shop/tls/', { https_enforced: 'maybe' })
    assert.deepEqual(shape(await expect(201, 'POST', '/v2/apps/shop/settings/', { maintenance: true })), SETTINGS)
    assert.deepEqual(await expect(409, 'POST', '/v2/apps/shop/settings/', { routable: true }), { detail: 'admin changed nothing' })
    assert.deepEqual(await expect(422, 'POST', '/v2/apps/shop/settings/', { label: { not_exist: null } }), {
      detail: 'not_exist does not exist under label',
    })
    assert.deepEqual(await expect(422, 'POST', '/v2/apps/shop/settings/', { autoscale: { web: null } }), {
      detail: 'web does not exist under autoscale',
    })
    for (const bounds of [
      { min: 0, max: 1, cpu_percent: 1 },
      { min: 2, max: 1, cpu_percent: 1 },
      { min: 1, max: 2 },
    ])
      await expect(400, 'POST', '/v2/apps/shop/settings/', { autoscale: { cmd: bounds } })
    assert.deepEqual(await expect(201, 'POST', '/v2/apps/shop/whitelist/', { addresses: ['1.2.3.4'] }), { addresses: ['1.2.3.4'] })
    assert.deepEqual(await expect(201, 'POST', '/v2/apps/shop/whitelist/', { addresses: ['1.2.3.4', '0.0.0.0/0'] }), {
      addresses: ['1.2.3.4', '0.0.0.0/0'],
    })
    await expect(409, 'POST', '/v2/apps/shop/whitelist/', { addresses: ['1.2.3.4'] })
    assert.deepEqual(await expect(422, 'DELETE', '/v2/apps/shop/whitelist/', { addresses: ['9.9.9.9'] }), {
      detail: 'addresses {9.9.9.9} does not exist in whitelist',
    })
    await expect(204, 'DELETE', '/v2/apps/shop/whitelist/', { addresses: ['0.0.0.0/0'] })
    assert.deepEqual(await expect(200, 'GET', '/v2/apps/shop/whitelist/'), { addresses: ['1.2.3.4'] })
  })

  test('shares apps, keeps keys, and answers the builder', async () => {
    assert.equal((await go('POST', '/v2/apps/shop/perms/', { username: 'bob' })).text, '')
    assert.deepEqual(await expect(200, 'GET', '/v2/apps/shop/perms/'), { users: ['bob'] })
    assert.equal(await expect(404, 'POST', '/v2/apps/shop/perms/', { username: 'nobody' }), 'No User matches the given query.')
    const text = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f admin@my host'
    const key = await expect(201, 'POST', '/v2/keys/', { id: 'admin@my host', public: `${text}\n` })
    assert.deepEqual(shape(key), {
      uuid: 'uuid',
      owner: 'string',
      id: 'string',
      public: 'string',
      fingerprint: 'string',
      created: 'time',
      updated: 'time',
    })
    assert.equal((await expect(200, 'GET', '/v2/keys/admin@my%20host')).public, text)
    const hook = (method: string, path: string, body?: unknown) =>
      go(method, `/v2/hooks${path}`, body, { 'X-Deis-Builder-Auth': BUILDER_KEY })
    assert.deepEqual((await hook('GET', `/key/${key.fingerprint}`)).body, { username: 'admin', apps: ['shop'] })
    const unknown = await hook('GET', '/key/00:11')
    assert.deepEqual([unknown.status, unknown.body], [404, { detail: 'No Keys match the given query.' }])
    assert.deepEqual((await hook('GET', '/keys/shop')).body, { admin: [{ key: text, fingerprint: key.fingerprint }] })
    assert.deepEqual(shape((await hook('POST', '/config/', { receive_user: 'admin', receive_repo: 'shop' })).body), CONFIG)
    const build = {
      receive_user: 'admin',
      receive_repo: 'shop',
      image: 'shop:git-1',
      sha: '12345678',
      procfile: { web: 'x' },
      dockerfile: 'true',
    }
    const built = await hook('POST', '/build/', build)
    assert.equal(typeof built.body.release.version, 'number')
    const { results } = await expect(200, 'GET', '/v2/apps/shop/releases/?limit=1')
    assert.equal(results[0].summary, 'admin deployed 1234567')
    assert.equal((await go('GET', '/v2/hooks/keys/shop')).status, 403)
    await expect(204, 'DELETE', '/v2/keys/admin%40my%20host')
    assert.equal(await expect(404, 'DELETE', '/v2/keys/admin%40my%20host'), 'No Key matches the given query.')
    await expect(204, 'DELETE', '/v2/apps/shop/perms/bob')
  })

  test('pages lists, with any limit', async () => {
    for (const id of ['one', 'two', 'three']) await expect(201, 'POST', '/v2/apps/', { id })
    const ids = (page: { results: { id: string }[] }) => page.results.map(({ id }) => id)
    for (const limit of ['0', '-1', 'x', '', '99999999']) {
      const page = await expect(200, 'GET', `/v2/apps/?limit=${limit}`)
      assert.deepEqual([ids(page), page.count, page.next, page.previous], [['one', 'shop', 'three', 'two'], 4, null, null])
    }
    const first = await expect(200, 'GET', '/v2/apps/?limit=2')
    assert.deepEqual([ids(first), first.count, first.previous], [['one', 'shop'], 4, null])
    assert.equal(first.next, 'http://deis.localhost/v2/apps/?limit=2&offset=2')
    const second = await expect(200, 'GET', '/v2/apps/?limit=2&offset=2')
    assert.deepEqual([ids(second), second.next, second.previous], [['three', 'two'], null, 'http://deis.localhost/v2/apps/?limit=2'])
    const beyond = await expect(200, 'GET', '/v2/apps/?limit=2&offset=50')
    assert.deepEqual([beyond.results, beyond.count, beyond.next], [[], 4, null])
  })

  test('reads forms of both kinds', async () => {
    const sent = (type: string, body: string) => go('POST', '/v2/apps/', body, { 'Content-Type': type })
    assert.equal((await sent('application/x-www-form-urlencoded', 'id=form-a')).body.id, 'form-a')
    const part = (name: string, value: string) => `--xyz\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
    assert.equal((await sent('multipart/form-data; boundary=xyz', `${part('id', 'form-b')}--xyz--\r\n`)).body.id, 'form-b')
    const values = await go('POST', '/v2/apps/form-b/config/', `${part('values', '{"A": "1"}')}--xyz--\r\n`, {
      'Content-Type': 'multipart/form-data; boundary=xyz',
    })
    assert.deepEqual(values.body.values, { A: '1' })
    for (const broken of ['', 'xyz', '--xyz\r\n', part('id', 'x')])
      assert.ok([201, 400].includes((await sent('multipart/form-data; boundary=xyz', broken)).status), broken)
    assert.equal((await sent('multipart/form-data', 'x')).status, 400)
    assert.equal((await sent('application/json; charset=utf-8', '{"id":"form-c"}')).body.id, 'form-c')
  })
})

const ROW = { uuid: 'uuid', owner: 'string', app: 'string', created: 'time', updated: 'time' }
const APP = {
  uuid: 'uuid',
  id: 'string',
  owner: 'string',
  structure: 'object',
  procfile_structure: 'object',
  created: 'time',
  updated: 'time',
}
const BUILD = { ...ROW, image: 'string', sha: 'string', procfile: 'object', dockerfile: 'string' }
const RELEASE = { ...ROW, version: 'number', summary: 'string', failed: 'boolean', exception: 'null', config: 'uuid', build: 'null' }
const SETTINGS = { ...ROW, maintenance: 'boolean', routable: 'boolean', whitelist: 'array', autoscale: 'object', label: 'object' }
const CONFIG = {
  ...ROW,
  ...{ values: 'object', memory: 'object', cpu: 'object', tags: 'object', registry: 'object', healthcheck: 'object' },
  ...{ termination_grace_period: 'object', lifecycle_post_start: 'object', lifecycle_pre_stop: 'object' },
}
const USER = {
  ...{ email: 'string', username: 'string', first_name: 'string', last_name: 'string', is_superuser: 'boolean', is_staff: 'boolean' },
  ...{ groups: 'array', user_permissions: 'array', last_login: 'time', date_joined: 'time', is_active: 'boolean' },
}
const CERTIFICATE = {
  ...{ id: 'number', owner: 'string', name: 'string', common_name: 'string', san: 'array', domains: 'array', fingerprint: 'string' },
  ...{ expires: 'time', starts: 'time', issuer: 'string', subject: 'string', created: 'time', updated: 'time' },
}

/** The keys of an object, and of what kind each value is. */
function shape(object: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, kindOf(value)]))
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value !== 'string') return typeof value
  return UUID.test(value) ? 'uuid' : TIME.test(value) ? 'time' : 'string'
}

function dechunk(text: string): string {
  let [rest, whole] = [Buffer.from(text), '']
  for (;;) {
    const end = rest.indexOf('\r\n')
    const length = Number.parseInt(rest.toString('latin1', 0, end), 16)
    if (!length) return whole
    whole += rest.toString('utf8', end + 2, end + 2 + length)
    rest = rest.subarray(end + 2 + length + 2)
  }
}
