import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { explain, type Question } from './explain.ts'
import { endpoint } from './route.ts'
import type { PolicySpec, RouteSpec } from './spec.ts'
import { Table } from './table.ts'

const POLICY: PolicySpec = {
  ...{ connectTimeoutMs: 1, idleTimeoutMs: 1, maintenance: false, sslEnforce: false, requestStart: false, bodyBytesMax: 0 },
}
const UP = [endpoint('10.0.0.1', 80), endpoint('10.0.0.2', 80, { serving: false }), endpoint('10.0.0.3', 80, { terminating: true })]

suite('explain()', () => {
  const table = tableOf({
    up: route({}),
    down: route({}, []),
    closed: route({ allow: ['10.0.0.0/8'], maintenance: true }),
    paused: route({ maintenance: true, sslEnforce: true }),
    secure: route({ sslEnforce: true }),
  })
  for (const [name, question, outcome] of [
    ['an app that is up', { host: 'UP.test:80' }, 'forward'],
    ['a host of nobody', { host: 'nobody.test' }, '404'],
    ['what is no host', { host: 'a b' }, '404'],
    ['an app without endpoints', { host: 'down.test' }, '503'],
    ['a client that the whitelist does not hold', { host: 'closed.test', from: '192.0.2.1' }, '403'],
    ['one that it holds, in maintenance', { host: 'closed.test', from: '::ffff:10.1.1.1' }, '503'],
    ['a whitelist without a client', { host: 'closed.test' }, 'unknown'],
    ['maintenance, before https', { host: 'paused.test' }, '503'],
    ['http where https is wanted', { host: 'secure.test' }, '301'],
    ['https where https is wanted', { host: 'secure.test', isSecure: true }, 'forward'],
  ] as const) {
    test(`${name}: ${outcome}`, () => assert.equal(explain(table, ask(question)).outcome, outcome))
  }

  test('names what serves', () => {
    const { pattern, service, endpoints, tableVersion } = explain(table, ask({ host: 'up.test' }))
    assert.deepEqual([pattern, service, tableVersion], ['up.test', 'ns/up', 1])
    assert.deepEqual(endpoints, ['10.0.0.1:80', '10.0.0.3:80 (terminating)'])
  })
})

function ask(question: Partial<Question>): Question {
  return { host: '', path: '/', from: undefined, isSecure: false, ...question }
}

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
