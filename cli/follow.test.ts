import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { after, before, beforeEach, suite, test } from 'node:test'
import { CliUser, type Received, StubPlatform } from './test-bed.ts'

const line = (second: number) =>
  `${JSON.stringify({ app: 'shop', ts: `2026-11-22T18:00:${String(second).padStart(2, '0')}.000000000Z`, source: 'app', text: `line ${second}`, process: 'web', release: 'v3', pod: 'shop-web-1' })}\n`

suite('drycc logs -f', () => {
  let platform: StubPlatform
  let ana: CliUser
  const streams: { response: ServerResponse; received: Received }[] = []
  let onStream = () => {}

  before(async () => {
    platform = await new StubPlatform().start()
    ana = new CliUser()
    ana.logIn(platform.address)
  })
  beforeEach(() => {
    streams.length = 0
    platform.on('GET /v2/apps/shop/logs', (response, received) => {
      response.writeHead(200, { 'content-type': 'text/plain' })
      response.flushHeaders()
      streams.push({ response, received })
      onStream()
    })
  })
  after(async () => {
    await platform.stop()
    ana.remove()
  })

  /** The stream that was asked for as the n-th. */
  async function stream(n: number) {
    while (streams.length < n) await new Promise<void>(resolve => (onStream = resolve))
    return streams[n - 1]!
  }

  function follow(...args: string[]) {
    let child: ChildProcess | undefined
    let shown = ''
    const outcome = ana.run(process.execPath, [join(import.meta.dirname, 'main.ts'), 'logs', '-f', '--app', 'shop', ...args], {
      onStart: started => (child = started),
    })
    const until = async (text: string) => {
      while (!shown.includes(text)) await new Promise<void>(resolve => child!.stdout!.once('data', chunk => resolve(void (shown += chunk))))
    }
    return { outcome, until, interrupt: () => child!.kill('SIGINT') }
  }

  test('goes on after the platform was away, with no line twice and none left out, until Ctrl-C', async () => {
    const follower = follow('-n', '2', '--process', 'web')
    const first = await stream(1)
    assert.deepEqual(Object.fromEntries(first.received.query), { log_lines: '2', format: 'json', process: 'web', follow: 'true' })
    first.response.write(line(5) + line(6) + line(7).slice(0, 40))
    await follower.until('line 6')

    // Cut in the middle of a line, as a kill does.
    first.response.destroy()
    const second = await stream(2)
    assert.ok(Number(second.received.query.get('log_lines')) > 1000)
    second.response.write([3, 4, 5, 6, 7, 8].map(line).join(''))
    await follower.until('line 8')

    // Ended in order, as a restart does; then it is away for a while.
    platform.on('GET /v2/apps/shop/logs', refused => {
      platform.on('GET /v2/apps/shop/logs', response => {
        response.writeHead(200, { 'content-type': 'text/plain' })
        response.write([5, 6, 7, 8, 9].map(line).join(''))
      })
      refused.writeHead(500, { 'content-type': 'text/plain' }).end('Error accessing logs for shop')
    })
    second.response.end()
    await follower.until('line 9')

    follower.interrupt()
    const { code, signal, stdout, stderr } = await follower.outcome
    assert.deepEqual([code, signal, stderr], [0, null, ''])
    assert.deepEqual(
      stdout.trim().split('\n'),
      [5, 6, 7, 8, 9].map(second => `2026-11-22T18:00:0${second}+00:00 shop[web.v3.1]: line ${second}`),
    )
  })

  test('ends when the app has gone', async () => {
    const follower = follow()
    const { response } = await stream(1)
    response.write(line(1))
    await follower.until('line 1')
    platform.on('GET /v2/apps/shop/logs', { status: 404, json: 'No App matches the given query.' })
    response.end()
    const { code, stderr } = await follower.outcome
    assert.deepEqual([code, stderr], [1, 'Error: No App matches the given query.\n'])
  })

  test('does not wait for a platform that is not there from the start', async () => {
    platform.on('GET /v2/apps/shop/logs', { status: 503, json: { detail: 'Too many follow already' } })
    const { code, stderr } = await follow().outcome
    assert.deepEqual([code, stderr], [1, 'Error: Too many follow already\n'])
  })

  test('prints with --json the lines as they are, an object each', async () => {
    const follower = follow('--json')
    const { response } = await stream(1)
    response.write(`${line(1)}no object\n${line(2)}`)
    await follower.until('line 2')
    follower.interrupt()
    const { code, stdout } = await follower.outcome
    assert.deepEqual([code, stdout], [0, line(1) + line(2)])
  })
})
