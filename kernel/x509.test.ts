import assert from 'node:assert/strict'
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { suite, test } from 'node:test'
import { connect, createServer } from 'node:tls'
import forge from 'node-forge'
import { createAuthority, describeCertificate, isKeyOf, issueCertificate, readPkcs12, selfSigned } from './x509.ts'

suite('x509', () => {
  const authority = createAuthority('test authority')
  const server = issueCertificate(authority, { names: ['shop.example.com', '*.example.org', '127.0.0.1', '::1'], days: 30 })

  test('issueCertificate() makes one that a TLS client accepts by name and by address', async () => {
    const listener = createServer({ cert: server.certificate, key: server.key }, socket => socket.end('hello')).listen(0, '127.0.0.1')
    await once(listener, 'listening')
    for (const servername of ['shop.example.com', 'a.example.org']) {
      const { port } = listener.address() as AddressInfo
      const socket = connect({ port, host: '127.0.0.1', servername, ca: authority.certificate })
      const [data] = (await once(socket, 'data')) as [Buffer]
      assert.equal(String(data), 'hello')
      socket.destroy()
    }
    listener.close()
    const certificate = new X509Certificate(server.certificate)
    assert.equal(certificate.checkIP('127.0.0.1'), '127.0.0.1')
    assert.ok(certificate.verify(new X509Certificate(authority.certificate).publicKey))
  })

  test('issueCertificate() makes client certificates with a group', () => {
    const client = issueCertificate(authority, { names: [], commonName: 'admin', organization: 'system:masters', days: 1, client: true })
    assert.equal(describeCertificate(client.certificate).subject, '/CN=admin/O=system:masters')
  })

  test('describeCertificate() tells names, dates and fingerprint', () => {
    const description = describeCertificate(server.certificate)
    assert.deepEqual(description.names, ['shop.example.com', '*.example.org', '127.0.0.1', '0:0:0:0:0:0:0:1'])
    assert.equal(description.commonName, 'shop.example.com')
    assert.equal(description.issuer, '/CN=test authority')
    assert.match(description.fingerprint, /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/)
    const days = (description.notAfter.getTime() - Date.now()) / 86_400_000
    assert.ok(days > 29 && days < 31)
  })

  test('describeCertificate() refuses what is none', () => {
    for (const text of ['', 'x', server.key]) assert.throws(() => describeCertificate(text), /Could not load certificate/)
  })

  test('isKeyOf() tells the right key from another, and says which part is unreadable', () => {
    assert.ok(isKeyOf(server.certificate, server.key))
    assert.ok(!isKeyOf(server.certificate, authority.key))
    const elliptic = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
    assert.ok(!isKeyOf(server.certificate, elliptic))
    assert.throws(() => isKeyOf(server.certificate, 'x'), /Could not load private key/)
    assert.throws(() => isKeyOf('x', server.key), /Could not load certificate/)
  })

  test('selfSigned() vouches for itself', () => {
    const own = selfSigned({ names: ['localhost'], days: 1 })
    const certificate = new X509Certificate(own.certificate)
    assert.ok(certificate.verify(certificate.publicKey))
    assert.ok(isKeyOf(own.certificate, own.key))
  })

  test('readPkcs12() opens a file with its password only', () => {
    const rsa = forge.pki.privateKeyFromPem(server.key)
    const chain = [authority.certificate, server.certificate].map(pem => forge.pki.certificateFromPem(pem))
    const file = forge.pkcs12.toPkcs12Asn1(rsa, chain, 'secret', { algorithm: 'aes256' })
    const bytes = Buffer.from(forge.asn1.toDer(file).getBytes(), 'binary')
    const opened = readPkcs12(bytes, 'secret')
    assert.ok(isKeyOf(opened.certificate, opened.key))
    assert.throws(() => readPkcs12(bytes, 'wrong'))
    assert.throws(() => readPkcs12(Buffer.from('junk'), 'secret'))
  })
})
