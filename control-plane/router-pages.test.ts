import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { suite, test } from 'node:test'
import { createLog } from '../kernel/log.ts'
import { RouterPages, RouterSilent } from './router-pages.ts'

// On Linux all of 127.0.0.0/8 is this machine.
const skip = process.platform === 'linux' ? false : 'needs 127.0.0.2'

suite('RouterPages, where one name is several routers', { skip }, () => {
  test('gathers what each of them remembers, the youngest first', async () => {
    await using world = await start({ '127.0.0.1': ['10', '30'], '127.0.0.2': ['20', '40'] })
    assert.deepEqual(await world.times(), ['40', '30', '20', '10'])
    assert.deepEqual(world.asked, ['127.0.0.1 /requests shop', '127.0.0.2 /requests shop'])
  })
  test('goes on with those that answer, and says how many did not', async () => {
    await using world = await start({ '127.0.0.1': ['10'], '127.0.0.2': undefined })
    assert.deepEqual(await world.times(), ['10'])
    assert.match(world.lines.join(), /router does not answer.*"answered":1,"of":2/)
    assert.equal((await world.pages.why({ host: 'shop.test', scheme: 'http' }, AbortSignal.timeout(5000))).outcome, 'forward')
  })
  test('finds a router that came later, and misses none that went', async () => {
    const replicas: Record<string, string[]> = { '127.0.0.1': ['10'] }
    await using world = await start({ '127.0.0.1': ['10'], '127.0.0.2': ['20'] }, () => Object.keys(replicas))
    assert.deepEqual(await world.times(), ['10'])
    replicas['127.0.0.2'] = []
    assert.deepEqual(await world.times(), ['20', '10'])
    delete replicas['127.0.0.1']
    assert.deepEqual(await world.times(), ['20'])
  })
  test('is silent when none answers, or the name is nobody’s', async () => {
    await using world = await start({ '127.0.0.1': undefined, '127.0.0.2': undefined })
    await assert.rejects(world.times(), RouterSilent)
    await using nowhere = await start({ '127.0.0.1': ['10'] }, () => {
      throw new Error('ENOTFOUND')
    })
    await assert.rejects(nowhere.times(), RouterSilent)
  })
})

/** Routers on one port; one without times answers 500. */
async function start(routers: Record<string, readonly string[] | undefined>, resolve = () => Object.keys(routers)) {
  const servers: Server[] = []
  const asked: string[] = []
  const lines: string[] = []
  let port = 0
  for (const [address, times] of Object.entries(routers)) {
    const server = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://router')
      asked.push(`${address} ${pathname} ${searchParams.get('namespace')}`)
      const answer = pathname === '/why' ? { outcome: 'forward' } : { requests: times?.map(time => ({ time })) }
      response.writeHead(times ? 200 : 500, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
    })
    await new Promise<void>(done => server.listen(port, address, done))
    port = (server.address() as AddressInfo).port
    servers.push(server)
  }
  const log = createLog({ role: 'test', write: line => lines.push(line) })
  const pages = new RouterPages(`http://routers.test:${port}`, log, async () => resolve())
  return {
    asked,
    lines,
    pages,
    async times() {
      asked.length = 0
      const requests = await pages.requests('shop', AbortSignal.timeout(5000))
      asked.sort()
      return requests.map(({ time }) => time)
    },
    async [Symbol.asyncDispose]() {
      await pages.stop()
      for (const server of servers) {
        server.closeAllConnections()
        server.close()
      }
    },
  }
}
