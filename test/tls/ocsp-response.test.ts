import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { readResponse } from '../../router/ocsp/response.ts'
import { readSubject } from '../../router/ocsp/subject.ts'
import { der, oid, sequence } from './der.ts'
import { certificateId, ocspResponse, type Saying } from './ocsp.ts'
import { authority, type Issued, issue } from './pki.ts'

const OCSP_SIGNING = '1.3.6.1.5.5.7.3.9'
const URL = 'http://ocsp.test/of/this'

for (const kind of ['ec', 'rsa'] as const) {
  const issuer = authority('Test Issuer', undefined, { kind })
  const leaf = issue(issuer, ['shop.test'], { kind, ocsp: URL })
  const subject = readSubject(leaf.certificate + issuer.certificate)!
  const read = (bytes: Buffer, nowMs = Date.now()) => readResponse(bytes, subject.question!, nowMs)
  const say = (saying: Saying) => read(ocspResponse(issuer, leaf, saying))
  const delegate = issue(issuer, [], { kind, commonName: 'Delegate', purposes: [OCSP_SIGNING] })

  suite(`readSubject() of ${kind} certificates`, () => {
    test('makes the question of RFC 6960 §4.1.1, without what is optional', () => {
      const wanted = sequence(sequence(sequence(sequence(certificateId(issuer, leaf.serial)))))
      assert.equal(subject.question!.request.toString('hex'), wanted.toString('hex'))
      assert.equal(subject.question!.url.href, URL)
      assert.equal(subject.isRequired, false)
    })
  })

  suite(`readResponse() with ${kind} keys takes`, () => {
    for (const [name, saying] of Object.entries({
      'the issuer’s own word': {},
      'the issuer’s own word, called by his name': { byName: true },
      'a delegate’s': { signer: delegate, brought: [delegate] },
      'a delegate’s, called by his name, with others beside him': { signer: delegate, byName: true, brought: [issuer, delegate] },
    } satisfies Record<string, Saying>))
      test(name, () => {
        const { status, nextUpdateMs } = say(saying)
        assert.equal(status, 'good')
        assert.ok(Math.abs(nextUpdateMs - Date.now() - 7 * 24 * 3600_000) < 60_000)
      })
    test('what it says: revoked with its date, or unknown', () => {
      const revoked = say({ status: 'revoked' })
      assert.equal(revoked.status, 'revoked')
      assert.equal(revoked.revokedAtMs, Date.parse('2026-01-02T03:04:05Z'))
      assert.equal(say({ status: 'unknown' }).status, 'unknown')
    })
  })

  suite(`readResponse() with ${kind} keys refuses`, () => {
    const stranger = authority('Test Issuer', undefined, { kind })
    const otherKind = authority('Other', undefined, { kind: kind === 'ec' ? 'rsa' : 'ec' })
    const purposeless = issue(issuer, [], { kind, commonName: 'No purpose' })
    const foreign = issue(stranger, [], { kind, commonName: 'Foreign', purposes: [OCSP_SIGNING] })
    const expired = issue(issuer, [], { kind, commonName: 'Expired', purposes: [OCSP_SIGNING], from: -9, until: -1 })
    const sha1 = kind === 'rsa' ? sequence(oid('1.2.840.113549.1.1.5'), der(0x05)) : sequence(oid('1.2.840.10045.4.1'))
    for (const [name, saying, message] of [
      ['a refusal', { code: 6 }, /may not speak of the certificate/],
      ['"later"', { code: 3 }, /no time now/],
      ['another certificate', { serial: '0123456789' }, /about another certificate/],
      ['another issuer’s certificate of the same number', { about: stranger }, /about another certificate/],
      ['a forged signature', { forger: stranger.privateKey }, /signature is wrong/],
      ['a stranger', { signer: otherKind }, /signer is unknown/],
      ['a stranger with the issuer’s name', { signer: stranger, byName: true }, /signature is wrong/],
      ['a delegate that stays away', { signer: delegate }, /signer is unknown/],
      ['a server’s own certificate', { signer: purposeless, brought: [purposeless] }, /no right to sign/],
      ['another authority’s delegate', { signer: foreign, brought: [foreign] }, /was not appointed/],
      ['a delegate whose time is over', { signer: expired, brought: [expired] }, /not of this time/],
      ['a crowd', { signer: delegate, brought: new Array<Issued>(5).fill(delegate) }, /more than 4/],
      ['one that has ended', { until: -1000 }, /ended on/],
      ['one of the future', { from: 600_000 }, /begins in the future/],
      ['one without an end', { until: null }, /does not say when it ends/],
      ['what it must know and does not', { criticalExtension: true }, /an extension that is not known/],
      ['SHA-1', { algorithm: sha1 }, /method that is not accepted/],
      ['a method of another kind of key', { algorithm: sequence(oid('1.3.101.112')) }, /method that is not accepted/],
    ] satisfies [string, Saying, RegExp][])
      test(name, () => assert.throws(() => say(saying), message))

    test('whatever is cut, longer, or has one other bit', () => {
      const bytes = ocspResponse(issuer, leaf, { signer: delegate, brought: [delegate] })
      for (let length = 0; length < bytes.length; length += 3) assert.throws(() => read(bytes.subarray(0, length)), Error, `${length}`)
      assert.throws(() => read(Buffer.concat([bytes, bytes])))
      const good = read(bytes)
      for (let at = 0; at < bytes.length; at += 2) {
        const other = Buffer.from(bytes)
        other[at]! ^= 1 << (at % 8)
        // Parts that nobody signs may be others: the response says the same.
        const said = attempt(() => read(other))
        if (said) assert.deepEqual(said, good, `bit of octet ${at}`)
      }
    })
    test('random bytes', () => {
      for (let seed = 1; seed < 300; seed++)
        assert.throws(() => read(Buffer.from(Array.from({ length: seed }, (_, at) => (seed * 31 + at * at * 7 + (at % seed)) & 0xff))))
    })
  })
}

suite('readSubject()', () => {
  const issuer = authority('Test Issuer')
  const of = (wish: Parameters<typeof issue>[2], chain = issuer.certificate) =>
    readSubject(issue(issuer, ['shop.test'], wish).certificate + chain)
  test('has nothing to say of a certificate without a responder', () => assert.equal(of({}), undefined))
  test('says that one must have a response, with a responder or without', () => {
    assert.equal(of({ ocsp: URL, mustStaple: true })?.isRequired, true)
    assert.equal(of({ ocsp: URL, mustStaple: true })?.reason, undefined)
    assert.match(of({ mustStaple: true })?.reason ?? '', /names no responder/)
  })
  test('asks over http only, without credentials, and only where the issuer is there', () => {
    for (const ocsp of [
      'https://ocsp.test/',
      'ldap://ocsp.test',
      'ocsp.test',
      'http://',
      'http://user:pass@ocsp.test/',
      'file:///etc/passwd',
    ])
      assert.match(of({ ocsp })?.reason ?? '', /not reached by http/, ocsp)
    assert.match(of({ ocsp: URL }, '')?.reason ?? '', /issuer’s certificate does not stand/)
    assert.match(of({ ocsp: URL }, authority('Other').certificate)?.reason ?? '', /issuer’s certificate does not stand/)
  })
  test('throws for what is no certificate', () => {
    const text = issue(issuer, ['shop.test'], { ocsp: URL }).certificate
    assert.throws(() => readSubject(text.replace(/\nMII./, '\nAAAA')))
  })
})

function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
