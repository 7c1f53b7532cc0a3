import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { promisify } from 'node:util'
import { silentLog } from '../../kernel/log.ts'
import { type Bed, ok, startBed, startHttpApp, type TestApp } from '../../router/serve/testbed.ts'
import { Table } from '../../router/table/table.ts'
import { ServerTls } from '../../router/tls/server-options.ts'
import { authority, issue } from '../tls/pki.ts'

// What scanners of other people's make say of the router as it is by default, on loopback.

const run = promisify(execFile)
/** testssl makes some three hundred handshakes, each a process. */
const SCAN_MS = 400_000

suite('A scan of the https port', () => {
  let app: TestApp
  let bed: Bed
  let folder: string
  before(async () => {
    const root = authority()
    const below = authority('Test Intermediate', root)
    const { certificate, key } = issue(below, ['localhost'], { kind: 'rsa', ocsp: 'http://ocsp.invalid/' })
    const table = new Table().apply({
      ...{ version: 1, whole: true, routes: [] },
      hosts: [['localhost', { app: 'shop/shop', certificate: 'shop/cert' }]],
      certificates: [
        [
          'shop/cert',
          { id: 'shop', chain: certificate + below.certificate, key, names: ['localhost'], notAfterMs: Number.POSITIVE_INFINITY },
        ],
      ],
      defaultCertificate: 'shop/cert',
    })
    const tls = new ServerTls(table, { ticketKeys: randomBytes(48) }, silentLog).options(() => table)
    folder = mkdtempSync(join(tmpdir(), 'tls-scan-'))
    writeFileSync(join(folder, 'root.pem'), root.certificate)
    app = await startHttpApp(() => ok('fine'))
    bed = await startBed({ apps: { localhost: app }, policy: { hsts: 'max-age=31536000; includeSubDomains' }, tls })
  })
  after(async () => {
    await bed[Symbol.asyncDispose]()
    await app[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true })
  })

  test('by testssl finds nothing above LOW, and gives an A where it gives grades', {
    skip: missing('testssl'),
    timeout: SCAN_MS + 10_000,
  }, async () => {
    const report = join(folder, 'report.json')
    const options = ['--quiet', '--color', '0', '--warnings', 'off', '--ip', '127.0.0.1', '--add-ca', join(folder, 'root.pem')]
    // It ends with the number of its findings.
    await run('testssl', [...options, '--jsonfile', report, `localhost:${bed.httpsPort}`], { timeout: SCAN_MS }).catch(error => {
      if (error.killed || typeof error.code !== 'number') throw error
    })
    const findings = JSON.parse(readFileSync(report, 'utf8')) as { id: string; severity: string; finding: string }[]
    assert.ok(findings.length > 100, `${findings.length} findings`)
    const grave = findings.filter(({ id, severity }) => ['MEDIUM', 'HIGH', 'CRITICAL', 'FATAL'].includes(severity) && !ELSEWHERE.has(id))
    assert.deepEqual(grave, [])
    // Versions before 3.2 give none.
    assert.match(findings.find(({ id }) => id === 'overall_grade')?.finding ?? 'A', /^A/)
  })

  test('by sslscan sees TLS 1.2 and 1.3, forward secret AEAD, and nothing else', {
    skip: missing('sslscan'),
    timeout: 120_000,
  }, async () => {
    const { stdout } = await run('sslscan', ['--no-colour', `localhost:${bed.httpsPort}`], { timeout: 110_000 })
    const lines = stdout.split('\n')
    assert.deepEqual(
      lines.filter(line => /^(?:SSLv|TLSv)[\d.]+\s+enabled/.test(line)).map(line => line.split(/\s+/)[0]),
      ['TLSv1.2', 'TLSv1.3'],
    )
    const ciphers = lines.filter(line => /^(?:Preferred|Accepted)/.test(line)).map(line => line.split(/\s+/)[4] ?? '')
    assert.equal(ciphers.length, 6)
    assert.deepEqual(
      ciphers.filter(cipher => !/^(?:TLS_(?:AES|CHACHA20)|ECDHE-)/.test(cipher) || !/GCM|POLY1305/.test(cipher)),
      [],
    )
    assert.match(stdout, /renegotiation not supported/)
    assert.match(stdout, /TLSv1.2 not vulnerable to heartbleed/)
  })
})

/** What is a matter of the name's zone, and of the app's own answers, not of the router. */
const ELSEWHERE = new Set(['DNS_CAArecord', 'security_headers'])

function missing(program: string): string | false {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).error ? `${program} is not installed` : false
}
