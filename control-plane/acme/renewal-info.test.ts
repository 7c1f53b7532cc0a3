import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createSigningRequest } from '../../kernel/signing-request.ts'
import { createTestAuthority } from '../../kernel/signing-testbed.ts'
import { readRenewalInfo, renewalId } from './renewal-info.ts'

suite('renewalId()', () => {
  test('is that of RFC 9773 for the certificate of its appendix A', () => {
    assert.equal(renewalId(APPENDIX_A), 'aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE')
  })
  test('is the authority’s key identifier and the serial number, positive as DER writes it', async () => {
    const authority = await createTestAuthority('Test')
    const { request } = await createSigningRequest(['a.test'])
    const pem = await authority.certify(request, { notBefore: new Date(), notAfter: new Date(Date.now() + 1000) })
    assert.match(renewalId(pem) ?? '', /^[\w-]{27}\.APAAAAI$/)
    assert.equal(renewalId(authority.certificate), undefined)
  })
})

suite('readRenewalInfo()', () => {
  const window = { start: '2026-01-02T04:00:00Z', end: '2026-01-03T04:00:00.5+01:00' }
  const times = { startMs: Date.parse(window.start), endMs: Date.parse(window.end) }
  test('reads the window, how long it holds, and where it is explained', () => {
    const body = { suggestedWindow: window, explanationURL: 'https://ca.test/why' }
    assert.deepEqual(readRenewalInfo(200, body, { 'retry-after': '21600' }), {
      ...{ ...times, againAfterMs: 21_600_000, explanation: 'https://ca.test/why' },
    })
    assert.deepEqual(readRenewalInfo(200, { suggestedWindow: window }, {}), times)
  })
  for (const explanationURL of ['javascript:alert(1)', 'http://ca.test/', 'no address', 7, `https://ca.test/${'x'.repeat(500)}`])
    test(`shows nobody the explanation ${String(explanationURL).slice(0, 30)}`, () =>
      assert.deepEqual(readRenewalInfo(200, { suggestedWindow: window, explanationURL }, {}), times))
  for (const [what, status, body] of [
    ['another status', 404, { suggestedWindow: window }],
    ['one that ends as it begins', 200, { suggestedWindow: { start: window.start, end: window.start } }],
    ['one that ends before it begins', 200, { suggestedWindow: { start: window.end, end: window.start } }],
    ['times that are none', 200, { suggestedWindow: { start: '1', end: 'tomorrow' } }],
    ['numbers', 200, { suggestedWindow: { start: 1, end: 2 } }],
    ['nothing', 200, undefined],
    ['text', 200, 'soon'],
    ['half a window', 200, { suggestedWindow: { start: window.start } }],
  ] as const)
    test(`takes ${what} for no answer`, () => assert.equal(readRenewalInfo(status, body, {}), undefined))
})

/** As the RFC prints it: its serial number begins with a bit that would make it negative. */
const APPENDIX_A = `-----BEGIN CERTIFICATE-----
MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt
cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS
BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu
7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf
qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B
yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb
+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK
-----END CERTIFICATE-----
`
