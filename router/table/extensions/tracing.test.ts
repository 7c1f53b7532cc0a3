import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Annotations } from '../annotations.ts'
import { readTracing, type TracingSettings } from './tracing.ts'

suite('readTracing()', () => {
  for (const [text, wanted] of [
    [{}, {}],
    [{ 'x-trace-context': 'True' }, { traceSampledPercent: 100 }],
    [{ 'x-trace-context': 'true', 'x-trace-sampled': '0' }, { traceSampledPercent: 0 }],
    [{ 'x-trace-sampled': '5' }, {}],
    [{ 'x-request-id-keep': 'true' }, { keepRequestIds: true }],
  ] as const) {
    test(`${JSON.stringify(text)} is ${JSON.stringify(wanted)}`, () => assert.deepEqual(read(text), { settings: wanted, faults: [] }))
  }
  test('keeps what was good, and says what is not', () => {
    const { settings, faults } = read(
      { 'x-trace-context': 'yes', 'x-trace-sampled': '101', 'x-request-id-keep': '1' },
      { traceSampledPercent: 7, keepRequestIds: true },
    )
    assert.deepEqual(settings, { traceSampledPercent: 7, keepRequestIds: true })
    assert.deepEqual(faults, ['x-trace-context', 'x-trace-sampled', 'x-request-id-keep'])
  })
})

function read(values: Record<string, string>, lastGood?: TracingSettings) {
  const prefixed = Object.fromEntries(Object.entries(values).map(([key, value]) => [`router.drycc.cc/${key}`, value]))
  const annotations = new Annotations(prefixed, 'router.drycc.cc/')
  const settings = readTracing(annotations, lastGood)
  return { settings, faults: annotations.faults.map(({ key }) => key) }
}
