import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { startFakeAuthority } from '../../control-plane/acme/testbed.ts'
import { automaticName } from '../../control-plane/domain/automatic.ts'
import { find } from '../../kernel/kubernetes/api.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { describeCertificate, selfSigned } from '../../kernel/x509.ts'
import { CERTIFICATES, CHALLENGES, startWorld, type World } from './acme-world.ts'

suite('Automatic certificates', { timeout: 300_000 }, () => {
  test('come by themselves to the domains of an app that asks for them, and go when it does not', async () => {
    await using world = await startWorld()
    const { bed, authority, post } = world
    await post('shop', 'domains/', { domain: 'WWW.shop.test' })
    assert.equal((await post('shop', 'tls/', { certs_auto_enabled: true })).status, 201)
    await world.isServed('shop', 'www.shop.test')
    const { certificate } = await world.copyOf('shop', 'www.shop.test')
    assert.deepEqual(describeCertificate(certificate).names, ['www.shop.test'])
    assert.equal(authority.orders, 1)
    assert.ok(bed.lines.some(({ app, text }) => app === 'shop' && /^Certificate for www\.shop\.test issued, valid until /.test(text)))
    assert.equal((await world.annotations('shop'))[CHALLENGES], undefined)
    await post('shop', 'tls/', { certs_auto_enabled: false })
    await bed.until(async () => (await world.annotations('shop'))[CERTIFICATES] === undefined)
    await bed.until(async () => (await world.secrets('shop')).length === 0)
  })
  test('are asked for by nobody unless somebody wants them', async () => {
    await using world = await startWorld()
    await world.post('shop', 'domains/', { domain: 'www.shop.test' })
    await world.post('shop', 'tls/', { https_enforced: true })
    assert.equal(await find(world.bed.api, RESOURCES.leases, 'drycc', 'drycc-acme'), undefined)
    assert.equal(world.authority.orders, 0)
  })
  test('come to all where the operator says so, save to those that refuse and to those with a certificate by hand', async () => {
    await using world = await startWorld({ CONTROLLER_ACME_DOMAINS: 'all' })
    await world.post('shop', 'tls/', { certs_auto_enabled: false })
    await world.post('shop', 'domains/', { domain: 'www.shop.test' })
    await world.create('blog')
    await world.post('blog', 'domains/', { domain: 'blog.test' })
    await world.isServed('blog', 'blog.test')
    assert.equal(world.authority.orders, 1)
    assert.equal((await world.annotations('shop'))[CERTIFICATES], undefined)
  })
  test('are not ordered for names of the platform, and wildcards', async () => {
    await using world = await startWorld({ CONTROLLER_ACME_DOMAINS: 'all' })
    for (const domain of ['*.shop.test', 'deep.shop.localhost', 'www.shop.test']) await world.post('shop', 'domains/', { domain })
    await world.isServed('shop', 'www.shop.test')
    assert.equal(world.authority.orders, 1)
  })
  test('are not ordered for a domain that leads elsewhere, and it is said where', async () => {
    await using world = await startWorld()
    const { bed, authority, names } = world
    names.addresses.set('gone.shop.test', '')
    names.addresses.delete('gone.shop.test')
    await world.post('shop', 'domains/', { domain: 'away.shop.test' })
    names.addresses.set('away.shop.test', '127.0.0.2')
    await world.post('shop', 'domains/', { domain: 'none.example' })
    await world.post('shop', 'tls/', { certs_auto_enabled: true })
    const says = (text: RegExp) => bed.until(() => bed.lines.some(line => line.level === 'WARN' && text.test(line.text)))
    await says(
      /^No certificate for away\.shop\.test: away\.shop\.test leads to 127\.0\.0\.2, where this platform does not answer; next attempt at /,
    )
    await says(/^No certificate for none\.example: none\.example has no address: make a DNS record that leads to this platform; /)
    assert.equal(authority.orders, 0)
    assert.equal((await world.annotations('shop'))[CHALLENGES], undefined)
  })
  test('are not ordered of an authority that the domain’s owner does not permit, but of the next, or when he does', async () => {
    await using second = await startFakeAuthority()
    await using world = await startWorld({}, authority => `${authority},${second.url}`)
    const { bed, authority, names } = world
    second.look = authority.look
    authority.identities = ['one.test']
    second.identities = ['two.test']
    names.caa.set('www.shop.test', [{ flags: 0, tag: 'issue', value: 'two.test' }])
    names.caa.set('a.shop.test', [{ flags: 0, tag: 'issue', value: 'none.test' }])
    for (const domain of ['www.shop.test', 'a.shop.test']) await world.post('shop', 'domains/', { domain })
    await world.post('shop', 'tls/', { certs_auto_enabled: true })
    await world.isServed('shop', 'www.shop.test')
    assert.deepEqual([authority.orders, second.orders], [0, 1])
    await bed.until(() => bed.lines.some(({ text }) => text.startsWith('No certificate for a.shop.test: ')))
    const [line] = bed.lines.filter(({ text }) => text.startsWith('No certificate for a.shop.test: '))
    assert.match(
      line?.text ?? '',
      /: The CAA records of a\.shop\.test permit only none\.test, not one\.test: add the record 0 issue "one\.test"; next attempt at /,
    )
    names.caa.set('a.shop.test', [
      {
        flags: 0,
        tag: 'issue',
        value: `one.test; validationmethods=http-01; accounturi=${authority.url.replace('directory', 'accounts/0')}`,
      },
    ])
    await world.soon('a.shop.test')
    await world.isServed('shop', 'a.shop.test')
    assert.deepEqual([authority.orders, second.orders], [1, 1])
  })
  test('are ordered up to a quota of each owner, who is told when the next is possible', async () => {
    await using world = await startWorld({ CONTROLLER_ACME_OWNER_ORDERS: '2', CONTROLLER_ACME_DOMAINS: 'all' })
    const { bed, authority, names } = world
    names.addresses.set('c.shop.test', '127.0.0.1')
    const beganMs = Date.now()
    await Promise.all(['a.shop.test', 'b.shop.test', 'c.shop.test'].map(domain => world.post('shop', 'domains/', { domain })))
    const refused =
      /The apps of admin have ordered 2 new certificates within a week, as many as one owner may; the next is possible at (\S+?Z)/
    await bed.until(() => bed.lines.some(({ text }) => refused.test(text)))
    await bed.until(() => bed.lines.filter(({ text }) => text.startsWith('Certificate for ')).length === 2)
    const reasons = (await world.tls('shop')).certificates.map(({ reason = '' }: { reason?: string }) => refused.exec(reason)?.[1])
    const [next = '', ...others] = reasons.filter((time: string | undefined) => time !== undefined)
    assert.equal(others.length, 0)
    assert.ok(Date.parse(next) >= beganMs + 7 * 86_400_000 && Date.parse(next) <= Date.now() + 7 * 86_400_000, next)
    // Neither another app nor turning it off and on brings more.
    await world.create('blog')
    await world.post('blog', 'domains/', { domain: 'blog.test' })
    await bed.until(() => bed.lines.some(({ app, text }) => app === 'blog' && refused.test(text)))
    for (const wish of [false, true]) await world.post('shop', 'tls/', { certs_auto_enabled: wish })
    await bed.until(
      async () =>
        (await world.tls('shop')).certificates.filter(({ reason = '' }: { reason?: string }) => refused.test(reason)).length === 3,
    )
    assert.equal(authority.orders, 2)
    // It is an owner's own.
    const token = await bed.register('bob')
    await bed.call('POST', '/v2/apps/', { token, body: { id: 'theirs' } })
    await bed.call('POST', '/v2/apps/theirs/domains/', { token, body: { domain: 'www.shop.test' } })
    await world.isServed('theirs', 'www.shop.test')
  })
  test('cost one order although the control plane dies in the middle', async () => {
    await using world = await startWorld()
    const { bed, authority } = world
    const held = Promise.withResolvers<void>()
    authority.hold = held.promise
    await world.post('shop', 'domains/', { domain: 'www.shop.test' })
    await world.post('shop', 'tls/', { certs_auto_enabled: true })
    await bed.until(() => authority.asked.some(({ path }) => path.startsWith('/challenge/')))
    const stopped = bed.restart()
    held.resolve()
    await stopped
    await world.soon('www.shop.test')
    await world.isServed('shop', 'www.shop.test')
    assert.equal(authority.orders, 1)
    assert.equal(authority.accounts, 1)
  })
  test('survive an authority that refuses four nonces of ten', async () => {
    await using world = await startWorld()
    world.authority.nonceRefusals = 0.4
    await world.post('shop', 'domains/', { domain: 'www.shop.test' })
    await world.post('shop', 'tls/', { certs_auto_enabled: true })
    await world.isServed('shop', 'www.shop.test')
    assert.equal(world.authority.orders, 1)
  })
  test('wait as long as the authority says, all of them', async () => {
    await using world = await startWorld()
    const { bed, authority } = world
    authority.fault = path =>
      path === '/order' ? { status: 429, type: 'rateLimited', detail: 'too many orders', headers: { 'retry-after': '7200' } } : undefined
    await world.post('shop', 'domains/', { domain: 'a.shop.test' })
    const beganMs = Date.now()
    await world.post('shop', 'tls/', { certs_auto_enabled: true })
    await bed.until(() => bed.lines.some(({ text }) => /^No certificate for a\.shop\.test: too many orders; /.test(text)))
    const [line] = bed.lines.filter(({ text }) => text.includes('too many orders'))
    const next = Date.parse(/next attempt at (\S+)/.exec(line?.text ?? '')?.[1] ?? '')
    assert.ok(next >= beganMs + 7_200_000 && next <= Date.now() + 7_200_000, `${next - Date.now()} ms`)
    authority.fault = () => undefined
    await world.post('shop', 'domains/', { domain: 'b.shop.test' })
    await bed.until(() => bed.lines.some(({ text }) => /^No certificate for b\.shop\.test: .* wants no orders before /.test(text)))
    assert.equal(authority.orders, 0)
  })
  test('of one domain have to wait by themselves where the authority has issued too many for it', async () => {
    await using world = await startWorld()
    const { bed, authority } = world
    const detail = 'too many certificates (50) already issued for "shop.test" in the last 168h0m0s'
    authority.fault = path =>
      path === '/order' ? { status: 429, type: 'rateLimited', detail, headers: { 'retry-after': '86400' } } : undefined
    await world.post('shop', 'domains/', { domain: 'a.shop.test' })
    await world.post('shop', 'tls/', { certs_auto_enabled: true })
    await bed.until(() => bed.lines.some(({ text }) => text.startsWith(`No certificate for a.shop.test: ${detail}; next attempt at `)))
    authority.fault = () => undefined
    await world.post('shop', 'domains/', { domain: 'blog.test' })
    await world.isServed('shop', 'blog.test')
    const { nextAttemptAt = '', events = [] } = await world.record('a.shop.test')
    assert.ok(Date.parse(nextAttemptAt) - Date.parse(events.at(-1)?.time ?? '') >= 86_400_000)
  })
  test('are renewed when their authority says, which learns what they replace', async () => {
    await using world = await startWorld()
    const { bed, authority } = world
    authority.renewal = { startMs: Date.now() - 2_000, endMs: Date.now() - 1_000 }
    await world.post('shop', 'domains/', { domain: 'www.shop.test' })
    await world.post('shop', 'tls/', { certs_auto_enabled: true })
    await bed.until(() => authority.orders >= 2)
    authority.renewal = { startMs: Date.now() + 86_400_000, endMs: Date.now() + 172_800_000 }
    const { payload } = authority.asked.filter(({ path }) => path === '/order')[1] ?? {}
    // RFC 9773 §4.1: key identifier and serial number.
    assert.match(payload.replaces, /^[\w-]{27}\.[\w-]{4,}$/)
    await bed.until(
      () => bed.lines.filter(({ text }) => text.startsWith('Certificate for www.shop.test issued')).length === authority.orders,
    )
  })
  test('are of the next directory where the first refuses again and again', async () => {
    await using second = await startFakeAuthority()
    await using world = await startWorld({}, authority => `${authority},${second.url}`)
    const { bed, authority } = world
    second.look = authority.look
    authority.fault = path => (path === '/order' ? { status: 500, detail: 'out of order' } : undefined)
    await world.post('shop', 'domains/', { domain: 'www.shop.test' })
    await world.post('shop', 'tls/', { certs_auto_enabled: true })
    for (let count = 1; count <= 3; count++) {
      await bed.until(() => bed.lines.filter(({ text }) => text.includes('out of order')).length === count)
      await world.soon('www.shop.test')
    }
    await world.isServed('shop', 'www.shop.test')
    assert.deepEqual([authority.orders, second.orders], [0, 1])
  })
  test('go with their domain, keys and all, and are not gone on with for an app that is destroyed meanwhile', async () => {
    await using world = await startWorld()
    const { bed, authority, token } = world
    for (const domain of ['a.shop.test', 'b.shop.test']) await world.post('shop', 'domains/', { domain })
    await world.post('shop', 'tls/', { certs_auto_enabled: true })
    for (const domain of ['a.shop.test', 'b.shop.test']) await world.isServed('shop', domain)
    assert.equal((await bed.call('DELETE', '/v2/apps/shop/domains/a.shop.test', { token })).status, 204)
    await bed.until(async () => !JSON.stringify(await world.record('a.shop.test')).includes('PRIVATE KEY'))
    assert.deepEqual(await world.secrets('shop'), [`${automaticName('b.shop.test')}-cert`])
    const held = Promise.withResolvers<void>()
    authority.hold = held.promise
    await world.create('blog')
    await world.post('blog', 'domains/', { domain: 'blog.test' })
    await world.post('blog', 'tls/', { certs_auto_enabled: true })
    await bed.until(() => authority.asked.some(({ payload, path }) => path.startsWith('/challenge/') && payload && authority.orders === 3))
    assert.equal((await bed.call('DELETE', '/v2/apps/blog/', { token })).status, 204)
    await bed.until(async () => (await world.record('blog.test')).order === undefined)
    held.resolve()
    assert.equal(authority.asked.filter(({ path }) => path.startsWith('/finalize/')).length, 2)
  })
  test('have the chain that the operator prefers', async () => {
    await using world = await startWorld({ CONTROLLER_ACME_CHAIN: 'Other Authority' })
    await world.post('shop', 'domains/', { domain: 'www.shop.test' })
    await world.post('shop', 'tls/', { certs_auto_enabled: true })
    await world.isServed('shop', 'www.shop.test')
    const { certificate } = await world.copyOf('shop', 'www.shop.test')
    const top = certificate.slice(certificate.lastIndexOf('-----BEGIN'))
    assert.match(describeCertificate(top).subject, /CN=Other Authority/)
  })
  test('tell why the authority refused, and wait longer each time', async () => {
    await using world = await startWorld()
    const { bed, authority } = world
    authority.look = async () => 'nonsense'
    await world.post('shop', 'domains/', { domain: 'www.shop.test' })
    await world.post('shop', 'tls/', { certs_auto_enabled: true })
    const failures = () => bed.lines.filter(({ text }) => text.startsWith('No certificate for www.shop.test: Saw "nonsense"'))
    await bed.until(() => failures().length === 1)
    const wait = async () => {
      const { nextAttemptAt = '', events = [] } = await world.record('www.shop.test')
      return Date.parse(nextAttemptAt) - Date.parse(events.at(-1)?.time ?? '')
    }
    const first = await wait()
    await world.soon('www.shop.test')
    await bed.until(() => failures().length === 2)
    assert.ok(first >= 60_000 && first <= 75_000, String(first))
    const second = await wait()
    assert.ok(second >= 120_000 && second <= 150_000, String(second))
    assert.equal(authority.orders, 2)
  })
})

suite('A certificate that expires within 14 days', { timeout: 300_000 }, () => {
  test('is told once a day in the app’s log and by an Event, whoever attached it', async () => {
    await using world = await startWorld()
    const { bed } = world
    for (const [name, days] of [
      ['soon', 5],
      ['later', 30],
    ] as const) {
      const { certificate, key } = selfSigned({ names: [`${name}.shop.test`], days })
      await bed.call('POST', '/v2/certs/', { token: world.token, body: { name, certificate, key } })
      await world.post('shop', 'domains/', { domain: `${name}.shop.test` })
      await bed.call('POST', `/v2/certs/${name}/domain/`, { token: world.token, body: { domain: `${name}.shop.test` } })
    }
    await bed.restart()
    const told = () => bed.lines.filter(({ text }) => / expires in /.test(text)).map(({ text }) => text)
    await bed.until(() => told().length > 0)
    await bed.restart()
    const { items } = await bed.api.list(RESOURCES.events, { namespace: 'shop' })
    const messages = items.filter(({ reason }) => reason === 'CertificateExpires').map(({ message }) => message)
    assert.deepEqual(messages, told())
    assert.deepEqual(messages, ['The certificate soon of soon.shop.test expires in 4 days'])
  })
})

suite('POST /tls/', { timeout: 300_000 }, () => {
  test('tells how each domain is served, or why it is not', async () => {
    await using world = await startWorld()
    const { bed } = world
    for (const domain of ['www.shop.test', 'away.shop.test', '*.shop.test']) await world.post('shop', 'domains/', { domain })
    world.names.addresses.set('away.shop.test', '127.0.0.2')
    const reasons = async () =>
      Object.fromEntries(
        (await world.tls('shop')).certificates.map(({ domain, reason }: Record<string, string>) => [domain, reason ?? 'served']),
      )
    assert.equal((await reasons())['www.shop.test'], 'Automatic certificates are off for the app')
    await world.post('shop', 'tls/', { certs_auto_enabled: true })
    await world.isServed('shop', 'www.shop.test')
    await bed.until(async () => /^away\.shop\.test leads to 127\.0\.0\.2, /.test((await reasons())['away.shop.test'] ?? ''))
    assert.match((await reasons())['*.shop.test'] ?? '', /^A wildcard needs a challenge by DNS, /)
    assert.match((await reasons())['shop'] ?? '', /^Names of the platform have /)
    const { certificates, events } = await world.tls('shop')
    const { issuer, names, days_left, source } = certificates.find(({ domain }: { domain: string }) => domain === 'www.shop.test')
    assert.deepEqual([source, names, days_left, issuer], ['automatic', ['www.shop.test'], 89, '/CN=Test Authority'])
    assert.deepEqual(events.map(({ name, kind, type, status }: Record<string, string>) => [name, kind, type, status]).sort(), [
      ['away.shop.test', 'Certificate', 'Warning', 'Failed'],
      ['www.shop.test', 'Certificate', 'Normal', 'Issued'],
    ])
    const text = JSON.stringify(await world.tls('shop'))
    assert.doesNotMatch(text, /PRIVATE KEY/)
  })
  test('changes what it names only, and is 409 where nothing is another', async () => {
    await using world = await startWorld()
    const post = async (body: object) => (await world.post('shop', 'tls/', body)).status
    assert.deepEqual([await post({ https_enforced: true }), await post({ certs_auto_enabled: true })], [201, 201])
    const { https_enforced, certs_auto_enabled } = await world.tls('shop')
    assert.deepEqual([https_enforced, certs_auto_enabled], [true, true])
    assert.deepEqual([await post({ certs_auto_enabled: true }), await post({}), await post({ certs_auto_enabled: 'x' })], [409, 400, 400])
    assert.deepEqual([await post({ issuer: { email: 'me@shop.test' } }), await post({ issuer: { email: 'me@shop.test' } })], [201, 409])
  })
  test('takes an authority of the app’s own, and shows its key to nobody', async () => {
    await using own = await startFakeAuthority()
    own.externalAccount = { keyId: 'kid', hmacKey: Buffer.alloc(32, 1).toString('base64url') }
    await using world = await startWorld({}, url => `${url},${own.url}`)
    own.look = world.authority.look
    const issuer = { server: own.url, email: 'me@shop.test', key_id: 'kid', key_secret: own.externalAccount.hmacKey }
    assert.equal((await world.post('shop', 'tls/', { issuer, certs_auto_enabled: true })).status, 201)
    await world.post('shop', 'domains/', { domain: 'www.shop.test' })
    await world.isServed('shop', 'www.shop.test')
    assert.deepEqual([own.orders, world.authority.orders], [1, 0])
    assert.deepEqual((await world.tls('shop')).issuer, { ...issuer, key_secret: '********' })
    assert.equal((await world.post('shop', 'tls/', { issuer: null })).status, 201)
    assert.equal((await world.tls('shop')).issuer.server, '')
  })
  for (const issuer of [
    ...[
      'http://acme.test/directory',
      'https://127.0.0.1/',
      'https://[::1]/',
      'https://localhost/',
      'https://u:p@acme.test/',
      'ftp://a.test',
      'x',
    ].map(server => ({ server })),
    ...[{ email: 'a b' }, { key_id: 'x' }, { server: 'https://acme.test/', key_id: 'x', key_secret: '*' }, 'https://acme.test/', []],
  ])
    test(`refuses the authority ${JSON.stringify(issuer)}`, async () => {
      const { status, body } = await shared.post('shop', 'tls/', { issuer })
      assert.equal(status, 400)
      assert.ok(body.issuer)
    })
  let shared: World
  before(async () => {
    shared = await startWorld()
  })
  after(() => shared[Symbol.asyncDispose]())
})
