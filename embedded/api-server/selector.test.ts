import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Draft } from './kinds/kind.ts'
import { pod } from './kinds/pod.ts'
import { secret } from './kinds/secret.ts'
import { parseSelectors } from './selector.ts'

const object = (labels: Record<string, string>, fields: object = {}) => ({ metadata: { name: 'x', labels }, ...fields }) as Draft
const matches = (selector: string, labels: Record<string, string>) => parseSelectors(pod, selector, '')!(object(labels))

suite('parseSelectors()', () => {
  const labels = { app: 'web', tier: '3', 'a.b/c': 'd' }
  for (const [selector, wanted] of [
    ['app=web', true],
    ['app==web', true],
    ['app = web', true],
    ['app!=web', false],
    ['nope!=web', true],
    ['app', true],
    ['nope', false],
    ['!nope', true],
    ['!app', false],
    ['app in (web,db)', true],
    ['app in (db)', false],
    ['app notin (db)', true],
    ['nope notin (db)', true],
    ['app notin (web)', false],
    ['app=web,tier=3', true],
    ['app=web,tier=4', false],
    ['app in (a, web), a.b/c=d', true],
    ['tier>2', true],
    ['tier<3', false],
    ['app=', false],
    ['nope in (x,)', false],
  ] as const) {
    test(`"${selector}"`, () => assert.equal(matches(selector, labels), wanted))
  }
  for (const selector of [
    'a b',
    '=x',
    'a=b=c',
    'a in',
    'a in (',
    'a,,b',
    ',',
    'a=b c',
    '-a=b',
    'a=-b',
    'tier>x',
    '!',
    `${'a'.repeat(64)}=b`,
  ]) {
    test(`refuses "${selector}"`, () => assert.throws(() => parseSelectors(pod, selector, ''), { name: 'ApiError' }))
  }
  test('compares fields of the kind', () => {
    const running = object({}, { spec: { nodeName: 'n' }, status: { phase: 'Running' } })
    const filter = (selector: string) => parseSelectors(pod, '', selector)!(running)
    assert.ok(filter('spec.nodeName=n,status.phase!=Pending'))
    assert.ok(!filter('metadata.name!=x'))
    assert.ok(filter('metadata.name==x'))
  })
  test('refuses fields that the kind does not offer', () => {
    for (const selector of ['spec.x=1', 'x', 'toString=1', '__proto__=1']) {
      assert.throws(() => parseSelectors(secret, '', selector), { name: 'ApiError' }, selector)
    }
  })
  test('is nothing for nothing', () => assert.equal(parseSelectors(pod, '', ''), undefined))
})
