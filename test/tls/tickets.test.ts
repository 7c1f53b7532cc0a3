import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { connect, type SecureVersion } from 'node:tls'
import { startApiServer } from '../../embedded/api-server/server.ts'
import { type KubernetesApi, KubernetesError, modify } from '../../kernel/kubernetes/api.ts'
import { connectKubernetes } from '../../kernel/kubernetes/client.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { createLog, silentLog } from '../../kernel/log.ts'
import { routerConfig } from '../../router/config.ts'
import { type RunningRouter, startRouter } from '../../router/primary.ts'
import { TICKETS_SECRET, TicketKeys } from '../../router/tls/ticket-keys.ts'

const NAMESPACE = 'drycc'
const HOUR_MS = 3_600_000

suite('Session tickets', () => {
  let api: KubernetesApi
  let stopServer: () => Promise<void>
  before(async () => {
    const server = await startApiServer()
    const { url, credentials } = server
    api = connectKubernetes({
      server: url,
      ca: credentials.authority.certificate,
      token: () => credentials.token,
      verify: true,
      namespace: NAMESPACE,
    })
    await api.create(RESOURCES.namespaces, { metadata: { name: NAMESPACE } })
    stopServer = async () => {
      await api.close()
      await server.stop()
    }
  })
  after(() => stopServer())

  const stored = async () => (await api.get(RESOURCES.secrets, NAMESPACE, TICKETS_SECRET)).data?.['key']
  const age = (ms: number) =>
    modify(api, RESOURCES.secrets, NAMESPACE, TICKETS_SECRET, secret => {
      secret.metadata.annotations = { 'router.drycc.cc/made-at': new Date(Date.now() - ms).toISOString() }
      return secret
    })
  const keysOf = (options: { rotationMs?: number; over?: KubernetesApi; lines?: string[] } = {}) => {
    const heard: string[] = []
    const { lines } = options
    const log = lines ? createLog({ role: 'test', write: line => lines.push(line) }) : silentLog
    const rotationMs = options.rotationMs ?? 12 * HOUR_MS
    const onKey = (key: Uint8Array) => heard.push(text(key))
    return { heard, keys: new TicketKeys(options.over ?? api, { namespace: NAMESPACE, rotationMs, log, onKey }) }
  }

  test('of ten who start at once have one key', async () => {
    const all = Array.from({ length: 10 }, () => keysOf())
    await until(async () => new Set(all.map(({ keys }) => text(keys.current))).size === 1)
    assert.equal(text(all[0]!.keys.current), await stored())
    await Promise.all(all.map(({ keys }) => keys.stop()))
  })

  test('an old key, a broken one and a deleted one are replaced once, and all have the new one', async () => {
    const all = Array.from({ length: 5 }, () => keysOf())
    await until(async () => all.every(({ heard }) => heard.length > 0))
    for (const hurt of [
      () => age(13 * HOUR_MS),
      () =>
        modify(api, RESOURCES.secrets, NAMESPACE, TICKETS_SECRET, secret => {
          secret.data = { key: 'AAAA' }
          return secret
        }),
      () => api.delete(RESOURCES.secrets, NAMESPACE, TICKETS_SECRET),
    ]) {
      const before = all.map(({ keys }) => text(keys.current))
      await hurt()
      await until(async () => all.every(({ keys }, index) => text(keys.current) !== before[index]))
      assert.equal(new Set(all.map(({ keys }) => text(keys.current))).size, 1)
    }
    // The first, and one for each.
    assert.deepEqual(new Set(all.map(({ heard }) => heard.length)), new Set([4]))
    await Promise.all(all.map(({ keys }) => keys.stop()))
  })

  test('a key that is young stays, whoever starts', async () => {
    const before = await stored()
    const { keys } = keysOf()
    await until(async () => text(keys.current) === before)
    await keys.stop()
    assert.equal(await stored(), before)
  })

  test('where nobody may write, the process has a key of its own and says so once', async () => {
    await api.delete(RESOURCES.secrets, NAMESPACE, TICKETS_SECRET)
    const lines: string[] = []
    const { keys, heard } = keysOf({ lines, over: refusing(api) })
    await until(async () => lines.length > 0)
    assert.equal(keys.current.length, 48)
    const key = randomBytes(48).toString('base64')
    // One that is put there by hand counts all the same.
    await api.create(RESOURCES.secrets, { metadata: { namespace: NAMESPACE, name: TICKETS_SECRET }, data: { key } })
    await until(async () => heard.length > 0)
    assert.equal(text(keys.current), key)
    await keys.stop()
    assert.equal(lines.filter(line => /session/.test(line)).length, 1)
    await api.delete(RESOURCES.secrets, NAMESPACE, TICKETS_SECRET)
  })

  suite('of two replicas, one of them with two workers', { skip: process.platform !== 'linux' }, () => {
    const replicas: RunningRouter[] = []
    before(async () => {
      for (const workers of ['1', '2']) {
        const ports = Object.fromEntries(['HTTP', 'HTTPS', 'GIT', 'HEALTH', 'ADMIN'].map(name => [`ROUTER_${name}_PORT`, '0']))
        const config = routerConfig({
          ...ports,
          ROUTER_BIND: '127.0.0.1',
          ROUTER_WORKERS: workers,
          ROUTER_ACCESS_LOG: 'off',
          ROUTER_DRAIN_TIMEOUT: '1s',
          POD_NAMESPACE: NAMESPACE,
        })
        replicas.push(await startRouter(config, api, silentLog, new AbortController().signal))
      }
    })
    after(() => Promise.all(replicas.map(replica => replica.stop())))
    const portOf = (index: number) => replicas[index % 2]!.ports!['https']!

    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      test(`95 in 100 sessions at least are resumed by the other, ${version}`, async () => {
        assert.ok((await resumed(portOf, version)) >= 95)
      })
      test(`and so after a rotation, ${version}`, async () => {
        const before = await handshake(portOf(0), version)
        const key = await stored()
        await age(13 * HOUR_MS)
        await until(async () => (await stored()) !== key)
        // Whoever still resumes by the key of before has not heard yet.
        for (const port of [0, 1, 0, 1, 0, 1]) await until(async () => !(await handshake(portOf(port), version, before.session)).isReused)
        assert.ok((await resumed(portOf, version)) >= 95)
      })
    }
  })
})

/** Of a hundred sessions that begin with one replica, how many the other resumes. */
async function resumed(portOf: (index: number) => number, version: SecureVersion): Promise<number> {
  let count = 0
  for (let index = 0; index < 100; index++) {
    const { session } = await handshake(portOf(index), version)
    if ((await handshake(portOf(index + 1), version, session)).isReused) count++
  }
  return count
}

function handshake(port: number, version: SecureVersion, session?: Buffer): Promise<{ session: Buffer; isReused: boolean }> {
  return new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port,
      servername: 'shop.test',
      rejectUnauthorized: false,
      minVersion: version,
      maxVersion: version,
    }
    const socket = connect({ ...options, ...(session && { session }) })
    socket.on('error', reject)
    let last = session
    let isReused = false
    socket.on('session', made => {
      last = made
    })
    // An answer: with TLS 1.3 tickets come after the handshake.
    socket.on('secureConnect', () => {
      isReused = socket.isSessionReused()
      socket.write('GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n')
    })
    socket.resume()
    socket.on('close', () => resolve({ session: last!, isReused }))
  })
}

function text(key: Uint8Array): string {
  return Buffer.from(key).toString('base64')
}

/** As for a service account without the right to write Secrets. */
function refusing(api: KubernetesApi): KubernetesApi {
  const refuse = async () => {
    throw new KubernetesError({ code: 403, reason: 'Forbidden', message: 'secrets is forbidden' })
  }
  return {
    ...{ create: refuse, update: refuse, patch: refuse, delete: refuse },
    get: (...args) => api.get(...args),
    list: (...args) => api.list(...args),
    watch: (...args) => api.watch(...args),
    podLog: (...args) => api.podLog(...args),
    close: () => api.close(),
  }
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const late = AbortSignal.timeout(10_000)
  while (!(await condition())) {
    late.throwIfAborted()
    await new Promise(resolve => setImmediate(resolve))
  }
}
