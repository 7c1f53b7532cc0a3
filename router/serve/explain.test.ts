import assert from 'node:assert/strict'
import { after, suite, test } from 'node:test'
import { silentLog } from '../../kernel/log.ts'
import type { WhyQuestion } from '../questions.ts'
import { endpoint } from '../table/route.ts'
import type { PolicySpec, RouteSpec } from '../table/spec.ts'
import { Table } from '../table/table.ts'
import { createServer } from './server.ts'

const POLICY: PolicySpec = {
  ...{ connectTimeoutMs: 1, idleTimeoutMs: 1, maintenance: false, sslEnforce: false, requestStart: false, bodyBytesMax: 0 },
}
const UP = [endpoint('10.0.0.1', 80), endpoint('10.0.0.2', 80, { serving: false }), endpoint('10.0.0.3', 80, { terminating: true })]

suite('explain()', () => {
  const table = tableOf({
    up: route({}),
    down: route({}, []),
    starting: route({}, [endpoint('10.0.0.2', 80, { serving: false })]),
    closed: route({ allow: ['10.0.0.0/8'], maintenance: true }),
    denied: route({ edge: { deny: ['192.0.2.0/24'] } }),
    paused: route({ maintenance: true, sslEnforce: true }),
    secure: route({ sslEnforce: true }),
    limited: route({ edge: { clientRate: { count: 1, perMs: 1000, burst: 1 } as never, requestsMax: 5 } }),
  })
  const server = createServer({ table: () => table, log: silentLog, httpsPort: () => 8443 })
  after(() => server.stop())
  const explain = (question: Partial<WhyQuestion>) =>
    server.explain(table, { host: '', path: '/', method: 'GET', from: undefined, isSecure: false, ...question })

  for (const [name, question, outcome, code] of [
    ['an app that is up', { host: 'UP.test:80' }, 'forward', undefined],
    ['a host of nobody', { host: 'nobody.test' }, '404', 'R10'],
    ['the health page of nobody', { host: 'nobody.test', path: '/healthz' }, '200', undefined],
    ['what is no host', { host: 'a b' }, '404', 'R10'],
    ['what is no path', { host: 'up.test', path: '/ HTTP/1.1\r\nX: y' }, '400', 'R40'],
    ['a method that is none', { host: 'up.test', method: 'G@T' }, '400', 'R40'],
    ['an app without endpoints', { host: 'down.test' }, '503', 'R20'],
    ['an app whose endpoint is not ready', { host: 'starting.test' }, '503', 'R20'],
    ['a client that the whitelist does not hold', { host: 'closed.test', from: '192.0.2.1' }, '403', 'R12'],
    ['one that it holds, in maintenance', { host: 'closed.test', from: '::ffff:10.1.1.1' }, '503', 'R21'],
    ['a whitelist without a client', { host: 'closed.test' }, 'unknown', undefined],
    ['a client that is denied', { host: 'denied.test', from: '192.0.2.1' }, '403', 'R12'],
    ['another than that', { host: 'denied.test', from: '192.0.3.1' }, 'forward', undefined],
    ['maintenance, before https', { host: 'paused.test' }, '503', 'R21'],
    ['http where https is wanted', { host: 'secure.test', path: '/a?b' }, '301', undefined],
    ['https where https is wanted', { host: 'secure.test', isSecure: true }, 'forward', undefined],
  ] as const) {
    test(`${name}: ${outcome}`, () => {
      const answer = explain(question)
      assert.deepEqual([answer.outcome, answer.code], [outcome, code], JSON.stringify(answer))
    })
  }

  test('names the endpoints and how they stand', () => {
    const { pattern, service, endpoints, tableVersion } = explain({ host: 'up.test' })
    assert.deepEqual([pattern, service, tableVersion], ['up.test', 'ns/up', 1])
    const state = { active: 0, idle: 0, load: 0, isEjected: false }
    assert.deepEqual(endpoints, [
      { endpoint: '10.0.0.1:80', ...state },
      { endpoint: '10.0.0.2:80', ...state, isServing: false },
      { endpoint: '10.0.0.3:80', ...state, isTerminating: true },
    ])
  })

  test('says where a redirect leads, and what decides', () => {
    assert.equal(explain({ host: 'secure.test', path: '/a?b' }).location, 'https://secure.test:8443/a?b')
    assert.match(explain({ host: 'closed.test', from: '192.0.2.1' }).conditions.join('\n'), /whitelist .*: decides\nmaintenance: decides/)
  })

  test('counts nothing, however often it is asked', () => {
    for (let count = 0; count < 20; count++) assert.equal(explain({ host: 'limited.test', from: '192.0.2.1' }).outcome, 'forward')
    assert.equal(server.stats().requests, 0)
  })
})

function route(policy: Partial<PolicySpec>, endpoints = UP): RouteSpec {
  return { app: 'app', namespace: 'ns', service: '', policy: { ...POLICY, ...policy }, endpoints, locations: [] }
}

function tableOf(routes: Record<string, RouteSpec>): Table {
  return new Table().apply({
    ...{ version: 1, whole: true, certificates: [] },
    routes: Object.entries(routes).map(([app, spec]) => [app, { ...spec, service: app }]),
    hosts: Object.keys(routes).map(app => [`${app}.test`, { app }]),
  })
}
