import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type CaaRecord, readPermission } from './caa.ts'

const BOTH = ['http-01', 'tls-alpn-01'] as const
const OURS = ['ca.test', 'ca.example']

suite('readPermission()', () => {
  const read = (...records: CaaRecord[]) =>
    readPermission('shop.test', records, { identities: OURS, account: 'https://ca.test/acct/1' }, BOTH)
  for (const [what, records] of [
    ['our own name, in any case', [{ critical: 0, issue: 'CA.test' }]],
    ['another name of ours', [{ critical: 0, issue: 'ca.example' }]],
    [
      'us among others',
      [
        { critical: 0, issue: 'other.test' },
        { critical: 128, issue: ' ca.test ; account=1 ' },
      ],
    ],
    [
      'no issuer of names without wildcards',
      [
        { critical: 0, issuewild: 'other.test' },
        { critical: 0, iodef: 'mailto:me@shop.test' },
      ],
    ],
    ['nothing that must be understood', [{ critical: 0, strange: 'x' }]],
    ['tags in capitals', [{ critical: 128, ISSUE: 'ca.test' }]],
  ] as const)
    test(`permits ${what}`, () => assert.deepEqual(read(...records), { types: BOTH }))
  test('names who is permitted, and what would permit us', () => {
    const { types, why } = read({ critical: 0, issue: 'other.test' }, { critical: 0, issue: 'another.test; x=y' })
    assert.deepEqual(types, [])
    assert.equal(why, 'The CAA records of shop.test permit only other.test, another.test, not ca.test: add the record 0 issue "ca.test"')
    assert.match(read({ critical: 0, issue: ';' }).why ?? '', /permit no certificate authority, not ca\.test/)
  })
  test('refuses where a property must be understood that nobody knows', () => {
    assert.match(read({ critical: 128, strange: 'x' }, { critical: 0, issue: 'ca.test' }).why ?? '', /critical property "strange"/)
  })
  test('heeds by which challenges we may be asked (RFC 8657)', () => {
    assert.deepEqual(read({ critical: 0, issue: 'ca.test; validationmethods=dns-01,tls-alpn-01' }).types, ['tls-alpn-01'])
    const { types, why } = read({ critical: 0, issue: 'ca.test;validationmethods=dns-01' })
    assert.deepEqual(types, [])
    assert.match(why ?? '', /permit ca\.test the challenge dns-01 only, not http-01 or tls-alpn-01$/)
    assert.deepEqual(read({ critical: 0, issue: 'ca.test;validationmethods=dns-01' }, { critical: 0, issue: 'ca.test' }).types, BOTH)
  })
  test('heeds which account may ask', () => {
    const record = (account: string) => ({ critical: 0, issue: `ca.test; accounturi=${account}; validationmethods=http-01` })
    assert.deepEqual(read(record('https://ca.test/acct/1')).types, ['http-01'])
    assert.deepEqual(read(record('https://ca.test/acct/2'), record('https://ca.test/acct/1')).types, ['http-01'])
    const { types, why } = read(record('https://ca.test/acct/2'))
    assert.deepEqual(types, [])
    assert.match(why ?? '', /permit ca\.test other accounts only, not ours: https:\/\/ca\.test\/acct\/1$/)
  })
  test('shows nothing that could pass for something else', () => {
    const { why = '' } = read({ critical: 0, issue: `\u001b[31m\n${'x'.repeat(1000)}` })
    assert.match(why, /permit only \?+\w+/)
    assert.ok(!/[\u0000-\u001f]/.test(why) && !why.includes('x'.repeat(101)))
  })
})
