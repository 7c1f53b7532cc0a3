import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, suite, test } from 'node:test'
import { PageFetcher } from './fetch-page.ts'

suite('PageFetcher', () => {
  // Only the second loopback address may be fetched from: the first stands for what must not be reached.
  const fetcher = new PageFetcher(['127.0.0.2/32'])
  const unguarded = new PageFetcher([])
  const stops: (() => unknown)[] = [() => fetcher.stop(), () => unguarded.stop()]
  after(async () => {
    for (const stop of stops) await stop()
  })
  const serve = async (answer: (request: IncomingMessage, response: ServerResponse) => void, host = '127.0.0.2') => {
    let count = 0
    const server = createServer((request, response) => {
      count++
      answer(request, response)
    }).listen(0, host)
    await once(server, 'listening')
    stops.push(
      () => server.closeAllConnections(),
      () => server.close(),
    )
    return { url: `http://${host}:${(server.address() as AddressInfo).port}/`, count: () => count }
  }
  const html = (body: string | Buffer) => (_: IncomingMessage, response: ServerResponse) =>
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(body)
  const to =
    (location: string, status = 302) =>
    (_: IncomingMessage, response: ServerResponse) =>
      response.writeHead(status, { location }).end()

  test('reads a page, through redirects, and sends nothing that is ours', async () => {
    const target = await serve((request, response) => {
      assert.deepEqual([request.headers.authorization, request.headers.cookie], [undefined, undefined])
      html('<h1>Grüße</h1>')(request, response)
    })
    const { url } = await serve(to(target.url))
    assert.equal(await fetcher.fetch(url, '503.html'), '<h1>Grüße</h1>')
  })
  test('reaches no address of this machine or its networks, named or written in any way', async () => {
    const inside = await serve(html('secret'), '127.0.0.1')
    const { port } = new URL(inside.url)
    for (const host of [
      '127.0.0.1',
      'localhost',
      '127.1',
      '0x7f000001',
      '2130706433',
      '0',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '[::ffff:7f00:1]',
    ])
      await assert.rejects(fetcher.fetch(`http://${host}:${port}/`, '503.html'), /no address on the public internet/, host)
    for (const host of ['169.254.169.254', '10.0.0.1', '192.168.1.1', '[fe80::1]', '[64:ff9b::a00:1]'])
      await assert.rejects(unguarded.fetch(`http://${host}/`, '503.html'), /no address on the public internet/, host)
    assert.equal(inside.count(), 0)
  })
  test('is led there by no redirect either, nor to another scheme', async () => {
    const inside = await serve(html('secret'), '127.0.0.1')
    for (const location of [inside.url, inside.url.replace('127.0.0.1', 'localhost'), `//127.0.0.1:${new URL(inside.url).port}/`]) {
      const { url } = await serve(to(location))
      await assert.rejects(fetcher.fetch(url, '503.html'), /no address on the public internet/)
    }
    const file = await serve(to('file:///etc/passwd'))
    await assert.rejects(fetcher.fetch(file.url, '503.html'), /neither http nor https/)
    assert.equal(inside.count(), 0)
  })
  test('follows three redirects and no more', async () => {
    const circle: { url: string; count: () => number } = await serve((request, response) => to(circle.url)(request, response))
    await assert.rejects(fetcher.fetch(circle.url, '503.html'), /more than 3 times/)
    assert.equal(circle.count(), 4)
  })
  test('takes nothing of another status, type, coding or charset', async () => {
    const answers: [RegExp, (request: IncomingMessage, response: ServerResponse) => void][] = [
      [/answers 404/, (_, response) => response.writeHead(404).end()],
      [/another type/, (_, response) => response.writeHead(200, { 'content-type': 'application/pdf' }).end('x')],
      [/another type/, (_, response) => response.writeHead(200).end('x')],
      [/compressed/, (_, response) => response.writeHead(200, { 'content-type': 'text/html', 'content-encoding': 'gzip' }).end('x')],
      [/not text in UTF-8/, html(Buffer.from([0xff, 0xfe]))],
    ]
    for (const [message, answer] of answers) {
      const { url } = await serve(answer)
      await assert.rejects(fetcher.fetch(url, '503.html'), message)
    }
    const { url } = await serve(html('x'))
    await assert.rejects(fetcher.fetch(url, '503.json'), /another type/)
  })
  test('reads no more than a page may have, and hangs up on one who sends without end', async () => {
    let ended = false
    const { url } = await serve((_, response) => {
      response.writeHead(200, { 'content-type': 'text/html' })
      const more = () => {
        while (response.write('x'.repeat(16_384)));
      }
      response.on('drain', more).on('close', () => (ended = true))
      more()
    })
    await assert.rejects(fetcher.fetch(url, '503.html'), /larger than 128 KB/)
    while (!ended) await new Promise(resolve => setImmediate(resolve))
  })
})
