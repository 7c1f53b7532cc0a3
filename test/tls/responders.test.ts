import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { Responders } from '../../router/ocsp/responders.ts'
import { readResponse } from '../../router/ocsp/response.ts'
import { readSubject } from '../../router/ocsp/subject.ts'
import { ocspResponse } from './ocsp.ts'
import { authority, issue } from './pki.ts'
import { type Behaviour, type Responder, startResponder } from './responder.ts'

const issuer = authority('Test Issuer')

suite('Responders', () => {
  let server: Responder
  const responders = new Responders(['127.0.0.0/8'])
  const hasty = new Responders(['127.0.0.0/8'], { waitMs: 200 })
  before(async () => {
    server = await startResponder(() => undefined)
  })
  after(async () => {
    await responders.close()
    await hasty.close()
    await server.stop()
  })

  const question = (url: string) => readSubject(issue(issuer, ['shop.test'], { ocsp: url }).certificate + issuer.certificate)!.question!
  const ask = async (behaviour: Behaviour, url = server.url, isPost = false, signal = new AbortController().signal, by = responders) => {
    server.behave(behaviour)
    return by.ask(question(url), signal, isPost)
  }
  const good: Behaviour = serial => ocspResponse(issuer, { serial })

  test('ask by GET as RFC 5019 wants it, so that caches can answer, or by POST where that was no good', async () => {
    await ask(good)
    const [request] = server.heads.slice(-1)
    assert.equal(request!.method, 'GET')
    assert.equal(request!.headers['content-length'], undefined)
    await ask(good, server.url, true)
    assert.equal(server.heads.at(-1)!.method, 'POST')
  })

  test('ask by POST where the URL would be long, or has a query', async () => {
    for (const url of [`${server.url}/${'long'.repeat(50)}`, `${server.url}?tenant=1`]) {
      const asked = question(url)
      server.behave(good)
      const bytes = await responders.ask(asked, new AbortController().signal, false)
      assert.equal(readResponse(bytes, asked, Date.now()).status, 'good')
      const [request] = server.heads.slice(-1)
      assert.equal(request!.method, 'POST')
      assert.equal(request!.headers['content-type'], 'application/ocsp-request')
    }
  })

  for (const [name, behaviour, message] of [
    ['says nothing', () => undefined, /does not answer in time/],
    ['stops in the midst of its answer', (_, response) => void response.writeHead(200, { 'content-length': '100' }).write('x'), /in time/],
    [
      'sends a byte now and then',
      (_, response) => {
        const timer = setInterval(() => response.write('x'), 20)
        response.once('close', () => clearInterval(timer))
        return undefined
      },
      /in time/,
    ],
    ['sends without end', (_, response) => void response.writeHead(200).write(Buffer.alloc(1 << 20)), /more than 16384 bytes/],
    ['sends more than 16 KB', () => Buffer.alloc(16 * 1024 + 1), /more than 16384 bytes/],
    ['redirects', (_, response) => void response.writeHead(302, { location: server.url }).end(), /answers 302/],
    ['fails', (_, response) => void response.writeHead(500).end(), /answers 500/],
    ['closes', (_, response) => void response.socket?.destroy(), /closed|hang up|ECONNRESET/],
  ] satisfies [string, Behaviour, RegExp][])
    test(`give up one that ${name}`, async () => {
      const asked = server.asked.length
      const by = /in time/.test(String(message)) ? hasty : responders
      await assert.rejects(ask(behaviour, server.url, false, new AbortController().signal, by), message)
      assert.equal(server.asked.length, asked + 1)
    })

  test('give up one that refuses connections', async () => {
    await assert.rejects(ask(good, 'http://127.0.0.1:9/'), /ECONNREFUSED/)
  })

  test('connect to the public internet only, and to what the operator allows', async () => {
    const others = new Responders([])
    const asked = server.asked.length
    const port = new URL(server.url).port
    const hosts = [
      '127.0.0.1',
      'localhost',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '0.0.0.0',
      '2130706433',
      '0x7f.1',
      '127.1',
      '169.254.169.254',
      '10.0.0.1',
    ]
    for (const host of hosts)
      await assert.rejects(
        others.ask(question(`http://${host}:${port}/`), AbortSignal.timeout(5000), false),
        /no address on the public internet|ENOTFOUND localhost/,
        host,
      )
    assert.equal(server.asked.length, asked)
    await others.close()
  })

  test('stop when they are told to', async () => {
    const stop = new AbortController()
    const asked = ask(() => void stop.abort(), server.url, false, stop.signal)
    await assert.rejects(asked, { name: 'AbortError' })
  })
})
