import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { suite, test } from 'node:test'
import { type Certificate, readCertificate } from '../../router/tls/certificates.ts'
import { skimCertificate } from '../../router/tls/skim.ts'
import { authority, type Issued, issue } from './pki.ts'

const root = authority()
const below = authority('Test Intermediate', root)
const bottom = authority('Test Issuer', below)
const rsaRoot = authority('RSA Root', undefined, { kind: 'rsa' })
const names = ['shop.example.com', '*.shop.example.com']
const ec = issue(below, names)
const rsa = issue(rsaRoot, names, { kind: 'rsa' })
const deep = issue(bottom, names)
const own = issue(undefined, names)
const other = issue(below, names)
const crlf = (text: string) => text.replaceAll('\n', '\r\n')
const oldForm = ({ key }: Issued, type: 'pkcs1' | 'sec1') => createPrivateKey(key).export({ type, format: 'pem' }) as string

suite('skimCertificate()', () => {
  const plain: Record<string, readonly [certificates: string, key: string]> = {
    'an EC certificate alone': [ec.certificate, ec.key],
    'an RSA certificate alone': [rsa.certificate, rsa.key],
    'one that vouches for itself': [own.certificate, own.key],
    'an authority that vouches for itself': [root.certificate, root.key],
    'one with its issuer': [ec.certificate + below.certificate, ec.key],
    'one with two issuers': [deep.certificate + bottom.certificate + below.certificate, deep.key],
    'one with all up to its root, which is not sent': [
      deep.certificate + bottom.certificate + below.certificate + root.certificate,
      deep.key,
    ],
    'one with its root alone': [rsa.certificate + rsaRoot.certificate, rsa.key],
    'one with a strange root': [ec.certificate + rsaRoot.certificate, ec.key],
    'one with another of the same authority': [ec.certificate + other.certificate, ec.key],
    'one with another in the middle': [deep.certificate + other.certificate + bottom.certificate, deep.key],
    'lines that end with CR LF': [crlf(ec.certificate + below.certificate), crlf(ec.key)],
    'blank lines between certificates': [`${ec.certificate}\n\n${below.certificate}\n`, ec.key],
    'no end of the last line': [ec.certificate.trimEnd(), ec.key.trimEnd()],
    'a key in PKCS #1': [rsa.certificate, oldForm(rsa, 'pkcs1')],
    'a key in SEC 1': [ec.certificate, oldForm(ec, 'sec1')],
  }
  for (const [name, [certificates, key]] of Object.entries(plain))
    test(`reads ${name} as OpenSSL does`, () => assert.deepEqual(skimCertificate(certificates, key), whole(certificates, key)))

  test('reads every EC key, whatever its number begins with', () => {
    for (let round = 0; round < 600; round++) {
      const { certificate, key } = issue(undefined, ['a.test'])
      assert.ok(skimCertificate(certificate, key), key)
    }
  })

  const weak = issue(below, names, { kind: 'rsa', bits: 1024 })
  const withAddress = issue(below, ['shop test'])
  const responding = issue(below, names, { ocsp: 'http://ocsp.test' })
  const oneLine = (text: string) => text.replace(/(?<!-)\n(?!-)/g, '')
  const others: Record<string, readonly [certificates: string, key: string]> = {
    nothing: ['', ''],
    garbage: ['garbage', ec.key],
    'a key of garbage': [ec.certificate, 'garbage'],
    'a certificate that is cut': [ec.certificate.slice(0, 300), ec.key],
    'the key of another': [ec.certificate, other.key],
    'a key of another kind': [ec.certificate, rsa.key],
    'a key behind its issuer': [below.certificate + ec.certificate, ec.key],
    'issuers out of order': [deep.certificate + below.certificate + bottom.certificate, deep.key],
    'a strange authority': [deep.certificate + below.certificate, deep.key],
    'two keys': [ec.certificate, ec.key + other.key],
    'a key that the table of sizes forbids': [weak.certificate, weak.key],
    'a name with a blank': [withAddress.certificate, withAddress.key],
    'a responder, whose root may stand elsewhere': [responding.certificate, responding.key],
    'words around it': [`Subject: me\n${ec.certificate}`, ec.key],
    'words behind it': [`${ec.certificate}that is it`, ec.key],
    'one long line': [oneLine(ec.certificate), ec.key],
    'the alphabet of addresses': [ec.certificate.replace(/[A-Z](?=[A-Za-z])(?=.*\n)(?!.*-)/, '_'), ec.key],
    'more than a chain has': [ec.certificate + below.certificate.repeat(20), ec.key],
    'an encrypted key': [ec.certificate, encrypted(ec)],
  }
  for (const [name, [certificates, key]] of Object.entries(others))
    test(`leaves ${name} to OpenSSL`, () => assert.equal(skimCertificate(certificates, key), undefined))

  test('says nothing of what was changed somewhere that OpenSSL does not say, or refuses', () => {
    let seed = 1
    const random = (below: number) => {
      seed = (seed * 48271) % 2147483647
      return seed % below
    }
    const pairs = [
      [ec.certificate + below.certificate, ec.key],
      [rsa.certificate, rsa.key],
      [ec.certificate, oldForm(ec, 'sec1')],
    ] as const
    let takenCount = 0
    for (let round = 0; round < 1500; round++) {
      const pair = [...pairs[round % pairs.length]!] as [string, string]
      const part = random(2)
      const lines = pair[part]!.split('\n')
      const body = lines.flatMap((line, index) => (line === '' || line.startsWith('-') ? [] : [index]))
      const index = body[random(body.length)]!
      const at = random(lines[index]!.length)
      lines[index] = `${lines[index]!.slice(0, at)}${'ABCDwxyz0189+/=_ '[random(17)]}${lines[index]!.slice(at + 1)}`
      pair[part] = lines.join('\n')
      const skimmed = skimCertificate(...pair)
      const read = whole(...pair)
      if (skimmed === undefined || read === undefined) continue
      takenCount++
      assert.deepEqual(skimmed, read, pair.join(''))
    }
    // Serial numbers, signatures and other parts that mean nothing here.
    assert.ok(takenCount > 100)
  })
})

/** What OpenSSL makes of it; `undefined`: it refuses. */
function whole(certificates: string, key: string): Certificate | undefined {
  try {
    return readCertificate({ stringData: { 'tls.crt': certificates, 'tls.key': key } })
  } catch {
    return undefined
  }
}

function encrypted({ key }: Issued): string {
  return createPrivateKey(key).export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' }) as string
}
