import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { formatDuration, parseBytes, parseDuration, parseQuantity } from './units.ts'

suite('parseDuration()', () => {
  for (const [text, ms] of [
    ['500ms', 500],
    ['5s', 5000],
    ['1.5s', 1500],
    ['2m', 120_000],
    ['1h', 3_600_000],
    ['7d', 604_800_000],
    ['0s', 0],
  ] as const) {
    test(`reads ${text}`, () => assert.equal(parseDuration(text), ms))
  }
  for (const text of ['', '5', 's', '-1s', '5 s', '1h30m', '1e3s', 'NaNs']) {
    test(`refuses "${text}" and says how to write it`, () => assert.throws(() => parseDuration(text), /write it as 500ms/))
  }
})

suite('parseBytes()', () => {
  for (const [text, bytes] of [
    ['0', 0],
    ['512', 512],
    ['64k', 65_536],
    ['64Ki', 65_536],
    ['10M', 10_485_760],
    ['1Gi', 1_073_741_824],
    ['10MB', 10_485_760],
  ] as const) {
    test(`reads ${text}`, () => assert.equal(parseBytes(text), bytes))
  }
  for (const text of ['', '-1', '1.5M', '10T', 'k', '99999999999999999999']) {
    test(`refuses "${text}"`, () => assert.throws(() => parseBytes(text), RangeError))
  }
})

suite('parseQuantity()', () => {
  for (const [text, value] of [
    ['500m', 0.5],
    ['2', 2],
    ['.5', 0.5],
    ['64Mi', 67_108_864],
    ['64M', 64e6],
    ['1e3', 1000],
    ['1E', 1e18],
  ] as const) {
    test(`reads ${text}`, () => assert.equal(parseQuantity(text), value))
  }
  for (const text of ['', 'm', '1mi', '1 Gi', '1MB']) {
    test(`refuses "${text}"`, () => assert.throws(() => parseQuantity(text), RangeError))
  }
})

suite('formatDuration()', () => {
  for (const [ms, text] of [
    [0, '0ms'],
    [850, '850ms'],
    [4200, '4.2s'],
    [185_000, '3m 5s'],
    [7_800_000, '2h 10m'],
    [350_000_000, '4d 1h'],
    [3_600_000, '1h'],
  ] as const) {
    test(`writes ${text}`, () => assert.equal(formatDuration(ms), text))
  }
})
