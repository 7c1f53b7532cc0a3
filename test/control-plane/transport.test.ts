import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, suite, test } from 'node:test'
import { type Bed, startBed } from './bed.ts'

suite('control plane: transport', { timeout: 60_000 }, () => {
  let bed: Bed
  let token = ''
  before(async () => {
    bed = await startBed()
    token = await bed.register('admin')
    await bed.call('POST', '/v2/apps/', { token, body: { id: 'shop' } })
  })
  after(() => bed.stop())

  test('tells its versions on every answer, whatever its status', async () => {
    const answers = [
      await bed.call('GET', '/v2/'),
      await bed.call('GET', '/v2/', { token }),
      await bed.call('GET', '/nowhere'),
      await bed.call('GET', '/v2/apps/nothing/', { token }),
      await bed.call('PUT', '/v2/apps/', { token }),
      await bed.call('POST', '/v2/auth/login/', { raw: '{' }),
      await bed.call('GET', '/healthz'),
      await bed.call('OPTIONS', '/v2/apps/'),
    ]
    assert.deepEqual(
      answers.map(({ status }) => status),
      [401, 200, 404, 404, 405, 400, 200, 204],
    )
    for (const { headers } of answers)
      for (const family of ['DEIS', 'DRYCC']) {
        assert.equal(headers.get(`${family}_API_VERSION`), '2.3')
        assert.equal(headers.get(`${family}_PLATFORM_VERSION`), '2.3.0')
        assert.equal(headers.get('access-control-allow-origin'), '*')
      }
  })

  test('is known as a platform by its 401, also behind two slashes, and never redirects', async () => {
    for (const path of ['/v2/', '//v2/', '/v2', '/v2//apps/', '//v2//auth//whoami'])
      assert.equal((await bed.call('GET', path)).status, 401, path)
    for (const path of ['/v2/apps/shop', '/v2/apps/shop/', '//v2/apps//shop/'])
      assert.equal((await bed.call('GET', path, { token })).body.id, 'shop', path)
    assert.deepEqual((await bed.call('GET', '/v2/', { token })).body, {})
  })

  test('takes an empty body that says it is JSON, on every method', async () => {
    const headers = { 'content-type': 'application/json' }
    assert.equal((await bed.call('POST', '/v2/apps/shop/pods/restart/', { token, headers })).status, 200)
    assert.equal((await bed.call('POST', '/v2/apps/shop/releases/rollback/', { token, headers })).status, 400)
    assert.equal((await bed.call('GET', '/v2/apps/shop/', { token, headers })).status, 200)
    assert.equal((await bed.call('DELETE', '/v2/apps/shop/domains/nothing.example', { token, headers })).status, 404)
  })

  test('refuses bodies that are no JSON object, too large, or of another kind', async () => {
    const post = (raw: string, headers: Record<string, string> = {}) => bed.call('POST', '/v2/apps/', { token, raw, headers })
    for (const raw of [
      '{',
      '[]',
      '"x"',
      'null',
      '1e400',
      'NaN',
      '\ufeff{}',
      `${'['.repeat(100_000)}`,
      `{"id":${'['.repeat(50_000)}${']'.repeat(50_000)}}`,
    ]) {
      const { status, body } = await post(raw)
      assert.equal(status, 400, raw.slice(0, 20))
      assert.equal(typeof body, 'object')
    }
    assert.equal((await post(`{"id":"${'x'.repeat(5_000_000)}"}`)).status, 413)
    assert.equal((await post('<x/>', { 'content-type': 'text/xml' })).status, 415)
    assert.equal((await post('{"id":"a"}', { 'content-type': 'application/json', 'content-encoding': 'gzip' })).status, 201)
    assert.equal((await post('id=formed', { 'content-type': 'application/x-www-form-urlencoded' })).body.id, 'formed')
  })

  test('refuses values of the wrong type without falling over', async () => {
    const config = (body: unknown) => bed.call('POST', '/v2/apps/shop/config/', { token, body })
    const odd: unknown[] = [
      [],
      5,
      true,
      'x',
      { A: {} },
      { A: [] },
      { 'A B': 'x' },
      { 'PATH=x': 'y' },
      { '': 'x' },
      { A: 'x\0y' },
      { 123: 'x' },
      { 'FOO-BAR': 'x' },
    ]
    for (const values of odd) assert.equal((await config({ values })).status, 400, JSON.stringify(values))
    assert.equal((await bed.call('POST', '/v2/apps/shop/config/', { token, raw: '{"values":{"__proto__":{"x":"y"}}}' })).status, 400)
    assert.equal((await bed.call('POST', '/v2/apps/shop/config/', { token, raw: '{"values":{"__proto__":"y"}}' })).status, 400)
    assert.equal(({} as { x?: string }).x, undefined)
    assert.equal((await config({ values: { constructor: 'fine', toString: 'too' } })).status, 201)
    assert.deepEqual((await bed.call('GET', '/v2/apps/shop/config/', { token })).body.values, { constructor: 'fine', toString: 'too' })
    assert.deepEqual((await config({ values: { hasOwnProperty: null } })).status, 422)
    assert.equal((await config({ values: '{"FROM_TEXT": "1"}' })).body.values.FROM_TEXT, '1')
    for (const healthcheck of [
      { web: 5 },
      { web: { livenessProbe: { exec: { command: [] } } } },
      { web: { x: {} } },
      { 'A B': {} },
      { web: { livenessProbe: { httpGet: { port: 'x' } } } },
    ])
      assert.equal((await config({ healthcheck })).status, 400, JSON.stringify(healthcheck))
    for (const raw of [
      '{"image":{}}',
      '{"image":""}',
      '{"image":"a b"}',
      '{"image":"a","procfile":[]}',
      '{"image":"a","procfile":{"web":""}}',
      '{"image":"a","procfile":{"web":null}}',
      `{"image":"a","sha":"${'a'.repeat(41)}"}`,
      '{}',
    ])
      assert.equal((await bed.call('POST', '/v2/apps/shop/builds/', { token, raw })).status, 400, raw)
  })

  test('answers unknown methods with 405, known to nobody or not', async () => {
    const answer = await bed.call('PATCH', '/v2/apps/shop/', { token })
    assert.deepEqual([answer.status, answer.body], [405, { detail: 'Method "PATCH" not allowed.' }])
    assert.equal((await bed.call('DELETE', '/v2/apps/shop/config/', { token })).status, 405)
    assert.equal((await bed.call('POST', '/healthz')).status, 405)
    assert.equal((await bed.call('HEAD', '/healthz')).status, 200)
    assert.equal((await bed.call('GET', '/readiness')).text, 'OK')
    // No header makes another method of a POST.
    assert.equal(
      (await bed.call('POST', '/v2/apps/shop/', { token, headers: { 'X-HTTP-Method-Override': 'DELETE' }, body: {} })).status,
      400,
    )
    assert.match(
      await raw(bed, 'PROPFIND /v2/apps/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'),
      /^HTTP\/1\.1 40[45] .*DEIS_API_VERSION: 2\.3/s,
    )
  })

  test('answers bytes that are no HTTP with 400, its versions on it', async () => {
    assert.match(await raw(bed, 'NONSENSE\r\n\r\n'), /^HTTP\/1\.1 400 .*DEIS_API_VERSION: 2\.3/s)
    assert.match(
      await raw(bed, `GET /v2/apps/%zz/ HTTP/1.1\r\nhost: x\r\nauthorization: token ${token}\r\nconnection: close\r\n\r\n`),
      /^HTTP\/1\.1 400 /,
    )
  })

  test('passes the log on, and says nothing, or that it cannot, as clients expect', async () => {
    await bed.until(() => bed.lines.some(line => line.text === 'domain shop added'))
    const { status, text, headers } = await bed.call('GET', '/v2/apps/shop/logs?log_lines=5', { token })
    assert.equal(status, 200)
    assert.match(headers.get('content-type') ?? '', /^text\/plain/)
    assert.match(text, /deis\[controller\]: INFO domain shop added\n/)
    await bed.call('POST', '/v2/apps/', { token, body: { id: 'quiet' } })
    await bed.until(() => bed.lines.some(line => line.text === 'domain quiet added'))
    bed.lines.length = 0
    assert.equal((await bed.call('GET', '/v2/apps/quiet/logs', { token })).status, 204)
  })

  test('follows the log until it ends', async () => {
    bed.lines.push({ ts: new Date().toISOString(), app: 'shop', source: 'controller', level: 'INFO', text: 'first' })
    const response = await fetch(`${bed.url}/v2/apps/shop/logs?follow=true`, { headers: { authorization: `token ${token}` } })
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    assert.match((await reader.read()).value!, /first\n$/)
    bed.tail('second\n')
    assert.equal((await reader.read()).value, 'second\n')
    assert.equal((await reader.read()).done, true)
  })

  test('lets one user follow so many logs and no more, and those who leave make room', async () => {
    bed.lines.push({ ts: new Date().toISOString(), app: 'shop', source: 'controller', level: 'INFO', text: 'first' })
    const leave = new AbortController()
    const follow = () =>
      fetch(`${bed.url}/v2/apps/shop/logs?follow=true`, { headers: { authorization: `token ${token}` }, signal: leave.signal })
    for (let count = 0; count < 32; count++) assert.equal((await follow()).status, 200)
    assert.equal((await follow()).status, 429)
    leave.abort()
    await bed.until(async () => {
      const gone = new AbortController()
      const answer = await fetch(`${bed.url}/v2/apps/shop/logs?follow=true`, {
        headers: { authorization: `token ${token}` },
        signal: gone.signal,
      })
      gone.abort()
      return answer.status === 200
    })
  })

  test('says so when the logger is away', async () => {
    const lonely = await startBed({ CONTROLLER_LOGGER_URL: 'http://127.0.0.1:1' })
    try {
      const own = await lonely.register('admin')
      await lonely.call('POST', '/v2/apps/', { token: own, body: { id: 'shop' } })
      const { status, text } = await lonely.call('GET', '/v2/apps/shop/logs', { token: own })
      assert.deepEqual([status, text], [500, 'Error accessing logs for shop'])
    } finally {
      await lonely.stop()
    }
  })
})

/** Sends bytes and reads what comes until the end. */
async function raw(bed: Bed, bytes: string): Promise<string> {
  const socket = connect(Number(new URL(bed.url).port), '127.0.0.1')
  socket.end(bytes)
  let text = ''
  for await (const chunk of socket.setEncoding('latin1')) text += chunk
  return text
}
