import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { selfSigned } from '../../kernel/x509.ts'
import { readCertificate } from './certificates.ts'
import { TlsContexts } from './contexts.ts'

const [a, b, c] = ['a', 'b', 'c'].map(name => {
  const pair = selfSigned({ names: [`${name}.example.com`], days: 1 })
  const encode = (text: string) => Buffer.from(text).toString('base64')
  return readCertificate({ data: { 'tls.crt': encode(pair.certificate), 'tls.key': encode(pair.key) } })
}) as [Certificate, Certificate, Certificate]
type Certificate = ReturnType<typeof readCertificate>

suite('TlsContexts', () => {
  test('makes a context once for a certificate', () => {
    const contexts = new TlsContexts({ minVersion: 'TLSv1.2' })
    assert.equal(contexts.of(a), contexts.of({ ...a }))
    assert.notEqual(contexts.of(a), contexts.of(b))
  })

  test('forgets the least used beyond its bound', () => {
    const contexts = new TlsContexts({}, { max: 2 })
    const first = contexts.of(a)
    contexts.of(b)
    contexts.of(c)
    assert.equal(contexts.size, 2)
    assert.notEqual(contexts.of(a), first)
  })

  test('configure() makes them anew only for another policy', () => {
    const contexts = new TlsContexts({ minVersion: 'TLSv1.2' })
    const first = contexts.of(a)
    contexts.configure({ minVersion: 'TLSv1.2' })
    assert.equal(contexts.of(a), first)
    contexts.configure({ minVersion: 'TLSv1.3' })
    assert.notEqual(contexts.of(a), first)
  })
})
