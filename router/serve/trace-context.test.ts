import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { RouterSettings } from '../table/route.ts'
import { addressMatcher } from '../table/route.ts'
import { ok, startBed, startHttpApp } from './testbed.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const VALID = `00-${TRACE}-00f067aa0ba902b7-01`

suite('Trace context', () => {
  test('passes on untouched where the router begins no traces, valid or not', async () => {
    for (const value of [VALID, 'nonsense'])
      assert.equal(await sent(`traceparent: ${value}\r\ntracestate: a=1\r\n`, {}), `traceparent: ${value}\r\ntracestate: a=1\r\n`)
  })

  for (const [name, lines] of [
    ['valid, sampled or not', `traceparent: 00-${TRACE}-00f067aa0ba902b7-00\r\ntracestate: a=1,b=2\r\n`],
    ['valid, in any case of the name', `TraceParent: ${VALID}\r\nTraceState: a=1\r\nTraceState: b=2\r\n`],
    ['of a later version with more fields', `traceparent: cc-${TRACE}-00f067aa0ba902b7-01-what-comes\r\ntracestate: a=1\r\n`],
    ['with a tracestate that is none', `traceparent: ${VALID}\r\ntracestate: \x7e,,,=\r\n`],
  ] as const) {
    test(`${name}: continues as it is`, async () => {
      assert.equal(await sent(lines, { traceSampledPercent: 100 }), lines)
    })
  }

  for (const [name, lines] of [
    ['none', ''],
    ['a tracestate alone', 'tracestate: a=1\r\n'],
    ['of version ff', `traceparent: ff-${TRACE}-00f067aa0ba902b7-01\r\ntracestate: a=1\r\n`],
    ['of version 00 with more fields', `traceparent: ${VALID}-more\r\ntracestate: a=1\r\n`],
    ['a trace of zeros', `traceparent: 00-${'0'.repeat(32)}-00f067aa0ba902b7-01\r\n`],
    ['a parent of zeros', `traceparent: 00-${TRACE}-${'0'.repeat(16)}-01\r\n`],
    ['in upper case', `traceparent: ${VALID.toUpperCase()}\r\n`],
    ['too short', `traceparent: 00-${TRACE.slice(1)}-00f067aa0ba902b7-01\r\n`],
    ['twice', `traceparent: ${VALID}\r\ntraceparent: ${VALID}\r\ntracestate: a=1\r\n`],
    ['twice in one line', `traceparent: ${VALID}, ${VALID}\r\n`],
    ['named by Connection', `Connection: traceparent\r\ntraceparent: ${VALID}\r\ntracestate: a=1\r\n`],
  ] as const) {
    test(`${name}: a new one begins, without the state of the old`, async () => {
      const text = await sent(lines, { traceSampledPercent: 100 })
      assert.match(text, /^traceparent: 00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-01\r\n$/)
      assert.doesNotMatch(text, new RegExp(TRACE))
    })
  }

  test('is sampled as often as the operator wishes', async () => {
    assert.match(await sent('', { traceSampledPercent: 0 }), /-00\r\n$/)
  })

  test('stands in what is remembered of the request', async () => {
    await using app = await startHttpApp(() => ok('fine'))
    await using bed = await startBed({ apps: { 'shop.test': app }, settings: { traceSampledPercent: 100 } })
    await bed.exchange(`GET / HTTP/1.1\r\nHost: shop.test\r\ntraceparent: ${VALID}\r\nConnection: close\r\n\r\n`)
    await bed.exchange('GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\nX: 1\r\n\r\n')
    const ids = bed.server.recentRequests({}).map(({ traceId }) => traceId)
    assert.equal(ids.at(-1), TRACE)
  })
})

suite('X-Request-Id', () => {
  const trusting = { requestIds: true, trusted: addressMatcher(['127.0.0.1']) }
  const kept = { ...trusting, keepRequestIds: true } as const

  test('of anybody is replaced by one of ours, as in the contract', async () => {
    assert.match(await sent('X-Request-Id: theirs\r\n', trusting), /^X-Request-Id: [0-9a-f]{32}\r\nX-Correlation-Id: [0-9a-f]{32}\r\n$/)
  })
  test('of a trusted peer is kept where the operator wishes it', async () => {
    assert.equal(await sent('X-Request-Id: a-B_9.c\r\n', kept), 'X-Request-Id: a-B_9.c\r\nX-Correlation-Id: a-B_9.c\r\n')
  })
  for (const [name, lines] of [
    ['none', ''],
    ['two', 'X-Request-Id: a\r\nX-Request-Id: b\r\n'],
    ['one that is no word', 'X-Request-Id: a b\r\n'],
    ['one that is too long', `X-Request-Id: ${'a'.repeat(129)}\r\n`],
  ] as const) {
    test(`${name} of a trusted peer becomes one of ours`, async () => {
      assert.match(await sent(lines, kept), /^X-Request-Id: [0-9a-f]{32}\r\n/)
    })
  }
  test('of a peer whom nobody trusts is replaced all the same', async () => {
    const settings = { requestIds: true, keepRequestIds: true, trusted: addressMatcher([]) } as const
    assert.match(await sent('X-Request-Id: theirs\r\n', settings), /^X-Request-Id: [0-9a-f]{32}\r\n/)
  })
})

/** The lines of trace and ids with which a request reaches its app. */
async function sent(lines: string, settings: Partial<RouterSettings>): Promise<string> {
  await using app = await startHttpApp(() => ok('fine', 'Connection: close\r\n'))
  await using bed = await startBed({ apps: { 'shop.test': app }, settings })
  const client = bed.send(`GET / HTTP/1.1\r\nHost: shop.test\r\n${lines}\r\n`)
  await client.until('fine')
  return [...(app.received[0] ?? '').matchAll(/^(?:trace|x-request|x-correl)[^\r]*\r\n/gim)].join('')
}
