import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { startAdmin } from './admin.ts'
import { silentLog } from './log.ts'
import { createMetrics } from './metrics.ts'

suite('startAdmin()', () => {
  const reasons = ['waiting for the first list']
  let base = ''
  let stop = async () => {}
  before(async () => {
    const metrics = createMetrics('test')
    metrics.counter({ name: 'requests_total', help: 'Requests', labels: ['class'] }).inc({ class: '2xx' }, 3)
    metrics.histogram({ name: 'wait_seconds', help: 'Wait', buckets: [0.1, 1] }).observe({}, 0.5)
    const admin = await startAdmin({
      port: 0,
      host: '127.0.0.1',
      log: silentLog,
      metrics,
      ready: () => reasons,
      routes: {
        '/routes': url => ({ body: { host: url.searchParams.get('host') } }),
        '/broken': () => Promise.reject(new Error('broken')),
      },
    })
    base = `http://127.0.0.1:${admin.port}`
    stop = () => admin.stop()
  })
  after(() => stop())

  test('is healthy though it is not ready, and says why', async () => {
    assert.equal((await fetch(`${base}/healthz`)).status, 200)
    const notReady = await fetch(`${base}/readyz`)
    assert.deepEqual([notReady.status, await notReady.text()], [503, 'waiting for the first list\n'])
    reasons.length = 0
    assert.equal((await fetch(`${base}/readyz/`)).status, 200)
  })

  test('tells its metrics in the text format', async () => {
    const response = await fetch(`${base}/metrics`)
    const text = await response.text()
    assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
    assert.match(text, /^requests_total\{class="2xx"\} 3$/m)
    assert.match(text, /^wait_seconds_bucket\{le="1"\} 1$/m)
    assert.match(text, /^process_resident_memory_bytes \d+/m)
  })

  test('serves the pages of its role, with their query', async () => {
    assert.deepEqual(await (await fetch(`${base}/routes?host=a`)).json(), { host: 'a' })
  })

  test('answers what it does not know, or what fails, without ending', async () => {
    assert.equal((await fetch(`${base}/none`)).status, 404)
    assert.equal((await fetch(`${base}/broken`)).status, 500)
    assert.equal((await fetch(`${base}/healthz`, { method: 'POST' })).status, 405)
    assert.equal((await fetch(`${base}/healthz`, { method: 'HEAD' })).status, 200)
  })
})
