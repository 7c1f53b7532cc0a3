import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createNetServer } from 'node:net'
import { suite, test } from 'node:test'
import { createServer as createTlsServer } from 'node:tls'
import { selfSigned } from '../../kernel/x509.ts'
import { Reach } from './reach.ts'

const CHALLENGE = { token: 'tok', keyAuthorization: 'tok.thumb' }
const PATH = '/.well-known/acme-challenge/tok'
const NOT_STOPPED = new AbortController().signal

suite('Reach.answers() over HTTP', { timeout: 20_000 }, () => {
  test('is content with the key authorization', async () => {
    assert.equal(await ask((request, response) => response.end(request.url === PATH ? 'tok.thumb' : 'other')), undefined)
  })
  test('follows a redirect to the same host, not to another', async () => {
    const moved = await ask((request, response) => {
      if (request.url === '/there') response.end('tok.thumb')
      else response.writeHead(302, { location: '/there' }).end()
    })
    assert.equal(moved, undefined)
    const away = await ask((_, response) => response.writeHead(301, { location: 'http://169.254.169.254/latest' }).end())
    assert.equal(away, 'localhost redirects to 169.254.169.254: let /.well-known/acme-challenge/ come to this platform')
    const port = await ask((_, response) => response.writeHead(301, { location: 'http://localhost:22/' }).end())
    assert.match(String(port), /^localhost redirects to localhost:22: /)
    assert.equal(await ask((_, response) => response.writeHead(302, { location: PATH }).end()), 'localhost redirects in a circle')
  })
  for (const [what, listener] of [
    ['something else', (_, response) => response.end('hello')],
    ['404', (_, response) => response.writeHead(404).end()],
    ['more than anybody reads', (_, response) => response.end('x'.repeat(1_000_000))],
    ['what is no HTTP', (_, response) => response.socket?.end('nonsense')],
  ] as [string, RequestListener][])
    test(`says no more than where a private address is, whatever it answers: ${what}`, async () => {
      assert.equal(await ask(listener), WITHIN)
    })
  test('says when nothing answers', async () => {
    const server = createNetServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    await new Promise(resolve => server.close(resolve))
    assert.equal(await reachOf(port).answers('http-01', 'localhost', CHALLENGE, NOT_STOPPED), WITHIN)
  })
  test('says when there is no such name', async () => {
    const why = await reachOf(80).answers('http-01', 'nobody.invalid', CHALLENGE, NOT_STOPPED)
    assert.match(String(why), /^nobody\.invalid (?:has no address: make a DNS record|cannot be looked up \(EAI_AGAIN\))/)
  })
})

suite('Reach.answers() over TLS', { timeout: 20_000 }, () => {
  test('is not content with a server that knows nothing of it', async () => {
    const { certificate, key } = selfSigned({ names: ['localhost'], days: 1 })
    for (const protocols of [['acme-tls/1'], ['h2']]) {
      const server = createTlsServer({ cert: certificate, key, ALPNProtocols: protocols }, socket => socket.end()).listen(0, '127.0.0.1')
      server.on('tlsClientError', () => {})
      await once(server, 'listening')
      const reach = new Reach({ httpPort: 1, httpsPort: (server.address() as AddressInfo).port, resolvers: [] })
      assert.equal(await reach.answers('tls-alpn-01', 'localhost', CHALLENGE, NOT_STOPPED), WITHIN)
      server.close()
    }
  })
})

const WITHIN = 'localhost leads to 127.0.0.1, where this platform does not answer'

function reachOf(httpPort: number): Reach {
  return new Reach({ httpPort, httpsPort: 1, resolvers: [] })
}

async function ask(listener: RequestListener): Promise<string | undefined> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    const reach = reachOf((server.address() as AddressInfo).port)
    const why = await reach.answers('http-01', 'localhost', CHALLENGE, NOT_STOPPED)
    // Some machines have both families.
    return why?.replace(/127\.0\.0\.1, ::1|::1, 127\.0\.0\.1|::1/, '127.0.0.1')
  } finally {
    server.closeAllConnections()
    server.close()
  }
}
