import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { parseSelection } from './selectors.ts'

const service = {
  kind: 'Service',
  metadata: { name: 'shop', namespace: 'apps', labels: { app: 'shop', tier: 'web', 'router.drycc.cc/routable': 'true' } },
  type: 'Opaque',
}

suite('parseSelection()', () => {
  for (const [selector, expected] of [
    ['', true],
    ['app=shop', true],
    ['app==shop,tier=web', true],
    ['app=shop,tier=worker', false],
    ['app!=shop', false],
    ['absent!=x', true],
    ['router.drycc.cc/routable=true', true],
    ['app in (shop, cart),tier notin (worker)', true],
    ['app in (cart)', false],
    ['absent notin (a)', true],
    ['app', true],
    ['absent', false],
    ['!absent', true],
    ['!app', false],
  ] as const) {
    test(`label selector ${selector || '(empty)'} is ${expected}`, () => {
      assert.equal(parseSelection({ labelSelector: selector })(service), expected)
    })
  }

  test('keeps to a namespace', () => {
    assert.equal(parseSelection({ namespace: 'apps' })(service), true)
    assert.equal(parseSelection({ namespace: 'other' })(service), false)
  })

  test('reads fields by path', () => {
    assert.equal(parseSelection({ fieldSelector: 'metadata.name=shop,type=Opaque' })(service), true)
    assert.equal(parseSelection({ fieldSelector: 'metadata.name!=shop' })(service), false)
    assert.equal(parseSelection({ fieldSelector: 'status.phase=' })(service), true)
  })

  test('refuses what it cannot read with 400', () => {
    for (const labelSelector of ['a=b=c', 'a in b', '=x', 'a b']) {
      assert.throws(() => parseSelection({ labelSelector }), { code: 400 }, labelSelector)
    }
  })
})
