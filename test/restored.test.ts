import assert from 'node:assert/strict'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { type ApiServer, startApiServer } from '../embedded/api-server/server.ts'
import { Backoff } from '../kernel/backoff.ts'
import { connectKubernetes } from '../kernel/kubernetes/client.ts'
import { startInformer } from '../kernel/kubernetes/informer.ts'
import { RESOURCES } from '../kernel/kubernetes/objects.ts'
import { silentLog } from '../kernel/log.ts'

suite('An API server that comes back from a backup', { timeout: 60_000 }, () => {
  test('is followed to what it has now: objects that are gone, and versions that mean something else', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'restored-'))
    const home = join(folder, 'home')
    let server: ApiServer = await startApiServer({ home })
    const { port } = server
    const { authority, token } = server.credentials
    const api = connectKubernetes({ server: server.url, ca: authority.certificate, verify: true, token: () => token, namespace: 'default' })
    const informer = startInformer(api, RESOURCES.configMaps, {
      log: silentLog,
      selection: { namespace: 'default' },
      backoff: new Backoff({ minMs: 10, maxMs: 100 }),
    })
    const write = async (name: string, value: string) => {
      const map = { metadata: { namespace: 'default', name }, data: { value } }
      await api.create(RESOURCES.configMaps, map).catch(() => api.update(RESOURCES.configMaps, map))
    }
    const restart = async (prepare: () => Promise<void>) => {
      await server.stop()
      await prepare()
      server = await startApiServer({ home, port })
    }
    const values = () => Object.fromEntries(informer.list().map(({ metadata, data }) => [metadata.name, data?.['value']]))
    const holds = (wanted: Record<string, string>) =>
      informer.until(() => JSON.stringify(values()) === JSON.stringify(wanted), AbortSignal.timeout(20_000))
    await write('kept', 'first')
    await restart(() => cp(home, join(folder, 'backup'), { recursive: true }))
    for (let version = 0; version < 20; version++) await write('kept', `later ${version}`)
    await write('lost', 'x')
    await holds({ kept: 'later 19', lost: 'x' })

    await restart(async () => {
      await rm(home, { recursive: true })
      await cp(join(folder, 'backup'), home, { recursive: true })
    })
    await holds({ kept: 'first' })
    // By now the numbers are those of before, for other contents.
    for (let version = 0; version < 20; version++) await write('kept', `again ${version}`)
    await holds({ kept: 'again 19' })
    assert.equal(informer.get('default/kept')?.data?.['value'], 'again 19')
    await informer.stop()
    await api.close()
    await server.stop()
    await rm(folder, { recursive: true })
  })
})
