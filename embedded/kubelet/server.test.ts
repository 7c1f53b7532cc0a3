import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, suite, test } from 'node:test'
import { silentLog } from '../../kernel/log.ts'
import type { LogQuery } from './log-reader.ts'
import { ServerError, type ServerOptions, startServer } from './server.ts'

suite('startServer()', { timeout: 20_000 }, () => {
  let server: Awaited<ReturnType<typeof startServer>>
  afterEach(() => server.stop())
  const start = async (openLog: ServerOptions['openLog']) => {
    server = await startServer({ port: 0, token: 'secret', log: silentLog, openLog })
  }
  const get = (path: string, token = 'secret') =>
    fetch(`http://127.0.0.1:${server.port}${path}`, { headers: { authorization: `Bearer ${token}` } })

  test('hands the whole query on', async () => {
    let seen: [unknown, LogQuery] | undefined
    await start((pod, query) => {
      seen = [pod, query]
      return lines('x')
    })
    const query = 'follow=true&tailLines=7&timestamps=1&previous=true&limitBytes=9&sinceTime=2026-01-02T03:04:05%2B02:00'
    assert.equal(await (await get(`/containerLogs/shop/web-1/web?${query}`)).text(), 'x')
    assert.deepEqual(seen, [
      { namespace: 'shop', name: 'web-1', container: 'web' },
      { follow: true, timestamps: true, previous: true, tailLines: 7, limitBytes: 9, since: '2026-01-02T01:04:05.000000000Z' },
    ])
  })

  for (const [path, status] of [
    ['/containerLogs/shop/web-1', 404],
    ['/containerLogs/shop/web-1/web/more', 404],
    ['/other', 404],
    ['/containerLogs/shop/%ff/web', 400],
    ['/containerLogs/shop/web-1/web?tailLines=-1', 400],
    ['/containerLogs/shop/web-1/web?limitBytes=0', 400],
    ['/containerLogs/shop/web-1/web?sinceTime=yesterday', 400],
  ] as const)
    test(`answers ${status} to ${path}`, async () => {
      await start(() => lines('x'))
      assert.equal((await get(path)).status, status)
    })

  test('refuses another token', async () => {
    await start(() => lines('x'))
    assert.equal((await get('/containerLogs/shop/web-1/web', 'secre')).status, 401)
    assert.equal((await get('/other', '')).status, 401)
  })

  test('says in its words why there is no log', async () => {
    await start(() => {
      throw new ServerError(400, 'container "web" is waiting')
    })
    const answer = await get('/containerLogs/shop/web-1/web')
    assert.deepEqual([answer.status, await answer.text()], [400, 'container "web" is waiting'])
  })

  test('reads no further than a slow client takes, and stops when it leaves', async () => {
    let read = 0
    const stopped = Promise.withResolvers<void>()
    await start((_pod, _query, signal) => {
      signal.addEventListener('abort', () => stopped.resolve())
      return (async function* () {
        for (;;) yield Buffer.alloc(64 * 1024, read++)
      })()
    })
    const socket = connect(server.port, '127.0.0.1')
    socket.write('GET /containerLogs/a/b/c HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret\r\n\r\n')
    await once(socket, 'readable')
    // Until the pipe is full: nothing has been read for a whole while.
    for (let before = -1; before !== read; ) {
      before = read
      await new Promise(resolve => setTimeout(resolve, 100))
    }
    assert.ok(read * 64 * 1024 < 32 * 2 ** 20, `${read} blocks were read for a client that takes none`)
    socket.destroy()
    await stopped.promise
  })
})

async function* lines(...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text)
}
