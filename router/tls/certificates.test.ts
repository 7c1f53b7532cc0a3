import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { selfSigned } from '../../kernel/x509.ts'
import { certificateWarnings, readCertificate } from './certificates.ts'

const shop = selfSigned({ names: ['shop.example.com', '*.shop.example.com'], days: 30 })
const other = selfSigned({ names: ['other.example.com'], days: 30 })

suite('readCertificate()', () => {
  test('reads chain, names and end', () => {
    const certificate = readCertificate(secret({ 'tls.crt': shop.certificate, 'tls.key': shop.key }))
    assert.deepEqual(certificate.names, ['shop.example.com', '*.shop.example.com'])
    assert.equal(certificate.chain, shop.certificate)
    assert.ok(Math.abs(certificate.notAfterMs - Date.now() - 30 * 86_400_000) < 60_000)
  })

  test('gives the same id to the same pair only', () => {
    const read = (pair: typeof shop) => readCertificate(secret({ 'tls.crt': pair.certificate, 'tls.key': pair.key })).id
    assert.equal(read(shop), read(shop))
    assert.notEqual(read(shop), read(other))
  })

  test('takes the old keys only when told', () => {
    const old = secret({ cert: shop.certificate, key: shop.key })
    assert.throws(() => readCertificate(old), /has no tls\.crt/)
    assert.equal(readCertificate(old, { oldKeys: true }).chain, shop.certificate)
  })

  for (const [name, data, message] of [
    ['a missing key', { 'tls.crt': shop.certificate }, /has no tls\.key/],
    ['an empty certificate', { 'tls.crt': '', 'tls.key': shop.key }, /has no tls\.crt/],
    ['garbage', { 'tls.crt': 'garbage', 'tls.key': shop.key }, /Could not load certificate/],
    ['a broken key', { 'tls.crt': shop.certificate, 'tls.key': 'garbage' }, /Could not load private key/],
    ['the key of another certificate', { 'tls.crt': shop.certificate, 'tls.key': other.key }, /not its key/],
  ] as const) {
    test(`refuses ${name}`, () => assert.throws(() => readCertificate(secret(data)), message))
  }
})

suite('certificateWarnings()', () => {
  const certificate = readCertificate(secret({ 'tls.crt': shop.certificate, 'tls.key': shop.key }))
  const day = 86_400_000

  test('has none for a certificate in its time and of its name', () => {
    for (const domain of ['shop.example.com', 'a.shop.example.com', '*.shop.example.com'])
      assert.deepEqual(certificateWarnings(certificate, domain, Date.now()), [], domain)
  })
  test('tells an expired one', () => {
    assert.match(certificateWarnings(certificate, 'shop.example.com', Date.now() + 31 * day)[0]!, /expired on/)
  })
  test('tells one of another name, and a wildcard that would have to stand for two labels', () => {
    for (const domain of ['example.com', 'a.b.shop.example.com'])
      assert.match(certificateWarnings(certificate, domain, Date.now())[0]!, /is not for/, domain)
  })
})

function secret(data: Record<string, string>) {
  return { data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')])) }
}
