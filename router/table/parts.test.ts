import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Certificate } from '../tls/certificates.ts'
import { tableParts } from './parts.ts'
import { DEFAULT_POLICY } from './route.ts'
import type { RouteSpec, TableDelta } from './spec.ts'
import { Table } from './table.ts'

const { allow: _allow, edge: _edge, ...POLICY } = DEFAULT_POLICY

suite('tableParts()', () => {
  const key = (index: number) => `team/app-${index}`
  const host = (index: number) => `app-${index}.test`
  const route = (index: number): RouteSpec => ({
    ...{ app: `app-${index}`, namespace: 'team', service: `app-${index}` },
    ...{ policy: POLICY, endpoints: [], locations: [] },
  })
  const certificate = (index: number): Certificate => ({ id: `${index}`, chain: '', key: '', names: [host(index)], notAfterMs: 0 })
  const table = (from: number, to: number, version: number): TableDelta => {
    const indexes = Array.from({ length: to - from }, (_, index) => from + index)
    return {
      ...{ version, whole: true, git: null, defaultCertificate: key(to - 1), pages: [], credentials: [] },
      routes: indexes.map(index => [key(index), route(index)]),
      hosts: indexes.map(index => [host(index), { app: key(index), certificate: key(index) }]),
      certificates: indexes.map(index => [key(index), certificate(index)]),
    }
  }
  const sizeOf = ({ routes, hosts, certificates }: TableDelta) => routes.length + hosts.length + certificates.length

  test('come to the same table, none of them large, and have the default certificate from the first on', () => {
    const parts = [...tableParts(table(0, 1000, 7))]
    assert.ok(parts.length > 10 && parts.every(part => sizeOf(part) <= 200 && part.version === 7))
    assert.deepEqual(
      parts.map(({ whole }) => whole),
      parts.map((_, index) => index === 0),
    )
    let now = new Table()
    for (const part of parts) {
      now = now.apply(part)
      assert.equal(now.defaultCertificate?.id, '999')
    }
    assert.equal(now.hostCount, 1000)
    for (let index = 0; index < 1000; index += 111) {
      assert.equal(now.match(host(index), '/')?.app, `app-${index}`)
      assert.equal(now.certificate(host(index))?.id, `${index}`)
    }
  })

  test('lead from one table to another, and a host that is in both is served all the while', () => {
    let now = new Table().apply(table(0, 600, 1))
    for (const part of tableParts(table(300, 1000, 2), table(0, 600, 1))) {
      assert.equal(part.whole, false)
      now = now.apply(part)
      for (let index = 300; index < 600; index += 7) assert.equal(now.match(host(index), '/')?.app, `app-${index}`)
      // A host is there with its route or not at all.
      for (let index = 0; index < 1000; index += 7)
        assert.equal(now.explain(host(index)) === undefined, now.match(host(index), '/') === undefined)
    }
    assert.equal(now.hostCount, 700)
    assert.equal(now.route(key(0)), undefined)
    assert.equal(now.match(host(999), '/')?.app, 'app-999')
    assert.equal(now.version, 2)
  })
})
