import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createSecureContext, type TLSSocket, type TlsOptions } from 'node:tls'
import { selfSigned } from '../../kernel/x509.ts'
import { ok, RawClient, startApp, startBed, startHttpApp, until } from '../../router/serve/testbed.ts'
import { addressMatcher } from '../../router/table/route.ts'

const certificates = new Map(['a.test', 'b.test', 'platform.test'].map(name => [name, selfSigned({ names: [name], days: 1 })]))
const TLS: TlsOptions = {
  cert: certificates.get('platform.test')!.certificate,
  key: certificates.get('platform.test')!.key,
  SNICallback: (name, done) => {
    const pair = certificates.get(name)
    done(null, pair && createSecureContext({ cert: pair.certificate, key: pair.key }))
  },
}

suite('A host that looks like an app’s', () => {
  test('is nobody’s: prefixes, suffixes, other separators, addresses, encodings', async () => {
    await using app = await startHttpApp(() => ok('fine'))
    await using bed = await startBed({ apps: { 'app.test': app } })
    for (const host of [
      'xapp.test',
      'app.test.evil.test',
      'appXtest',
      'app_test',
      'app.tes',
      'www.app.test',
      '127.0.0.1',
      '[::1]',
      'localhost',
      'xn--pp-0ia.test',
      'app.test..',
      'app.test:80:80',
      'app%2etest',
      'ap\xaap.test',
    ]) {
      const answer = await bed.exchange(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
      assert.match(answer, /^HTTP\/1\.1 (?:404|400) /, host)
    }
    assert.deepEqual(app.received, [])
    for (const host of ['APP.test', 'app.test:8080', 'app.test.', 'App.Test.:1'])
      assert.match(await bed.exchange(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`), /fine$/, host)
    for (const seen of app.received) assert.match(seen, /\r\nHost: app\.test\r\n/)
  })
})

suite('A connection that TLS opened by the name of app A', () => {
  test('reaches app B by its Host only under B’s own rules', async () => {
    await using a = await startHttpApp(() => ok('of a'))
    await using b = await startHttpApp(() => ok('of b'))
    await using bed = await startBed({
      apps: { 'a.test': a, 'b.test': b },
      policies: { 'b.test': { allow: addressMatcher(['192.0.2.0/24']) } },
      tls: TLS,
    })
    const client = RawClient.tls(bed.httpsPort, { servername: 'a.test' })
    client.send('GET / HTTP/1.1\r\nHost: a.test\r\n\r\nGET / HTTP/1.1\r\nHost: b.test\r\n\r\n')
    client.send('GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n')
    await client.ended
    assert.deepEqual(client.text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 403', 'HTTP/1.1 200'])
    assert.deepEqual(b.received, [])
  })

  test('resumed by the name of app B, is served by Host alone: a session carries no right', async () => {
    await using a = await startHttpApp(() => ok('of a'))
    await using b = await startHttpApp(() => ok('of b'))
    await using bed = await startBed({
      apps: { 'a.test': a, 'b.test': b },
      policies: { 'b.test': { allow: addressMatcher(['192.0.2.0/24']) } },
      tls: TLS,
    })
    const first = RawClient.tls(bed.httpsPort, { servername: 'a.test' })
    let session: Buffer | undefined
    first.socket.on('session', (ticket: Buffer) => {
      session = ticket
    })
    first.send('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n')
    await first.until('of a')
    await until(() => session !== undefined)
    first.destroy()
    const second = RawClient.tls(bed.httpsPort, { servername: 'b.test', session } as never)
    second.send('GET / HTTP/1.1\r\nHost: b.test\r\n\r\nGET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n')
    await second.ended
    assert.deepEqual(second.text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 403', 'HTTP/1.1 200'])
  })

  test('for a name without a certificate shows the platform’s, never a tenant’s, and no tenant’s content', async () => {
    await using a = await startHttpApp(() => ok('of a'))
    await using bed = await startBed({ apps: { 'a.test': a }, tls: TLS })
    const client = RawClient.tls(bed.httpsPort, { servername: 'c.test' })
    client.send('GET / HTTP/1.1\r\nHost: c.test\r\nConnection: close\r\n\r\n')
    await client.ended
    assert.match(client.text, /^HTTP\/1\.1 404 /)
    assert.equal((client.socket as TLSSocket).getPeerCertificate().subjectaltname, 'DNS:platform.test')
    assert.deepEqual(a.received, [])
  })
})

suite('A whitelist', () => {
  const allow = addressMatcher(['192.0.2.7/32', '2001:db8::/32'])
  const ask = async (fields: string, trusted: readonly string[]) => {
    await using app = await startHttpApp(() => ok('let in'))
    await using bed = await startBed({ apps: { 'a.test': app }, policy: { allow }, settings: { trusted: addressMatcher(trusted) } })
    const answer = await bed.exchange(`GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n${fields}\r\n`)
    assert.equal(answer.includes('let in'), app.received.length > 0)
    return answer.includes('let in')
  }
  const SPOOFS = [
    'X-Forwarded-For: 192.0.2.7',
    'X_Forwarded_For: 192.0.2.7',
    'X-Real-IP: 192.0.2.7',
    'Forwarded: for=192.0.2.7',
    'Client-IP: 192.0.2.7',
  ]
  for (const field of SPOOFS) {
    test(`does not believe a stranger’s ${field}`, async () => assert.equal(await ask(`${field}\r\n`, ['10.0.0.0/8']), false))
  }
  for (const [words, isLetIn] of [
    ['192.0.2.7', true],
    ['::ffff:192.0.2.7', true],
    ['::FFFF:c000:207', true],
    ['2001:DB8::9', true],
    ['192.0.2.7, 203.0.113.1', false],
    ['203.0.113.1, 192.0.2.7', true],
    ['192.0.2.7, junk', false],
    ['192.0.2.07', false],
    ['0300.0.2.7', false],
    ['192.0.519', false],
    ['3221225991', false],
    ['192.0.2.7%0', false],
    ['', false],
    [',192.0.2.7,', false],
  ] as const) {
    test(`${isLetIn ? 'lets in' : 'keeps out'} who comes by a trusted proxy as ${JSON.stringify(words)}`, async () =>
      assert.equal(await ask(`X-Forwarded-For: ${words}\r\n`, ['127.0.0.0/8']), isLetIn))
  }
  for (const [line, isLetIn] of [
    ['PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2', true],
    ['PROXY TCP6 2001:db8:0:0::1 ::1 1 2', true],
    ['PROXY TCP4 203.0.113.9 127.0.0.1 1 2', false],
  ] as const) {
    test(`${isLetIn ? 'lets in' : 'keeps out'} ${line}, whatever X-Forwarded-For adds`, async () => {
      await using app = await startHttpApp(() => ok('let in'))
      const settings = { proxyProtocol: true, trusted: addressMatcher(['127.0.0.0/8']) }
      await using bed = await startBed({ apps: { 'a.test': app }, policy: { allow }, settings })
      const spoof = isLetIn ? '203.0.113.9' : '192.0.2.7'
      const answer = await bed.exchange(
        `${line}\r\nGET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nX-Forwarded-For: ${spoof}\r\n\r\n`,
      )
      assert.equal(answer.includes('let in'), isLetIn, answer)
    })
  }
})

suite('An app that is out to hurt its neighbours', () => {
  test('cannot answer a neighbour’s client by speaking first, twice, or too much', async () => {
    const evil = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison'
    await using bad = await startApp(socket => {
      socket.write(evil)
      socket.on('data', () => socket.write(evil + evil + evil))
    })
    await using good = await startHttpApp(() => ok('good'))
    await using bed = await startBed({ apps: { 'bad.test': bad, 'good.test': good } })
    for (let round = 0; round < 20; round++) {
      const requests = ['bad', 'good', 'bad', 'good'].map(name => `GET / HTTP/1.1\r\nHost: ${name}.test\r\n\r\n`).join('')
      const client = bed.send(`${requests}GET / HTTP/1.1\r\nHost: good.test\r\nConnection: close\r\n\r\n`)
      await client.ended
      const answers = client.text.split(/(?=HTTP\/1\.1 \d)/)
      assert.equal(answers.length, 5, client.text)
      for (const place of [1, 3, 4]) assert.match(answers[place]!, /^HTTP\/1\.1 200 .*\r\n\r\ngood$/s)
    }
  })
})
