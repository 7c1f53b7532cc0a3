import assert from 'node:assert/strict'
import { randomBytes, X509Certificate } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { suite, test } from 'node:test'
import { type ConnectionOptions, connect, createServer, type TLSSocket } from 'node:tls'
import { silentLog } from '../../kernel/log.ts'
import { selfSigned } from '../../kernel/x509.ts'
import { readSettings } from '../table/settings.ts'
import type { TableDelta, TlsSettings } from '../table/spec.ts'
import { Table } from '../table/table.ts'
import { readCertificate } from './certificates.ts'
import { keyExchangeGroups, TLS_POLICIES, type TlsPolicyName, type TlsVersion } from './policies.ts'
import { ServerTls } from './server-options.ts'

const [shop, platform] = [certificate('shop.test'), certificate('*.platform.test')]
const keys = { ticketKeys: randomBytes(48) }

suite('ServerTls', () => {
  test('shows the certificate of the name, or else the platform one', async () => {
    const shown = (servername: string) => handshake(tableOf({}), { servername }, socket => socket.getPeerX509Certificate()?.fingerprint256)
    assert.equal(await shown('shop.test'), fingerprint(shop.chain))
    assert.equal(await shown('SHOP.test'), fingerprint(shop.chain))
    assert.equal(await shown('other.test'), fingerprint(platform.chain))
    assert.equal(await shown(''), fingerprint(platform.chain))
  })

  test('shows a self-signed certificate where there is no other', async () => {
    const subject = await handshake(new Table(), { servername: 'shop.test' }, socket => socket.getPeerX509Certificate()?.subject)
    assert.equal(subject, 'CN=router.invalid')
  })

  test('offers TLS 1.2 and 1.3 and nothing older, or what the annotations say', async () => {
    const version = (tls: Partial<TlsSettings>, options: ConnectionOptions = {}) =>
      handshake(tableOf(tls), { servername: 'shop.test', ...options }, socket => socket.getProtocol())
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
    assert.equal(await version({}), 'TLSv1.3')
    assert.equal(await version({}, { maxVersion: 'TLSv1.2' }), 'TLSv1.2')
    await assert.rejects(version({}, old), /alert|version|ECONNRESET/i)
    assert.equal(await version({ maxVersion: 'TLSv1.2' }), 'TLSv1.2')
    await assert.rejects(version({ minVersion: 'TLSv1.3' }, { maxVersion: 'TLSv1.2' }), /alert|version|ECONNRESET/i)
  })

  suite('offers by policy', () => {
    const OLD_CLIENT = { ciphers: 'DEFAULT:@SECLEVEL=0' }
    const offer = (policy: TlsPolicyName, options: ConnectionOptions) =>
      handshake(tableOf({ policy, ...TLS_POLICIES[policy] }), { servername: 'shop.test', ...options }, socket => ({
        version: socket.getProtocol(),
        cipher: socket.getCipher().standardName,
        group: (socket.getEphemeralKeyInfo() as { name?: string }).name,
      }))
    const exactly = (version: TlsVersion) => ({ minVersion: version, maxVersion: version })

    test('modern: TLS 1.3 alone', async () => {
      assert.equal((await offer('modern', {})).version, 'TLSv1.3')
      await assert.rejects(offer('modern', exactly('TLSv1.2')), /alert|version|ECONNRESET/i)
    })
    test('intermediate: forward secret AEAD in the order of the server, ChaCha20 for who prefers it', async () => {
      const client = (ciphers: string) => offer('intermediate', { ...exactly('TLSv1.2'), ciphers })
      const names = ['ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-RSA-CHACHA20-POLY1305', 'ECDHE-RSA-AES128-GCM-SHA256']
      assert.equal((await client(names.join(':'))).cipher, 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256')
      assert.equal((await client(names.toReversed().slice(1).join(':'))).cipher, 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256')
      assert.equal((await offer('intermediate', {})).cipher, 'TLS_AES_128_GCM_SHA256')
      for (const weak of ['AES128-GCM-SHA256', 'ECDHE-RSA-AES128-SHA256', 'ECDHE-RSA-AES128-SHA', 'DHE-RSA-AES128-GCM-SHA256'])
        await assert.rejects(client(weak), /alert|ECONNRESET/i, weak)
    })
    test('old: TLS 1.0 and 1.1 too, and the newest for who can', async () => {
      for (const version of ['TLSv1', 'TLSv1.1', 'TLSv1.2'] as const)
        assert.equal((await offer('old', { ...exactly(version), ...OLD_CLIENT })).version, version)
      assert.equal((await offer('old', {})).version, 'TLSv1.3')
    })
    test('X25519, P-256 and P-384 of key exchange, no larger or smaller ones', async () => {
      for (const [group, name] of [
        ['X25519', 'X25519'],
        ['P-256', 'prime256v1'],
        ['P-384', 'secp384r1'],
      ] as const)
        assert.equal((await offer('intermediate', { ...exactly('TLSv1.2'), ecdhCurve: group })).group, name)
      for (const group of ['P-521', 'secp224r1', 'X448'])
        await assert.rejects(offer('intermediate', { ...exactly('TLSv1.2'), ecdhCurve: group, ...OLD_CLIENT }), /alert|ECONNRESET/i, group)
    })
    test('the post-quantum hybrid, where OpenSSL has it', async context => {
      if (!keyExchangeGroups().startsWith('X25519MLKEM768')) return context.skip('this OpenSSL has none')
      assert.equal((await offer('intermediate', { ecdhCurve: 'X25519MLKEM768' })).version, 'TLSv1.3')
    })
  })

  test('update() asks for new options when versions or the default certificate change, not for another route', () => {
    const table = tableOf({})
    const tls = new ServerTls(table, keys, silentLog)
    const other = table.apply({ ...NOTHING, hosts: [['x.test', { app: 'x' }]] })
    assert.equal(tls.update(table, other), false)
    assert.equal(tls.update(other, other.apply({ ...NOTHING, defaultCertificate: null })), true)
    assert.equal(tls.update(table, tableOf({ minVersion: 'TLSv1.3' })), true)
  })
})

const NOTHING: TableDelta = { version: 2, whole: false, routes: [], hosts: [], certificates: [] }

function tableOf(tls: Partial<TlsSettings>): Table {
  const { settings } = readSettings(undefined, 'router.drycc.cc/')
  return new Table().apply({
    ...{ version: 1, whole: true, routes: [], defaultCertificate: 'platform' },
    settings: { ...settings, tls: { ...settings.tls, ...tls } },
    hosts: [['shop.test', { app: 'shop', certificate: 'shop' }]],
    certificates: [
      ['shop', shop],
      ['platform', platform],
    ],
  })
}

/** Serves by a table, connects once and asks the socket. */
async function handshake<T>(table: Table, options: ConnectionOptions, ask: (socket: TLSSocket) => T): Promise<T> {
  const server = createServer(
    new ServerTls(table, keys, silentLog).options(() => table),
    socket => socket.on('error', () => {}).end(),
  )
  server.on('tlsClientError', () => {})
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  try {
    return await new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, rejectUnauthorized: false, ...options })
      socket.on('error', reject)
      socket.on('secureConnect', () => {
        resolve(ask(socket))
        socket.destroy()
      })
    })
  } finally {
    await new Promise(resolve => server.close(resolve))
  }
}

function certificate(name: string) {
  const pair = selfSigned({ names: [name], days: 1 })
  const encode = (text: string) => Buffer.from(text).toString('base64')
  return readCertificate({ data: { 'tls.crt': encode(pair.certificate), 'tls.key': encode(pair.key) } })
}

function fingerprint(pem: string): string {
  return new X509Certificate(pem).fingerprint256
}
