import assert from 'node:assert/strict'
import { afterEach, beforeEach, mock, suite, test } from 'node:test'
import { createLog } from '../../kernel/log.ts'
import { Stapler, type Staples } from '../../router/ocsp/stapler.ts'
import { stapleKey } from '../../router/ocsp/subject.ts'
import type { Certificate } from '../../router/tls/certificates.ts'
import { ocspResponse, type Saying } from './ocsp.ts'
import { authority, issue } from './pki.ts'

const HOUR_MS = 3600_000
const issuer = authority('Test Issuer')

suite('Stapler', () => {
  let stapler: Stapler
  let shown: Map<string, Uint8Array>
  let askedAt: number[]
  let signals: AbortSignal[]
  let ways: string[]
  let faults: string[]
  let lines: string[]
  /** What the responder does. */
  let answer: (signal: AbortSignal) => Promise<Buffer>

  const start = (isOff = false) => {
    shown = new Map()
    ;[askedAt, signals, ways, faults, lines] = [[], [], [], [], []]
    stapler = new Stapler({
      ...(!isOff && {
        ask: (_question, signal, isPost) => {
          ways.push(isPost ? 'POST' : 'GET')
          askedAt.push(Date.now())
          signals.push(signal)
          return answer(signal)
        },
      }),
      log: createLog({ role: 'test', write: line => lines.push(JSON.parse(line).msg) }),
      onFault: secret => faults.push(secret),
      onStaples: (staples: Staples) => {
        for (const [key, staple] of staples) {
          if (staple) shown.set(key, staple.response)
          else shown.delete(key)
        }
      },
    })
  }
  beforeEach(() => {
    mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.now() })
    start()
  })
  afterEach(async () => {
    mock.timers.reset()
    await stapler.stop()
  })

  const leaf = issue(issuer, ['shop.test'], { ocsp: 'http://ocsp.test' })
  const must = issue(issuer, ['must.test'], { ocsp: 'http://ocsp.test', mustStaple: true })
  const says = (saying: Saying) => async () => ocspResponse(issuer, leaf, saying)
  const take = async (...entries: [secret: string, pem: string | null, behind?: string][]) => {
    stapler.take(entries.map(([secret, pem, behind = issuer.certificate]) => [secret, pem === null ? null : certificate(pem + behind)]))
    await settle()
  }
  /** Time goes by, a step at a time, and whatever is due is done. */
  const pass = async (ms: number, stepMs = Math.max(1000, ms / 200)) => {
    for (let left = ms; left > 0; left -= stepMs) {
      mock.timers.tick(Math.min(stepMs, left))
      await settle()
    }
  }
  const isShown = () => shown.size === 1

  test('asks at once, and again at half of what is left, a little earlier', async () => {
    answer = says({ from: 0, until: 20 * HOUR_MS })
    const beganAt = Date.now()
    await take(['shop/www-cert', leaf.certificate])
    assert.deepEqual(askedAt, [beganAt])
    assert.ok(isShown())
    await pass(10 * HOUR_MS)
    const [, second = 0] = askedAt
    assert.equal(askedAt.length, 2)
    assert.ok(second >= beganAt + 8 * HOUR_MS && second <= beganAt + 10.1 * HOUR_MS, `${(second - beganAt) / HOUR_MS} h`)
    assert.deepEqual(lines, [])
  })

  test('asks once a day where a response lasts for a year, and once a minute where it lasts for seconds', async () => {
    answer = says({ until: 365 * 24 * HOUR_MS })
    await take(['shop/www-cert', leaf.certificate])
    await pass(48 * HOUR_MS)
    assert.ok(askedAt.length === 3 || askedAt.length === 2, `${askedAt.length}`)
    await stapler.stop()
    start()
    answer = says({ until: 2000 })
    await take(['shop/www-cert', leaf.certificate])
    await pass(10 * 60_000)
    assert.ok(askedAt.length <= 11, `${askedAt.length}`)
  })

  test('shows the last response through an outage until its end, waits longer and longer, and says so once', async () => {
    answer = says({ until: 10 * HOUR_MS })
    await take(['shop/www-cert', leaf.certificate])
    answer = () => Promise.reject(new Error('connect ECONNREFUSED'))
    await pass(9.9 * HOUR_MS)
    assert.ok(isShown())
    assert.ok(askedAt.length > 6 && askedAt.length < 25, `${askedAt.length}`)
    await pass(0.2 * HOUR_MS)
    assert.ok(!isShown())
    assert.deepEqual(lines, ['no newer OCSP response', 'OCSP response has ended'])
    assert.deepEqual(faults, [])
    answer = says({})
    await pass(1.1 * HOUR_MS)
    assert.ok(isShown())
    assert.deepEqual(lines.slice(2), ['OCSP response again'])
    assert.deepEqual(stapler.counts().certificates, 1)
  })

  test('keeps what it has where the responder says that it does not know, or less than before', async () => {
    answer = says({ from: -HOUR_MS, until: 10 * HOUR_MS })
    await take(['shop/www-cert', leaf.certificate])
    const first = shown.get([...shown.keys()][0]!)
    const others: Saying[] = [{ status: 'unknown' }, { from: -30 * HOUR_MS, until: 20 * HOUR_MS }, { code: 2 }]
    for (const saying of others) {
      answer = says(saying)
      const before = askedAt.length
      await pass((saying.status ? 5.1 : 1.2) * HOUR_MS)
      assert.ok(askedAt.length > before)
      assert.deepEqual([...shown.values()], [first])
    }
  })

  test('shows nothing any more of one that is revoked, not even an older word, and tells; it may be lifted', async () => {
    answer = says({ from: -HOUR_MS, until: 4 * HOUR_MS })
    await take(['shop/www-cert', leaf.certificate])
    answer = says({ status: 'revoked', from: 0, until: 20 * HOUR_MS })
    await pass(2.1 * HOUR_MS)
    assert.ok(!isShown())
    assert.match(stapler.faultOf('shop/www-cert') ?? '', /was revoked on 2026-01-02T03:04:05/)
    assert.deepEqual([faults, lines], [['shop/www-cert'], ['certificate was revoked']])
    answer = says({ from: -24 * HOUR_MS })
    await pass(12 * HOUR_MS)
    assert.ok(!isShown())
    assert.deepEqual(faults, ['shop/www-cert'])
    answer = says({ from: 0 })
    await pass(2 * HOUR_MS)
    assert.ok(isShown())
    assert.equal(stapler.faultOf('shop/www-cert'), undefined)
    assert.deepEqual(faults, ['shop/www-cert', 'shop/www-cert'])
  })

  test('asks the other way after a failure, and stays with what works', async () => {
    answer = async () => (ways.at(-1) === 'GET' ? Buffer.from('no OCSP') : ocspResponse(issuer, leaf, { until: 4 * HOUR_MS }))
    await take(['shop/www-cert', leaf.certificate])
    assert.ok(!isShown())
    await pass(10_000)
    assert.ok(isShown())
    await pass(4 * HOUR_MS)
    assert.ok(ways.length > 2)
    assert.deepEqual(new Set(ways.slice(1)), new Set(['POST']))
  })

  test('asks at once when the chain behind its certificate is mended', async () => {
    answer = says({})
    // Of the same name, with another key.
    await take(['shop/www-cert', leaf.certificate, authority('Test Issuer').certificate], ['shop/must-cert', must.certificate, ''])
    assert.equal(askedAt.length, 0)
    assert.match(stapler.faultOf('shop/must-cert') ?? '', /as its issuer’s certificate does not stand behind it/)
    await take(['shop/www-cert', leaf.certificate])
    assert.equal(askedAt.length, 1)
    assert.ok(isShown())
    // A copy without it takes nothing away.
    await take(['other/www-cert', leaf.certificate, ''])
    answer = async () => ocspResponse(issuer, must)
    await take(['shop/must-cert', must.certificate])
    assert.equal(shown.size, 2)
    assert.equal(stapler.faultOf('shop/must-cert'), undefined)
    await pass(HOUR_MS)
    assert.equal(askedAt.length, 2)
  })

  test('has one question under way, gives it up with its certificate, and hears no late answer', async () => {
    let late: (bytes: Buffer) => void = () => {}
    answer = () => new Promise(resolve => (late = resolve))
    await take(['shop/www-cert', leaf.certificate], ['other/same-cert', leaf.certificate])
    await pass(HOUR_MS)
    assert.equal(askedAt.length, 1)
    await take(['shop/www-cert', null])
    assert.equal(signals[0]!.aborted, false)
    await take(['other/same-cert', null])
    assert.equal(signals[0]!.aborted, true)
    late(ocspResponse(issuer, leaf))
    await pass(48 * HOUR_MS)
    assert.equal(shown.size, 0)
    assert.equal(askedAt.length, 1)
    assert.equal(stapler.counts().certificates, 0)
  })

  test('shows one of two Secrets’ as long as one of them is there', async () => {
    answer = says({})
    await take(['shop/www-cert', leaf.certificate], ['other/same-cert', leaf.certificate])
    await take(['shop/www-cert', null])
    assert.deepEqual([...shown.keys()], [stapleKey(derOf(leaf.certificate))])
    stapler.take([], true)
    await settle()
    assert.equal(shown.size, 0)
  })

  test('asks for nothing of ten thousand that name no responder, and two at once of one namespace, whatever it has', async () => {
    const plain = issue(issuer, ['plain.test']).certificate
    answer = never
    await take(...Array.from({ length: 10_000 }, (_, index) => [`plain/app${index}-cert`, plain] as [string, string]))
    const many = Array.from({ length: 30 }, (_, index) => issue(issuer, [`many${index}.test`], { ocsp: 'http://slow.test' }).certificate)
    await take(...many.map((pem, index) => [`many/app${index}-cert`, pem] as [string, string]))
    // So many a turn.
    for (let turn = 0; turn < 250; turn++) await settle()
    assert.equal(askedAt.length, 2)
    answer = says({})
    await take(['shop/www-cert', leaf.certificate])
    assert.equal(askedAt.length, 3)
    assert.ok(isShown())
  })

  test('tells of one that must have a response that there is none, after it has asked, or at once where it may not', async () => {
    answer = () => Promise.reject(new Error('the responder answers 503'))
    await take(['shop/must-cert', must.certificate])
    assert.match(stapler.faultOf('shop/must-cert') ?? '', /must-staple.*as the responder answers 503/)
    assert.deepEqual(faults, ['shop/must-cert'])
    assert.equal(stapler.counts().missing, 1)
    answer = async () => ocspResponse(issuer, must)
    await pass(60_000)
    assert.equal(stapler.faultOf('shop/must-cert'), undefined)
    await stapler.stop()
    start(true)
    await take(['shop/must-cert', must.certificate], ['shop/www-cert', leaf.certificate])
    assert.match(stapler.faultOf('shop/must-cert') ?? '', /ROUTER_OCSP/)
    assert.equal(stapler.faultOf('shop/www-cert'), undefined)
    assert.equal(stapler.counts().certificates, 1)
  })

  test('answered() waits for those that must have a response, once, and for no other', async () => {
    const ends: (() => void)[] = []
    answer = () => new Promise((_, reject) => ends.push(() => reject(new Error('no'))))
    await take(['shop/www-cert', leaf.certificate])
    await stapler.answered(60_000)
    await take(['shop/must-cert', must.certificate])
    let isAnswered = false
    const answered = stapler.answered(60_000).then(() => {
      isAnswered = true
    })
    await settle()
    assert.equal(isAnswered, false)
    ends[1]!()
    await answered
    answer = never
    await take(['shop/must-cert', null], ['shop/again-cert', must.certificate])
    const late = stapler.answered(3000)
    await pass(3000)
    await late
    ends[0]!()
  })

  test('outlives certificates that cannot be read', async () => {
    answer = says({})
    await take(['shop/bad-cert', leaf.certificate.replace(/\nMII./, '\nAAAA')], ['shop/www-cert', leaf.certificate])
    assert.ok(isShown())
  })
})

/** Until nobody waits for it any more. */
function never(signal: AbortSignal): Promise<Buffer> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
}

function certificate(chain: string): Certificate {
  return { id: chain, chain, key: '', names: [], notAfterMs: 0 }
}

function derOf(pem: string): Buffer {
  return Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64')
}

/** All turns that reading and answers take. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise(resolve => setImmediate(resolve))
}
