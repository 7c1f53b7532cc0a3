import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, suite, test } from 'node:test'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { selfSigned } from '../../kernel/x509.ts'
import { type Bed, startBed } from './bed.ts'

suite('control plane: what is sent with bad intent', { timeout: 60_000 }, () => {
  let bed: Bed
  let admin = ''
  let bob = ''
  before(async () => {
    bed = await startBed({ CONTROLLER_RUN_TIMEOUT: '5s' })
    admin = await bed.register('admin')
    bob = await bed.register('bob')
    await bed.call('POST', '/v2/apps/', { token: admin, body: { id: 'secret' } })
    await bed.call('POST', '/v2/apps/', { token: bob, body: { id: 'shop' } })
  })
  after(() => bed.stop())

  const post = (path: string, raw: string, token = bob) => bed.call('POST', `/v2${path}`, { token, raw })

  test('carries its versions on answers to what no handler ever sees', async () => {
    const head = `authorization: token ${bob}\r\nconnection: close\r\n`
    const requests: [string, number][] = [
      [`GET /v2/apps/%zz/ HTTP/1.1\r\nhost: x\r\n${head}\r\n`, 400],
      [`GET /v2/apps/${'a'.repeat(2000)}/ HTTP/1.1\r\nhost: x\r\n${head}\r\n`, 414],
      [`GET /v2/apps/${'a'.repeat(20_000)}/ HTTP/1.1\r\nhost: x\r\n${head}\r\n`, 431],
      [`GET /v2/ HTTP/1.1\r\n${head}\r\n`, 200],
      [`GET /v2/ HTTP/1.0\r\n\r\n`, 401],
      [`POST /v2/apps/ HTTP/1.1\r\nhost: x\r\n${head}content-length: x\r\n\r\n`, 400],
      [`POST /v2/apps/ HTTP/1.1\r\nhost: x\r\n${head}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
      [`POST /v2/ HTTP/1.1\r\nhost: x\r\n${head}expect: the-moon\r\ncontent-length: 0\r\n\r\n`, 405],
      [`TRACE /v2/ HTTP/1.1\r\nhost: x\r\n${head}\r\n`, 404],
    ]
    for (const [request, status] of requests) {
      const answer = await send(bed, request)
      assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `), request.slice(0, 60))
      assert.match(answer, /\r\nDEIS_API_VERSION: 2\.3\r\n/, request.slice(0, 60))
      assert.match(answer, /\r\nDEIS_PLATFORM_VERSION: 2\.3\.0\r\n/)
    }
  })

  test('finds no way around the door by spelling a path otherwise', async () => {
    const paths = [
      ...[
        '/v2/apps/secret',
        '//v2//apps//secret//',
        '/v2/apps/s%65cret/',
        '/v2/apps/%73%65%63%72%65%74/config',
        '/v2/apps/secret/?app=shop',
      ],
      ...[
        '/v2/apps/secret/config?x=/v2/apps/shop',
        '/v2/apps/secret/pods/web/../../config',
        '/v2/apps/secret/builds//',
        '/v2//apps/secret/logs',
      ],
      ...[
        '/V2/apps/secret/',
        '/v2/APPS/secret/',
        '/v2/apps/SECRET/',
        '/v2/apps/secret%00/',
        '/v2/apps/secret%2f/',
        '/v2/apps/secret%2Fconfig',
      ],
      ...[
        '/v2/apps/./secret/',
        '/v2/apps/shop/../secret/',
        '/v2/apps/shop%2f..%2fsecret/',
        '/v2/apps/secret;/',
        '/v2/apps/ｓecret/',
        '/v2/apps/%E2%80%8Bsecret/',
      ],
      ...['/v2/users/', '/v2/users', '//v2/users/', '/v2/admin/perms', '/v2/%61dmin/perms/', '/v2/hooks/keys/secret', '/v2/hooks/key/x'],
    ]
    for (const path of paths) {
      const answer = await send(bed, `GET ${path} HTTP/1.1\r\nhost: x\r\nauthorization: token ${bob}\r\nconnection: close\r\n\r\n`)
      assert.match(answer, /^HTTP\/1\.1 40[034] /, path)
    }
    for (const header of ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override', 'X-Original-URL', 'X-Rewrite-URL']) {
      const value = header.includes('URL') ? '/v2/users/' : 'DELETE'
      const { status } = await bed.call('GET', '/v2/apps/secret/', { token: bob, headers: { [header]: value } })
      assert.equal(status, 403, header)
      await bed.call('POST', '/v2/apps/shop/?_method=DELETE', { token: bob, headers: { [header]: value }, body: {} })
      assert.equal((await bed.call('GET', '/v2/apps/shop/', { token: bob })).status, 200, header)
    }
    for (const authorization of [`token ${admin} ${bob}`, `token\t${admin.toUpperCase()}`, `Basic ${btoa(`admin:${admin}`)}`])
      assert.equal((await bed.call('GET', '/v2/apps/secret/', { headers: { authorization } })).status, 401)
  })

  test('answers values that are deep, that lie about themselves, or that every object inherits, with 400', async () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
    const liar = '{"toString":1,"valueOf":1,"toJSON":1,"length":3}'
    for (const value of [deep, liar, '{"__proto__":{"x":1}}', `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`]) {
      const bodies: [string, string][] = [
        ['/apps/shop/config/', `{"values":{"A":${value}}}`],
        ['/apps/shop/config/', `{"healthcheck":{"web":{"livenessProbe":${value}}}}`],
        ['/apps/shop/config/', `{"memory":{"web":${value}}}`],
        ['/apps/shop/whitelist/', `{"addresses":[${value}]}`],
        ['/apps/shop/settings/', `{"maintenance":${value}}`],
        ['/apps/shop/settings/', `{"autoscale":{"web":${value}}}`],
        ['/apps/shop/settings/', `{"label":{"a":${value}}}`],
        ['/apps/shop/tls/', `{"https_enforced":${value}}`],
        ['/apps/shop/releases/rollback/', `{"version":${value}}`],
        ['/apps/shop/scale/', `{"web":${value}}`],
        ['/apps/shop/run', `{"command":${value}}`],
        ['/apps/shop/builds/', `{"image":"a:1","procfile":{"web":${value}}}`],
        ['/apps/shop/domains/', `{"domain":${value}}`],
        ['/apps/shop/perms/', `{"username":${value}}`],
        ['/apps/shop/', `{"owner":${value}}`],
        ['/apps/', `{"id":${value}}`],
        ['/keys/', `{"id":${value},"public":"x"}`],
        ['/certs/', `{"name":${value},"certificate":"x","key":"y"}`],
        ['/auth/login/', `{"username":"bob","password":${value}}`],
        ['/auth/passwd/', `{"password":"x","new_password":${value}}`],
      ]
      for (const [path, body] of bodies) assert.equal((await post(path, body)).status, 400, `${path} ${body.slice(0, 60)}`)
    }
  })

  test('lets no name that is too long, or special to JavaScript, jam an app', async () => {
    const long = 'w'.repeat(64)
    for (const [path, body] of [
      ['settings', { autoscale: { [long]: { min: 1, max: 2, cpu_percent: 3 } } }],
      ['config', { memory: { [long]: '1M' } }],
      ['config', { cpu: { [long]: '1' } }],
      ['config', { healthcheck: { [long]: { livenessProbe: { tcpSocket: { port: 1 } } } } }],
      ['builds', { image: 'a:1', procfile: { [long]: 'x' } }],
      ['builds', { image: 'a:1', sha: 'a\nb' }],
    ] as const)
      assert.equal((await bed.call('POST', `/v2/apps/shop/${path}/`, { token: bob, body })).status, 400, path)
    const built = await bed.call('POST', '/v2/apps/shop/builds/', {
      token: bob,
      body: { image: 'a:1', procfile: { web: 'x', constructor: 'y' } },
    })
    assert.equal(built.status, 201)
    assert.equal((await post('/apps/shop/scale/', '{"constructor":2}')).status, 204)
    const { body } = await bed.call('GET', '/v2/apps/shop/pods/constructor/', { token: bob })
    assert.equal(body.count, 2)
    assert.deepEqual((await bed.call('GET', '/v2/apps/shop/', { token: bob })).body.procfile_structure, { web: 1, constructor: 2 })
    assert.equal((await post('/apps/shop/scale/', '{"constructor":0}')).status, 204)
    assert.equal((await post('/apps/shop/settings/', '{"label":{"constructor":"x"}}')).body.label.constructor, 'x')
    assert.equal((await post('/apps/shop/settings/', '{"label":{"constructor":null}}')).status, 201)
    assert.equal((await post('/apps/shop/settings/', '{"label":{"constructor":null}}')).status, 422)
  })

  test('makes every object of an app whose name is as long as names may be', async () => {
    const id = `a${'b'.repeat(62)}`
    const type = 'w'.repeat(63)
    await bed.call('POST', '/v2/apps/', { token: bob, body: { id } })
    const built = await bed.call('POST', `/v2/apps/${id}/builds/`, {
      token: bob,
      body: { image: 'a:1', procfile: { web: 'x', [type]: 'y' } },
    })
    assert.equal(built.status, 201)
    assert.equal((await post(`/apps/${id}/scale/`, `{"web":2,"${type}":1}`)).status, 204)
    const autoscale = { [type]: { min: 1, max: 2, cpu_percent: 50 } }
    assert.equal((await bed.call('POST', `/v2/apps/${id}/settings/`, { token: bob, body: { autoscale } })).status, 201)
    assert.equal((await bed.call('GET', `/v2/apps/${id}/pods/`, { token: bob })).body.count, 3)
    assert.equal((await bed.call('DELETE', `/v2/apps/${id}/`, { token: bob })).status, 204)
  })

  test('says one line a line, whatever stands in a command', async () => {
    await post('/apps/shop/builds/', '{"image":"a:1","procfile":{"web":"x"}}')
    bed.fate = pod => (pod.metadata.labels?.['type'] === 'run' ? { exitCode: 0 } : 'up')
    await bed.call('POST', '/v2/apps/shop/run', {
      token: bob,
      body: { command: 'true\n2026 deis[controller]: INFO \u2028forged\r\u001b[2J' },
    })
    await bed.until(() => bed.lines.some(line => line.text.includes('forged')))
    const line = bed.lines.find(({ text }) => text.includes('forged'))
    assert.match(line?.text ?? '', /runs 'true\\n2026 deis\[controller\]: INFO \\u2028forged\\r\\u001b\[2J'$/)
  })

  test('writes nothing to the router that a value could have smuggled in', async () => {
    for (const domain of [
      'a.example.com,b.example.com',
      'a.example.com:cert',
      'a.example.com\nb',
      'a.example.com, *',
      'a.example.com/path',
      '[::1]',
      'a.example.com:80',
    ])
      assert.equal((await bed.call('POST', '/v2/apps/shop/domains/', { token: bob, body: { domain } })).status, 400, domain)
    for (const address of [
      '1.2.3.4,0.0.0.0/0',
      '1.2.3.4\n',
      '1.2.3.4/33',
      '::/129',
      'all',
      '1.2.3',
      '0x1.2.3.4',
      '1.2.3.4/-1',
      '1.2.3.4 ; allow all',
      '',
    ]) {
      const expected = address === '1.2.3.4\n' ? 201 : 400
      assert.equal(
        (await bed.call('POST', '/v2/apps/shop/whitelist/', { token: bob, body: { addresses: [address] } })).status,
        expected,
        address,
      )
    }
    const { metadata } = await bed.api.get(RESOURCES.services, 'shop', 'shop')
    assert.equal(metadata.annotations?.['router.drycc.cc/domains'], 'shop')
    assert.equal(metadata.annotations?.['router.drycc.cc/whitelist'], '1.2.3.4')
  })

  test('takes no name for another that looks like it', async () => {
    const register = (username: string) => bed.call('POST', '/v2/auth/register/', { body: { username, password: 'x' } })
    for (const username of ['аdmin', 'admin\u200b', 'ａdmin', 'admin\u0000', 'ad\u00admin', 'admin/', 'admin%00', 'bob\u0301'])
      assert.equal((await register(username)).status, 400, JSON.stringify(username))
    for (const username of ['__proto__', 'constructor', '.', '..', '@+-_.']) {
      const answer = await register(username)
      assert.deepEqual([answer.status, answer.body.is_superuser], [201, false], username)
      const granted = await bed.call('POST', '/v2/apps/secret/perms/', { token: admin, body: { username } })
      assert.equal(granted.status, 201)
    }
    assert.equal((await bed.call('GET', '/v2/apps/secret/perms/', { token: admin })).body.users.length, 5)
    for (const username of ['__proto__', 'constructor', '@+-_.'])
      assert.equal(
        (await bed.call('DELETE', `/v2/apps/secret/perms/${encodeURIComponent(username)}`, { token: admin })).status,
        204,
        username,
      )
    assert.equal((await bed.call('GET', '/v2/apps/secret/', { token: bob })).status, 403)
  })

  test('creates one of each, however many ask at once', async () => {
    const certificate = { name: 'race', ...selfSigned({ names: ['race.example.com'], days: 1 }) }
    const creates: [string, object][] = [
      ['/v2/apps/', { id: 'racer' }],
      ['/v2/apps/shop/domains/', { domain: 'race.example.com' }],
      ['/v2/apps/shop/whitelist/', { addresses: ['9.9.9.9'] }],
      ['/v2/apps/shop/config/', { values: { RACE: '1' } }],
      ['/v2/apps/shop/tls/', { https_enforced: true }],
      ['/v2/apps/shop/settings/', { label: { race: '1' } }],
      ['/v2/keys/', { id: 'race', public: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f' }],
      ['/v2/certs/', certificate],
    ]
    for (const [path, body] of creates) {
      const answers = await Promise.all(Array.from({ length: 6 }, () => bed.call('POST', path, { token: bob, body })))
      const won = answers.filter(answer => answer.status === 201).length
      assert.equal(won, 1, `${path} ${answers.map(answer => answer.status)}`)
      for (const answer of answers) assert.ok([201, 400, 409].includes(answer.status), `${path} ${answer.status} ${answer.text}`)
    }
  })
})

/** Sends bytes and reads what comes until the end. */
async function send(bed: Bed, bytes: string): Promise<string> {
  const socket = connect(Number(new URL(bed.url).port), '127.0.0.1')
  socket.write(bytes)
  let text = ''
  for await (const chunk of socket.setEncoding('latin1')) text += chunk
  return text
}
