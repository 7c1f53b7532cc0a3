import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Secret, Service } from 'kubernetes-types/core/v1'
import type { EndpointSlice } from 'kubernetes-types/discovery/v1'
import type { Stored } from '../../kernel/kubernetes/objects.ts'
import { selfSigned } from '../../kernel/x509.ts'
import { readCertificate } from '../tls/certificates.ts'
import { TableBuilder } from './build.ts'
import { pruneSecret, pruneService, pruneSlice, SERVICE_NAME } from './prune.ts'

const P = 'router.drycc.cc/'
const pair = selfSigned({ names: ['*.test'], days: 30 })

suite('pruned objects', () => {
  test('make the same table as whole ones, faults and ignored annotations included', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const random = seeded(seed)
      const cluster = Array.from({ length: 12 }, (_, index) => appObjects(index, random))
      assert.deepEqual(
        tableOf(cluster.map(({ service, slices, secret }) => [pruneService(service), slices.map(pruneSlice), pruneSecret(secret)])),
        tableOf(cluster.map(({ service, slices, secret }) => [service, slices, secret])),
        `seed ${seed}`,
      )
    }
  })

  test('keep no managed fields, no owner and no annotation of others', () => {
    const { service, slices, secret } = appObjects(1, seeded(1))
    const text = JSON.stringify([pruneService(service), slices.map(pruneSlice), pruneSecret(secret)])
    assert.doesNotMatch(text, /managedFields|last-applied|ownerReferences|targetRef|clusterIP|password/)
    assert.match(text, /resourceVersion/)
  })

  test('share what is alike', () => {
    const [one, other] = [appObjects(1, seeded(1)), appObjects(2, seeded(1))].map(({ slices }) => pruneSlice(slices[0]!))
    assert.equal(one?.ports, other?.ports)
    assert.equal(one?.endpoints[0]?.conditions, other?.endpoints[0]?.conditions)
  })

  test('a Secret is decoded once, and its certificate is the same as before', () => {
    const { secret } = appObjects(1, seeded(1))
    const pruned = pruneSecret(secret)
    assert.deepEqual(readCertificate(pruned), readCertificate(secret))
    assert.equal(readCertificate(pruned).chain, pruned.stringData?.['tls.crt'])
    const old = { ...secret, data: { cert: encode(pair.certificate), key: encode(pair.key) } }
    assert.deepEqual(readCertificate(pruneSecret(old), { oldKeys: true }), readCertificate(old, { oldKeys: true }))
    assert.throws(() => readCertificate(pruneSecret({ ...secret, data: {} })), /has no tls.crt/)
  })
})

function tableOf(cluster: readonly [Stored<Service>, readonly EndpointSlice[], Secret][]) {
  const keys = cluster.map(([{ metadata }]) => `${metadata.namespace}/${metadata.name}`)
  const objects = new Map(cluster.map((all, index) => [keys[index], all]))
  const builder = new TableBuilder({ family: P, namespace: 'drycc' })
  const snapshot = {
    service: (key: string) => objects.get(key)?.[0],
    slices: (key: string) => objects.get(key)?.[1] ?? [],
    secret: (key: string) => objects.get(key.replace(/-cert$/, ''))?.[2],
    router: { [`${P}nginx.platformDomain`]: 'apps.test' },
    builder: undefined,
  }
  const changes = { services: new Set(keys), slices: new Set<string>(), secrets: new Set<string>(), router: true, builder: true }
  const { faults } = builder.build(snapshot, changes)
  return { whole: builder.whole(), report: builder.report(), faults, ignored: builder.ignored(changes) }
}

function appObjects(index: number, random: () => number) {
  const pick = <T>(...choices: T[]) => choices[Math.floor(random() * choices.length)]!
  const [name, namespace] = [`app${index}`, `team${index % 3}`]
  const ours = {
    domains: pick(`app${index}`, `app${index}.test`, `app${index},shared.test`, `bad_domain,app${index}.test`),
    certificates: pick(undefined, `app${index}.test:app${index}`, 'broken'),
    maintenance: pick(undefined, 'true', 'False', 'maybe'),
    whitelist: pick(undefined, '10.0.0.0/8', 'x'),
    'ssl.protocols': pick(undefined, 'TLSv1.2'),
    proxyDomain: pick(undefined, undefined, `app${(index + 3) % 12}.test`),
    proxyLocations: pick(undefined, '/a', '/a,/b'),
    misspelt: pick(undefined, 'x'),
  }
  const given = Object.entries(ours).filter(([, value]) => value !== undefined)
  const metadata = {
    namespace,
    uid: `uid-${index}`,
    resourceVersion: '1',
    creationTimestamp: pick('2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z') as never,
    managedFields: [{ manager: 'x' }],
    ownerReferences: [],
  }
  const service = {
    metadata: {
      ...metadata,
      name,
      labels: { ...pick<object>({}, { app: name }, { app: 'other' }), heritage: 'drycc' },
      annotations: { ...Object.fromEntries(given.map(([key, value]) => [P + key, value])), 'kubectl/last-applied': 'x' },
    },
    spec: {
      clusterIP: '10.96.0.1',
      ports: pick<object[]>(
        [{ name: 'http', port: 80 }],
        [{ port: 5000 }],
        [{ name: 'a', port: 1 }, { port: 2 }],
        [],
        [{ port: 80, protocol: 'UDP' }],
      ),
      ...(random() < 0.3 && { ipFamilies: pick(['IPv4'], ['IPv6', 'IPv4']) }),
    },
  } as Stored<Service>
  const slices = Array.from({ length: 1 + Math.floor(random() * 2) }, (_, at) => ({
    metadata: { ...metadata, name: `${name}-${at}`, labels: { [SERVICE_NAME]: name, app: name } },
    addressType: pick('IPv4', 'IPv6', 'FQDN'),
    ports: [{ name: pick('http', '', 'a'), port: 5000, protocol: 'TCP' }],
    endpoints: Array.from({ length: 1 + Math.floor(random() * 3) }, (_, pod) => ({
      addresses: [`10.0.${at}.${pod}`],
      conditions: pick<object>({ ready: true }, { ready: false, serving: true, terminating: true }, {}),
      targetRef: { name: 'pod' },
    })),
  })) as unknown as Stored<EndpointSlice>[]
  const data = { 'tls.crt': pick(encode(pair.certificate), encode('garbage')), 'tls.key': encode(pair.key), password: 'x' }
  const secret = { metadata: { ...metadata, name: `${name}-cert` }, type: 'kubernetes.io/tls', data } as Stored<Secret>
  return { service, slices, secret }
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64')
}

/** Mulberry32: the same objects at every run. */
function seeded(seed: number) {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
