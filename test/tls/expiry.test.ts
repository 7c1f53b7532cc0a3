import assert from 'node:assert/strict'
import { afterEach, beforeEach, mock, suite, test } from 'node:test'
import type { Secret, Service } from 'kubernetes-types/core/v1'
import type { Stored } from '../../kernel/kubernetes/objects.ts'
import { type Snapshot, secretChanges, TableBuilder } from '../../router/table/build.ts'
import { secretOf } from '../../router/table/certificate-store.ts'
import { CertificateTimes } from '../../router/table/certificate-times.ts'
import { Table } from '../../router/table/table.ts'
import { authority, type Issued, issue } from './pki.ts'

const DAY_MS = 86_400_000
const HOUR_MS = 3600_000
const root = authority()

suite('Certificates whose time begins or ends while they are served', () => {
  let builder: TableBuilder
  let table: Table
  let times: CertificateTimes
  /** Secrets that were looked at because of the clock. */
  let looked: string[]
  let secrets: Record<string, Secret>
  /** By how much the clock is set wrong. */
  let offsetMs: number

  beforeEach(() => {
    mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.now() })
    looked = []
    offsetMs = 0
    const now = () => Date.now() + offsetMs
    builder = new TableBuilder({ family: 'router.drycc.cc/', namespace: 'drycc', now })
    table = new Table()
    times = new CertificateTimes(keys => {
      looked.push(...keys)
      change(keys.map(secretOf))
    }, now)
  })
  afterEach(() => {
    times.stop()
    mock.timers.reset()
  })

  const snapshot: Snapshot = {
    service: key => (key === 'shop/shop' ? service : undefined),
    slices: () => [],
    secret: key => secrets[key],
    router: undefined,
    builder: undefined,
  }
  const change = (keys: readonly string[], services: readonly string[] = []) => {
    const { delta } = builder.build(snapshot, { ...secretChanges(keys), services: new Set(services) })
    if (!delta) return
    table = table.apply(delta)
    times.take(delta.certificates)
  }
  const serve = (some: Record<string, Issued>) => {
    secrets = Object.fromEntries(Object.entries(some).map(([key, issued]) => [key, secretWith(issued)]))
    change(Object.keys(secrets), ['shop/shop'])
  }
  const pass = (ms: number) => {
    for (let left = ms; left > 0; left -= HOUR_MS) mock.timers.tick(Math.min(HOUR_MS, left))
  }
  const isShown = ({ certificate }: Issued, name = 'shop.test') => table.certificate(name)?.chain === certificate
  const faults = () => (builder.faults().get('shop/shop') ?? []).map(({ message }) => message)

  test('at its end one gives way to another that is in its time, though an older one, and people are told', () => {
    const [newer, older] = [issue(root, ['shop.test'], { from: -1, until: 2 }), issue(root, ['shop.test'], { from: -5, until: 60 })]
    serve({ 'shop/a-cert': newer, 'shop/b-cert': older })
    assert.ok(isShown(newer))
    pass(2 * DAY_MS - 10_000)
    assert.ok(isShown(newer))
    assert.deepEqual(faults(), [])
    pass(11_000)
    assert.ok(isShown(older))
    assert.match(faults().join(), /expired on/)
    assert.deepEqual(looked, ['shop/a-cert'])
  })

  test('one that is not valid yet is shown from its beginning on', () => {
    const [now, next] = [issue(root, ['shop.test'], { from: -1, until: 60 }), issue(root, ['shop.test'], { from: 40, until: 100 })]
    serve({ 'shop/a-cert': now, 'shop/b-cert': next })
    assert.ok(isShown(now))
    assert.match(faults().join(), /is valid from/)
    // Longer than setTimeout can wait.
    pass(40 * DAY_MS - 10_000)
    assert.ok(isShown(now))
    pass(11_000)
    assert.ok(isShown(next))
    assert.deepEqual(faults(), [])
  })

  test('the one that was kept as the newest was too early goes when that begins', () => {
    const [now, next] = [issue(root, ['shop.test'], { from: -1, until: 60 }), issue(root, ['shop.test'], { from: 1, until: 100 })]
    serve({ 'shop/a-cert': now })
    serve({ 'shop/a-cert': next })
    assert.ok(isShown(now))
    pass(DAY_MS + 1000)
    assert.ok(isShown(next))
    assert.equal(builder.whole().certificates.length, 1)
  })

  test('the platform’s gives way to its other spelling', () => {
    const [first, second] = [issue(root, ['*.platform.test'], { until: 2 }), issue(root, ['*.platform.test'], { until: 60 })]
    serve({ 'drycc/drycc-router-platform-cert': first, 'drycc/deis-router-platform-cert': second })
    assert.ok(isShown(first, 'any.platform.test'))
    pass(2 * DAY_MS + 1000)
    assert.ok(isShown(second, 'any.platform.test'))
  })

  test('a clock that is set forward or back is noticed within an hour', () => {
    const [newer, older] = [issue(root, ['shop.test'], { from: -1, until: 20 }), issue(root, ['shop.test'], { from: -5, until: 60 })]
    serve({ 'shop/a-cert': newer, 'shop/b-cert': older })
    for (const [offset, shown] of [
      [30 * DAY_MS, older],
      [0, newer],
    ] as const) {
      offsetMs = offset
      pass(HOUR_MS)
      assert.ok(isShown(shown))
    }
  })

  test('one that has gone is looked at no more', () => {
    serve({ 'shop/a-cert': issue(root, ['shop.test'], { until: 2 }) })
    secrets = {}
    change(['shop/a-cert'])
    pass(4 * DAY_MS)
    assert.deepEqual(looked, [])
  })
})

const annotations = { 'router.drycc.cc/domains': 'shop.test', 'router.drycc.cc/certificates': 'shop.test:a,shop.test:b' }
const labels = { 'router.drycc.cc/routable': 'true' }
const service = {
  ...{ apiVersion: 'v1', kind: 'Service' },
  metadata: { name: 'shop', namespace: 'shop', uid: '1', annotations, labels },
  spec: { ports: [{ port: 80 }] },
} as unknown as Stored<Service>

function secretWith({ certificate, key }: Issued): Secret {
  return { type: 'kubernetes.io/tls', stringData: { 'tls.crt': certificate, 'tls.key': key } }
}
