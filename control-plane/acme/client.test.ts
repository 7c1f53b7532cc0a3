import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { suite, test } from 'node:test'
import { guardedLookup, isPublicAddress } from '../../kernel/public-address.ts'
import { createSigningRequest } from '../../kernel/signing-request.ts'
import { createTestAuthority } from '../../kernel/signing-testbed.ts'
import { AcmeClient, preferredChain } from './client.ts'
import { AccountKey } from './jws.ts'
import { AcmeProblem, problemOf, retryAfter } from './problem.ts'
import { type FakeAuthority, startFakeAuthority } from './testbed.ts'

const NOT_STOPPED = new AbortController().signal

suite('AcmeClient', { timeout: 30_000 }, () => {
  test('makes one account for a key, whoever asks', async () => {
    await using authority = await startFakeAuthority()
    const account = AccountKey.generate()
    for (let count = 0; count < 2; count++) await withClient(authority, account, client => client.order(['a.test'], NOT_STOPPED))
    assert.deepEqual([authority.accounts, authority.orders], [1, 2])
  })
  test('makes its account anew where the authority has lost it', async () => {
    await using authority = await startFakeAuthority()
    await withClient(authority, AccountKey.generate(), async client => {
      await client.order(['a.test'], NOT_STOPPED)
      authority.fault = path => (path === '/order' ? { status: 400, type: 'accountDoesNotExist' } : undefined)
      await assert.rejects(client.order(['a.test'], NOT_STOPPED), AcmeProblem)
      authority.fault = () => undefined
      await client.order(['a.test'], NOT_STOPPED)
      assert.equal(authority.asked.filter(({ path }) => path === '/account').length, 2)
    })
  })
  test('gives up after ten nonces that are refused', async () => {
    await using authority = await startFakeAuthority()
    authority.nonceRefusals = 1
    let count = 0
    authority.fault = path => void (count += Number(path === '/account'))
    await withClient(authority, AccountKey.generate(), client =>
      assert.rejects(client.order(['a.test'], NOT_STOPPED), (error: AcmeProblem) => error.type === 'badNonce'),
    )
    assert.equal(count, 10)
  })
  test('orders without the old certificate where its authority does not know that', async () => {
    await using authority = await startFakeAuthority()
    authority.renewal = { startMs: 0, endMs: 1000 }
    let isFirst = true
    authority.fault = path => {
      if (path !== '/order' || !isFirst) return undefined
      isFirst = false
      return { status: 409, type: 'alreadyReplaced' }
    }
    await withClient(authority, AccountKey.generate(), client => client.order(['a.test'], NOT_STOPPED, 'id.serial'))
    assert.equal(authority.orders, 1)
  })
  for (const [what, listener] of [
    ['no JSON', (_, response) => response.end('<html>')],
    ['JSON of another kind', (_, response) => response.setHeader('content-type', 'application/json').end('[]')],
    ['broken JSON', (_, response) => response.setHeader('content-type', 'application/json').end('{"newNonce":')],
    ['an error', (_, response) => response.writeHead(500).end()],
    ['more than 1 MB', (_, response) => response.end('x'.repeat(2_000_000))],
    ['half an answer', (_, response) => response.writeHead(200, { 'content-length': 100 }).write('x', () => response.destroy())],
  ] as [string, RequestListener][])
    test(`fails, and no more than that, where a directory is ${what}`, async () => {
      const server = createServer(listener).listen(0, '127.0.0.1')
      await once(server, 'listening')
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
      const client = new AcmeClient({ url, account: AccountKey.generate() })
      await assert.rejects(client.order(['a.test'], NOT_STOPPED))
      await client.close()
      server.closeAllConnections()
      server.close()
    })
  test('does not go where a user’s authority leads when that is no name on the public internet', async () => {
    await using authority = await startFakeAuthority()
    const lookup = guardedLookup(isPublicAddress)
    for (const url of [authority.url, 'https://127.0.0.1/', 'https://[::1]/', 'https://localhost/', 'file:///etc/passwd', 'no address']) {
      const client = new AcmeClient({ url, account: AccountKey.generate(), lookup })
      await assert.rejects(
        client.order(['a.test'], NOT_STOPPED),
        /must be a name, over https|no address on the public internet|ENOTFOUND|fetch/,
        url,
      )
      await client.close()
    }
    assert.equal(authority.asked.length, 0)
  })
  test('stops when it is told to', async () => {
    await using authority = await startFakeAuthority()
    const stopping = new AbortController()
    await withClient(authority, AccountKey.generate(), async client => {
      const order = await client.order(['a.test'], NOT_STOPPED)
      const waiting = client.authorized(order.authorizations[0] as string, stopping.signal)
      stopping.abort(new Error('stopped'))
      await assert.rejects(waiting, /stopped|abort/i)
    })
  })
})

suite('preferredChain()', () => {
  test('is the first where none is of the wanted root', async () => {
    const [a, b] = [(await createTestAuthority('A')).certificate, (await createTestAuthority('B')).certificate]
    assert.equal(preferredChain([a, b], 'B'), b)
    assert.equal(preferredChain([a, b], 'C'), a)
    assert.equal(preferredChain([a, b], undefined), a)
  })
})

suite('createSigningRequest()', () => {
  test('leaves a name out of the subject that does not fit there', async () => {
    const authority = await createTestAuthority('Test')
    const long = `${'a'.repeat(60)}.shop.test`
    for (const name of ['a.test', long]) assert.deepEqual(await authority.namesOf((await createSigningRequest([name])).request), [name])
  })
})

suite('problemOf()', () => {
  test('reads whatever it is given', () => {
    for (const body of [undefined, null, '', 'text', [], { subproblems: 'x' }, { subproblems: [{ detail: {} }], detail: 5, type: 7 }])
      assert.ok(problemOf(400, body, undefined).message.length > 0)
    assert.equal(problemOf(403, { type: 'urn:ietf:params:acme:error:caa', detail: 'x'.repeat(1000) }, 5).message.length, 500)
  })
})

suite('AcmeProblem.concerns()', () => {
  const concerns = (detail: string, domain = 'www.shop.example') => new AcmeProblem(429, 'rateLimited', detail).concerns(domain)
  for (const detail of [
    'too many certificates (50) already issued for "shop.example" in the last 168h0m0s, retry after 2026-01-01 00:00:00 UTC: see https://ca.test/docs/',
    'too many failed authorizations (5) for "www.shop.example" in the last 1h0m0s',
    'too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s',
    'Limit; www.shop.example: too many orders',
    'too many for shop.example.',
  ])
    test(`is so for: ${detail}`, () => assert.ok(concerns(detail)))
  for (const detail of [
    'too many new orders (300) from this account in the last 3h0m0s, retry after 2026-01-01: see https://shop.example/docs/',
    'Service busy; retry later',
    'too many certificates for "other.example"',
    'too many for "myshop.example" and "www.shop.example.net"',
    'example',
  ])
    test(`is not so for: ${detail}`, () => assert.ok(!concerns(detail)))
})

suite('retryAfter()', () => {
  for (const [text, ms] of [
    ['120', 120_000],
    ['0', 0],
    ['99999999', 7 * 86_400_000],
    ['soon', undefined],
    ['-5', undefined],
    [undefined, undefined],
  ] as const)
    test(`${text} is ${ms}`, () => assert.equal(retryAfter(text, Date.parse('2026-01-01T00:00:00Z')), ms))
  test('reads dates', () => assert.equal(retryAfter('Thu, 01 Jan 2026 00:01:00 GMT', Date.parse('2026-01-01T00:00:00Z')), 60_000))
})

async function withClient<T>({ url }: FakeAuthority, account: AccountKey, work: (client: AcmeClient) => Promise<T>): Promise<T> {
  const client = new AcmeClient({ url, account })
  try {
    return await work(client)
  } finally {
    await client.close()
  }
}
