import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { resourcesOf } from './limits.ts'

suite('resourcesOf()', () => {
  test('limits by a single value, asks and limits by a pair', () => {
    assert.deepEqual(resourcesOf('64M', undefined), { limits: { memory: '64Mi' } })
    assert.deepEqual(resourcesOf('32M/64MB', '0/2'), { requests: { memory: '32Mi', cpu: '0' }, limits: { memory: '64Mi', cpu: '2' } })
    assert.deepEqual(resourcesOf(undefined, undefined), {})
  })

  test('writes quantities as Kubernetes reads them', () => {
    const memory = (text: string) => resourcesOf(text, undefined).limits?.['memory']
    assert.deepEqual(['512B', '512', '1k', '2GB', '0', '3g'].map(memory), ['512', '512', '1Ki', '2Gi', '0', '3Gi'])
    const cpu = (text: string) => resourcesOf(undefined, text).limits?.['cpu']
    assert.deepEqual(['500m', '.5', '+1', '0.25'].map(cpu), ['500m', '0.5', '1', '0.25'])
  })
})
