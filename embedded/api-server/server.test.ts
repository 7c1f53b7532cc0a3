import assert from 'node:assert/strict'
import { once } from 'node:events'
import https from 'node:https'
import { createConnection } from 'node:net'
import { after, suite, test } from 'node:test'
import { connect } from 'node:tls'
import { issueCertificate } from '../../kernel/x509.ts'
import { startApiServer } from './server.ts'
import { TestClient, watchEvents } from './test-client.ts'

const server = await startApiServer({ watchMax: 20, watchBufferBytesMax: 256 * 1024, bookmarkMs: 50 })
const client = new TestClient(server)
after(async () => {
  client.close()
  await server.stop()
})

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps'
let count = 0
const newName = () => `x${count++}`
const configMap = (name: string, data: Record<string, string> = {}) => ({ metadata: { name }, data })

suite('credentials', () => {
  test('are asked for, in full', async () => {
    for (const authorization of [
      '',
      'Bearer ',
      'Bearer wrong',
      `Basic ${server.credentials.token}`,
      `Bearer ${server.credentials.token}x`,
    ]) {
      const { status, body } = await client.send('GET', '/api/v1/namespaces', undefined, { authorization })
      assert.deepEqual([status, body.reason], [401, 'Unauthorized'], authorization)
    }
  })
  test('are not asked for by health checks and the version', async () => {
    for (const path of ['/healthz', '/livez', '/readyz', '/version']) {
      assert.equal((await client.send('GET', path, undefined, { authorization: '' })).status, 200, path)
    }
  })
  test('may be a client certificate of the authority, and of no other', async () => {
    const ask = (pair: { certificate: string; key: string }) =>
      new Promise<number>((resolve, reject) => {
        const options = { ca: server.credentials.authority.certificate, cert: pair.certificate, key: pair.key, agent: false }
        https
          .get(`${server.url}/api/v1/namespaces`, options, answer => {
            answer.resume()
            resolve(answer.statusCode ?? 0)
          })
          .once('error', reject)
      })
    const options = { names: ['admin'], days: 1, commonName: 'admin', client: true }
    assert.equal(await ask(issueCertificate(server.credentials.authority, options)), 200)
    const { createAuthority } = await import('../../kernel/x509.ts')
    assert.equal(await ask(issueCertificate(createAuthority('other'), options)), 401)
  })
})

suite('bodies', () => {
  test('of more than 3 MiB: 413, told by their length or found while reading', async () => {
    const large = JSON.stringify(configMap('large', { a: 'x'.repeat(3 * 1024 * 1024) }))
    assert.equal((await client.send('POST', CONFIG_MAPS, large)).status, 413)
    const chunked = await client.send('POST', CONFIG_MAPS, large, { 'transfer-encoding': 'chunked' }).catch(error => error)
    // The server closes while the client still sends: the answer may be lost, the object must not be made.
    assert.ok(chunked.status === 413 || /ECONNRESET|EPIPE|hang up/.test(String(chunked)), String(chunked))
    assert.equal((await client.send('GET', `${CONFIG_MAPS}/large`)).status, 404)
  })
  test('of JSON that is broken, deep or no object: 400', async () => {
    for (const body of ['{', '[]', '1', '"x"', '{"metadata":[]}', '{"metadata":{"name":1}}', '{}}']) {
      const { status, text } = await client.send('POST', CONFIG_MAPS, body)
      assert.equal(status, 400, `${body}: ${text}`)
    }
    for (const deep of ['['.repeat(100_000) + ']'.repeat(100_000), `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`]) {
      assert.equal((await client.send('POST', CONFIG_MAPS, deep)).status, 400)
      assert.equal((await client.send('PATCH', `${CONFIG_MAPS}/any`, deep, { 'content-type': 'application/apply-patch+yaml' })).status, 422)
    }
  })
  test('of YAML with aliases that blow up: 400, at once', async () => {
    const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${[...'bcdefghi']
      .map((name, index) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[index]}`).join(',')}]`)
      .join('\n')}\n`
    const { status } = await client.send('POST', CONFIG_MAPS, bomb, { 'content-type': 'application/yaml' })
    assert.equal(status, 400)
  })
  test('of protobuf that is cut, empty or of wrong types: 400', async () => {
    const magic = Buffer.from('k8s\0', 'latin1')
    for (const rest of ['', '\x0a', '\x0a\xff\xff\xff\xff\x0f', '\x08\x01', '\x12\x03abc', '\x0a\x02\x08\x01', '\xff'.repeat(20)]) {
      const body = Buffer.concat([magic, Buffer.from(rest, 'latin1')])
      const { status, text } = await client.send('POST', CONFIG_MAPS, body, { 'content-type': 'application/vnd.kubernetes.protobuf' })
      assert.equal(status, 400, text)
    }
  })
  test('keep keys that JavaScript gives a meaning', async () => {
    const name = newName()
    const body = `{"metadata":{"name":"${name}"},"data":{"__proto__":"a","constructor":"b","toString":"c"}}`
    assert.equal((await client.send('POST', CONFIG_MAPS, body)).status, 201)
    const { text } = await client.send('GET', `${CONFIG_MAPS}/${name}`)
    assert.match(text, /"data":\{"__proto__":"a","constructor":"b","toString":"c"\}/)
    const merge = '{"data":{"__proto__":"z","hasOwnProperty":"d"}}'
    assert.equal(
      (await client.send('PATCH', `${CONFIG_MAPS}/${name}`, merge, { 'content-type': 'application/merge-patch+json' })).status,
      200,
    )
    assert.match((await client.send('GET', `${CONFIG_MAPS}/${name}`)).text, /"__proto__":"z"/)
    assert.equal(({} as Record<string, unknown>)['z'], undefined)
  })
  test('with unknown parts of a path or strange escapes do no harm', async () => {
    const paths = [
      '/api/v1/%',
      '/api/v1/namespaces/%2e%2e/configmaps/..%2f',
      '/apis///',
      '//',
      '/api/v1/namespaces/default/configmaps/a%00b',
      '/api/v1/__proto__',
      '/apis/constructor/v1/x',
    ]
    for (const path of paths) {
      const { status } = await client.send('GET', path)
      assert.ok(status >= 200 && status < 500, `${path}: ${status}`)
    }
  })
})

suite('clients that are slow on purpose', () => {
  test('are cut off, in the handshake, in the head and in the body; others are served', async () => {
    const strict = await startApiServer({ headersTimeoutMs: 200 })
    const ca = strict.credentials.authority.certificate
    const silent = createConnection({ port: strict.port, host: '127.0.0.1' })
    const inHead = connect({ port: strict.port, host: '127.0.0.1', ca })
    const inBody = connect({ port: strict.port, host: '127.0.0.1', ca })
    const closed = [silent, inHead, inBody].map(socket => {
      socket.on('error', () => {})
      socket.resume()
      return once(socket, 'close')
    })
    inHead.write('GET /healthz HTTP/1.1\r\nx: ')
    const token = `authorization: Bearer ${strict.credentials.token}`
    inBody.write(`POST ${CONFIG_MAPS} HTTP/1.1\r\nhost: x\r\n${token}\r\ncontent-length: 100\r\n\r\n{`)
    await Promise.all(closed)
    const other = new TestClient(strict)
    assert.equal((await other.send('GET', '/healthz')).status, 200)
    other.close()
    await strict.stop()
  })
})

suite('what is not supported', () => {
  test('says so with 501', async () => {
    const pod = { metadata: { name: 'p' }, spec: { containers: [{ name: 'c', image: 'i' }] } }
    await client.send('POST', '/api/v1/namespaces/default/pods', pod)
    for (const [method, path] of [
      ['POST', 'pods/p/exec'],
      ['POST', 'pods/p/attach'],
      ['POST', 'pods/p/portforward'],
      ['GET', 'pods/p/proxy'],
      ['PATCH', 'pods/p/ephemeralcontainers'],
      ['PATCH', 'pods/p/resize'],
      ['GET', 'services/s/proxy'],
      ['POST', 'serviceaccounts/s/token'],
    ] as const) {
      const { status, body } = await client.send(method, `/api/v1/namespaces/default/${path}`)
      assert.deepEqual([status, body.kind, body.status], [501, 'Status', 'Failure'], path)
      assert.match(body.message, /does not support/)
    }
  })
  test('refuses upgrades in words, with and without credentials', async () => {
    for (const [authorization, wanted] of [
      [`Bearer ${server.credentials.token}`, 501],
      ['Bearer wrong', 401],
    ] as const) {
      const socket = connect({ port: server.port, host: '127.0.0.1', ca: server.credentials.authority.certificate })
      await once(socket, 'secureConnect')
      socket.write(
        `GET /api/v1/namespaces/default/pods/p/exec?command=ls HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n`,
      )
      let text = ''
      for await (const piece of socket.setEncoding('utf8')) text += piece
      assert.match(text, new RegExp(`^HTTP/1.1 ${wanted} `))
    }
  })
})

suite('watches', () => {
  test('that are cut leave nothing behind', async () => {
    for (let index = 0; index < 60; index++) {
      const answer = await client.open('GET', `${CONFIG_MAPS}?watch=true`)
      answer.destroy()
    }
    // More were opened than may be open at once, so each must have been counted out again.
    const answer = await openWhenFree()
    assert.equal(answer.statusCode, 200)
    answer.destroy()
  })
  test('beyond the limit: 429', async () => {
    const open = []
    for (let index = 0; index < 20; index++) open.push(await openWhenFree())
    const { status, body, headers } = await client.send('GET', `${CONFIG_MAPS}?watch=true`)
    assert.deepEqual([status, body.reason, headers['retry-after']], [429, 'TooManyRequests', '1'])
    for (const answer of open) answer.destroy()
  })
  test('that are not read are cut off, and others go on', async () => {
    const slow = await openWhenFree()
    const fast = await openWhenFree()
    slow.pause()
    const closed = new Promise(resolve => slow.once('close', resolve))
    slow.on('error', () => {})
    const name = newName()
    await client.send('POST', CONFIG_MAPS, configMap(name))
    const events = watchEvents(fast)
    const filler = 'x'.repeat(500_000)
    let seen = 0
    for (let index = 0; !slow.destroyed && index < 100; index++) {
      const data = { filler, index: String(index) }
      await client.send('PATCH', `${CONFIG_MAPS}/${name}`, { data }, { 'content-type': 'application/merge-patch+json' })
      for (;;) {
        const { value } = await events.next()
        if (value.object.data?.index !== String(index)) continue
        seen++
        break
      }
    }
    slow.resume()
    await closed
    assert.ok(seen > 2)
    fast.destroy()
  })
  test('get bookmarks while nothing happens, and a last one when their time is over', async () => {
    const answer = await openWhenFree(`allowWatchBookmarks=true&timeoutSeconds=1&resourceVersion=${server.store.version}`)
    const types: string[] = []
    for await (const { type, object } of watchEvents(answer)) {
      types.push(type)
      assert.deepEqual(Object.keys(object.metadata), ['resourceVersion'])
    }
    assert.ok(types.length >= 3 && types.every(type => type === 'BOOKMARK'), types.join())
  })

  test('end while everything changes, without a word behind the end', async () => {
    const name = newName()
    await client.send('POST', CONFIG_MAPS, configMap(name))
    const watches = Array.from({ length: 10 }, () => openWhenFree('allowWatchBookmarks=true&timeoutSeconds=1'))
    let isOver = false
    const writing = (async () => {
      for (let index = 0; !isOver; index++) {
        await client.send(
          'PATCH',
          `${CONFIG_MAPS}/${name}`,
          { data: { index: String(index) } },
          { 'content-type': 'application/merge-patch+json' },
        )
      }
    })()
    for (const answer of await Promise.all(watches)) {
      let last = ''
      for await (const { type } of watchEvents(answer)) last = type
      assert.equal(last, 'BOOKMARK')
    }
    isOver = true
    await writing
  })

  /** The server learns of a watcher that has gone when its socket closes, which is a moment later. */
  async function openWhenFree(query = '') {
    for (;;) {
      const answer = await client.open('GET', `${CONFIG_MAPS}?watch=true&${query}`)
      if (answer.statusCode === 200) return answer
      answer.resume()
      await once(answer, 'close')
    }
  }
})

suite('writers at once', () => {
  test('on one object: every change is kept, and conflicts say so', async () => {
    const name = newName()
    await client.send('POST', CONFIG_MAPS, configMap(name, { count: '0' }))
    let conflicts = 0
    const add = async () => {
      for (;;) {
        const { body } = await client.send('GET', `${CONFIG_MAPS}/${name}`)
        body.data.count = String(Number(body.data.count) + 1)
        const { status } = await client.send('PUT', `${CONFIG_MAPS}/${name}`, body)
        if (status === 200) return
        assert.equal(status, 409)
        conflicts++
      }
    }
    await Promise.all(Array.from({ length: 20 }, add))
    assert.equal((await client.send('GET', `${CONFIG_MAPS}/${name}`)).body.data.count, '20')
    assert.ok(conflicts > 0)
  })
  test('of one name: one wins', async () => {
    const name = newName()
    const answers = await Promise.all(Array.from({ length: 20 }, () => client.send('POST', CONFIG_MAPS, configMap(name))))
    const statuses = answers.map(({ status }) => status).sort()
    assert.deepEqual(statuses, [201, ...Array(19).fill(409)])
  })
  test('of Services get addresses and node ports of their own', async () => {
    const answers = await Promise.all(
      Array.from({ length: 30 }, () =>
        client.send('POST', '/api/v1/namespaces/default/services', {
          metadata: { name: `s${count++}` },
          spec: { type: 'NodePort', ports: [{ port: 80 }] },
        }),
      ),
    )
    assert.equal(new Set(answers.map(({ body }) => body.spec.clusterIP)).size, 30)
    assert.equal(new Set(answers.map(({ body }) => body.spec.ports[0].nodePort)).size, 30)
  })
})
