import assert from 'node:assert/strict'
import { openSync } from 'node:fs'
import { devNull } from 'node:os'
import { suite, test } from 'node:test'
import type { Service } from 'kubernetes-types/core/v1'
import type { EndpointSlice } from 'kubernetes-types/discovery/v1'
import type { Stored } from '../../kernel/kubernetes/objects.ts'
import { startApp, startBed } from '../../router/serve/testbed.ts'
import { TableBuilder } from '../../router/table/build.ts'
import { Table } from '../../router/table/table.ts'

// Everything that reads a field is on, and each field gets 100 KB of what costs a careless reader much. An exchange that costs its square
// takes seconds of the worker, and of every tenant on it; the others some milliseconds. Measured against each other, in CPU time of this
// thread, which is router, client and app.
const SIZE = 100_000
const TIMES_MEDIAN_MAX = 40
const HARMLESS_MS = 50

const APP = {
  domains: 'shop.test',
  whitelist: '127.0.0.0/8',
  'x-deny': '192.0.2.0/24',
  'x-rate-limit': '100000/s',
  'x-sticky-cookie': 'stick',
  'x-redirects': '/old /new, =/home https://www.shop.test/',
  'x-cors-origins': 'https://*.example.com',
  'x-cors-credentials': 'true',
  'x-compression': 'gzip, min=1',
  'x-hsts': 'max-age=1000',
}
const ROUTER = {
  'nginx.requestIDs': 'true',
  'nginx.proxyRealIpCidrs': '127.0.0.0/8',
  'x-trace-context': 'true',
  'x-request-id-keep': 'true',
  'x-error-header': 'on',
}
const REQUEST_FIELDS = [
  ...[
    'Accept',
    'Accept-Encoding',
    'Authorization',
    'CDN-Loop',
    'Connection',
    'Cookie',
    'Expect',
    'Forwarded',
    'If-None-Match',
    'Keep-Alive',
    'Origin',
  ],
  ...[
    'Access-Control-Request-Method',
    'Access-Control-Request-Headers',
    'Range',
    'Referer',
    'Traceparent',
    'Tracestate',
    'Upgrade',
    'User-Agent',
  ],
  ...['X-Correlation-Id', 'X-Forwarded-For', 'X-Forwarded-Port', 'X-Forwarded-Proto', 'X-Request-Id', 'X-Request-Start', 'X-Nothing'],
]
const ANSWER_FIELDS = [
  ...[
    'Accept-Ranges',
    'Access-Control-Allow-Origin',
    'Cache-Control',
    'Connection',
    'Content-Encoding',
    'Content-Type',
    'ETag',
    'Keep-Alive',
    'Link',
  ],
  ...['Location', 'Set-Cookie', 'Strict-Transport-Security', 'Upgrade', 'Vary', 'Via', 'X-Nothing'],
]
const VALUES: Readonly<Record<string, string>> = {
  'blanks inside': `a${' '.repeat(SIZE)}b`,
  'tabs behind': `a${'\t'.repeat(SIZE)}`,
  commas: ','.repeat(SIZE),
  'blanks and commas': ' ,'.repeat(SIZE / 2),
  'entries with weights': 'gzip;q=0.5, '.repeat(SIZE / 12),
  semicolons: ';'.repeat(SIZE),
  'equal signs': 'stick='.repeat(SIZE / 6),
  quotes: '"\\'.repeat(SIZE / 2),
  hyphens: ' - '.repeat(SIZE / 3),
  addresses: '127.0.0.1,'.repeat(SIZE / 10),
  'hexadecimal digits': '00-'.padEnd(SIZE, '0'),
  slashes: 'https://'.repeat(SIZE / 8),
}

suite('Whatever a field holds, with every feature on', () => {
  for (const [side, names] of [
    ['request', REQUEST_FIELDS],
    ['answer', ANSWER_FIELDS],
  ] as const) {
    test(`in ${side === 'answer' ? 'an answer' : 'a request'}, costs about the same`, { timeout: 120_000 }, async () => {
      let fields = ''
      await using app = await startApp((socket, index, self) => {
        socket.on('data', () => {
          if (!self.received[index]!.endsWith('\r\n\r\n')) return
          self.received[index] = ''
          socket.write(`HTTP/1.1 200 OK\r\n${fields}Content-Length: 5\r\n\r\nhello`, 'latin1')
        })
      })
      await using bed = await startBed({ accessLog: 'classic', accessLogTarget: { fd: openSync(devNull, 'w') } })
      bed.table = tableOf(app.endpoint.port)
      const costs: { what: string; ms: number }[] = []
      for (const name of names) {
        for (const [shape, value] of Object.entries(VALUES)) {
          const field = `${name}: ${value}\r\n`
          fields = side === 'answer' ? field : ''
          const bytes = `GET /a HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n${side === 'request' ? field : 'Accept-Encoding: gzip\r\nOrigin: https://a.example.com\r\n'}\r\n`
          const began = process.threadCpuUsage()
          assert.match(await bed.exchange(bytes), /^HTTP\/1\.1 \d{3} /)
          const { user, system } = process.threadCpuUsage(began)
          costs.push({ what: `${name} of ${shape}`, ms: (user + system) / 1000 })
        }
      }
      const median = costs.map(cost => cost.ms).sort((a, b) => a - b)[costs.length >> 1]!
      assert.deepEqual(
        costs
          .filter(cost => cost.ms > HARMLESS_MS && cost.ms > TIMES_MEDIAN_MAX * median)
          .map(cost => `${cost.what}: ${cost.ms} ms, the median is ${median}`),
        [],
      )
    })
  }
})

/** The table of a router and an app with all those annotations. */
function tableOf(port: number): Table {
  const prefixed = (annotations: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(annotations).map(([key, value]) => [`router.drycc.cc/${key}`, value]))
  const metadata = { name: 'shop', namespace: 'shop', uid: 'shop', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' }
  const service = {
    ...{ apiVersion: 'v1', kind: 'Service', spec: { ports: [{ name: 'http', port: 80 }] } },
    metadata: { ...metadata, labels: { 'router.drycc.cc/routable': 'true' }, annotations: prefixed(APP) },
  } as unknown as Stored<Service>
  const slice = {
    ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4', ports: [{ name: 'http', port }] },
    metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'shop' } },
    endpoints: [{ addresses: ['127.0.0.1'] }],
  } as EndpointSlice
  const builder = new TableBuilder({ namespace: 'drycc', family: 'router.drycc.cc/' })
  const snapshot = {
    service: (key: string) => (key === 'shop/shop' ? service : undefined),
    slices: (key: string) => (key === 'shop/shop' ? [slice] : []),
    ...{ secret: () => undefined, configMap: () => undefined, router: prefixed(ROUTER), builder: undefined },
  } as unknown as Parameters<TableBuilder['build']>[0]
  const all = new Set(['shop/shop'])
  const changes = { services: all, slices: all, secrets: new Set<string>(), configMaps: new Set<string>(), router: true, builder: true }
  const { faults } = builder.build(snapshot, changes as Parameters<TableBuilder['build']>[1])
  assert.deepEqual(
    faults.flatMap(([, list]) => list),
    [],
  )
  return new Table().apply(builder.whole())
}
