import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { startApiServer } from './server.ts'
import { TestClient } from './test-client.ts'

const MAIN = join(import.meta.dirname, 'main.ts')
const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps'

const home = mkdtempSync(join(tmpdir(), 'api-server-'))
const children: ChildProcess[] = []
after(() => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(home, { recursive: true })
})

suite('the process', () => {
  test('keeps every acknowledged write over kill -9, and its versions go on', async () => {
    const first = await start()
    const acknowledged: string[] = []
    let version = 0
    const writing = Promise.all(
      Array.from({ length: 4 }, async (_, writer) => {
        for (let index = 0; ; index++) {
          const name = `w${writer}-${index}`
          const { status, body } = await first.client.send('POST', CONFIG_MAPS, { metadata: { name }, data: { a: 'x'.repeat(1000) } })
          assert.equal(status, 201)
          acknowledged.push(name)
          version = Math.max(version, Number(body.metadata.resourceVersion))
          if (acknowledged.length === 200) first.child.kill('SIGKILL')
        }
      }),
    )
    await assert.rejects(writing, /ECONNRESET|ECONNREFUSED|hang up|EPIPE/)
    first.client.close()
    const second = await start()
    const { body } = await second.client.send('GET', CONFIG_MAPS)
    const stored = new Set(body.items.map((item: { metadata: { name: string } }) => item.metadata.name))
    assert.deepEqual(
      acknowledged.filter(name => !stored.has(name)),
      [],
    )
    assert.ok(Number(body.metadata.resourceVersion) >= version)
    // What a watcher had seen before the crash is where it goes on.
    const { text } = await second.client.send('GET', `${CONFIG_MAPS}?watch=true&resourceVersion=${version - 5}&timeoutSeconds=1`)
    assert.ok(text.split('\n').length > 5, text)
    second.client.close()
    const ended = once(second.child, 'exit')
    second.child.kill('SIGTERM')
    assert.deepEqual(await ended, [0, null])
  })
  test('keeps its keys, for its owner only, and its kubeconfig', async () => {
    const before = readFileSync(join(home, 'kubernetes/ca.crt'), 'utf8')
    const { child, client } = await start()
    assert.equal(readFileSync(join(home, 'kubernetes/ca.crt'), 'utf8'), before)
    for (const file of ['kubeconfig', 'kubernetes/token', 'kubernetes/ca.key', 'kubernetes/server.key']) {
      assert.equal(statSync(join(home, file)).mode & 0o777, 0o600, file)
    }
    client.close()
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  test('a second one on the same home does not start', async () => {
    const server = await startApiServer({ home })
    await assert.rejects(startApiServer({ home }), /Another process uses/)
    await server.stop()
  })
})

async function start(): Promise<{ child: ChildProcess; client: TestClient }> {
  const env = { ...process.env, APISERVER_HOME: home, APISERVER_PORT: '0', LOG_LEVEL: 'error' }
  const child = spawn(process.execPath, [MAIN], { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  children.push(child)
  const [{ ports }] = (await once(child, 'message')) as [{ ports: { https: number } }]
  const read = (file: string) => readFileSync(join(home, 'kubernetes', file), 'utf8')
  const credentials = {
    authority: { certificate: read('ca.crt'), key: '' },
    server: { certificate: '', key: '' },
    token: read('token').trim(),
  }
  return { child, client: new TestClient({ url: `https://127.0.0.1:${ports.https}`, credentials }) }
}
