import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { selfSigned } from '../../kernel/x509.ts'
import { readSettings } from '../table/settings.ts'
import type { HostSpec, RouteSpec, TableDelta } from '../table/spec.ts'
import { Table } from '../table/table.ts'
import { type Bed, ok, RawClient, startBed, startHttpApp, type TestApp } from './testbed.ts'

const pair = selfSigned({ names: ['a.test'], days: 1 })
const { settings } = readSettings(undefined, 'router.drycc.cc/')

suite('A TLS connection for the name of one tenant', () => {
  for (const [what, serverName, host, status] of [
    ['serves its own host', 'a.test', 'a.test', 200],
    ['serves it however it is written', 'A.test', 'a.TEST:443', 200],
    ['serves another host of the same tenant', 'a.test', 'www.a.test', 200],
    ['refuses another tenant’s host with a certificate of its own: 421', 'a.test', 'b.test', 421],
    ['refuses a host that shows the platform’s certificate: 421', 'a.test', 'plain.test', 421],
    ['answers 404 for a host that nobody claims', 'a.test', 'nobody.test', 404],
    ['or for a name that nobody claims serves any host', 'nobody.test', 'b.test', 200],
    ['or without a name serves any host', '', 'b.test', 200],
    ['or for two tenants under the platform’s certificate serves both', 'plain.test', 'other.test', 200],
  ] as const)
    test(what, async () => {
      await using app = await startHttpApp(() => ok('fine'))
      await using bed = await bedOf(app)
      assert.equal(await ask(bed, serverName, host), status)
      assert.equal(app.received.length, status === 200 ? 1 : 0)
    })

  test('may be a trusted proxy’s for all hosts', async () => {
    await using app = await startHttpApp(() => ok('fine'))
    await using bed = await bedOf(app, ['127.0.0.0/8'])
    assert.equal(await ask(bed, 'a.test', 'b.test'), 200)
  })

  test('goes on after a refusal', async () => {
    await using app = await startHttpApp(() => ok('fine'))
    await using bed = await bedOf(app)
    const client = RawClient.tls(bed.httpsPort, { servername: 'a.test' })
    client.send('GET / HTTP/1.1\r\nHost: b.test\r\n\r\nGET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n')
    await client.ended
    assert.deepEqual(client.text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 421', 'HTTP/1.1 200'])
    assert.match(client.text, /R16/)
  })
})

async function bedOf(app: TestApp, trusted: string[] = []): Promise<Bed> {
  const bed = await startBed({ tls: { cert: pair.certificate, key: pair.key } })
  bed.table = new Table().apply({ ...deltaOf(app), settings: { ...settings, trusted } })
  return bed
}

function deltaOf(app: TestApp): TableDelta {
  const hosts: Record<string, HostSpec> = {
    'a.test': { app: 'a', certificate: 'a/cert' },
    'www.a.test': { app: 'a2', certificate: 'a/www' },
    'b.test': { app: 'b', certificate: 'b/cert' },
    'plain.test': { app: 'plain' },
    'other.test': { app: 'other' },
  }
  const route = (key: string, namespace: string) =>
    [key, { ...PLAIN, app: key, namespace, service: key, endpoints: [app.endpoint] }] as const
  const certificate = (id: string) => [id, { id, chain: '', key: '', names: [], notAfterMs: 0 }] as const
  return {
    ...{ version: 1, whole: true, defaultCertificate: 'platform' },
    hosts: Object.entries(hosts),
    routes: [route('a', 'a'), route('a2', 'a'), route('b', 'b'), route('plain', 'plain'), route('other', 'other')],
    certificates: ['a/cert', 'a/www', 'b/cert', 'platform'].map(certificate),
  }
}

const PLAIN: Pick<RouteSpec, 'policy' | 'locations'> = {
  policy: {
    ...{ connectTimeoutMs: 1000, idleTimeoutMs: 1000, maintenance: false, sslEnforce: false, requestStart: false },
    bodyBytesMax: 1000,
  },
  locations: [],
}

async function ask(bed: Bed, servername: string, host: string): Promise<number> {
  const client = RawClient.tls(bed.httpsPort, { servername })
  client.send(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  await client.ended
  client.destroy()
  return Number(client.text.slice(9, 12))
}
