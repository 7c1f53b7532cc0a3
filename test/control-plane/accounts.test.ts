import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { selfSigned } from '../../kernel/x509.ts'
import { type Bed, startBed } from './bed.ts'

suite('control plane: accounts', { timeout: 60_000 }, () => {
  let bed: Bed
  let admin = ''
  let bob = ''
  before(async () => {
    bed = await startBed()
    admin = await bed.register('admin')
    bob = await bed.register('bob')
  })
  after(() => bed.stop())

  const register = (body: unknown) => bed.call('POST', '/v2/auth/register/', { body })

  test('refuses names, passwords and addresses with the texts that clients know', async () => {
    const cases: [object, object][] = [
      [{ password: 'x' }, { username: ['This field is required.'] }],
      [{ username: '', password: 'x' }, { username: ['This field may not be blank.'] }],
      [
        { username: 'a b', password: 'x' },
        { username: ['Enter a valid username. This value may contain only letters, numbers and @/./+/-/_ characters.'] },
      ],
      [{ username: 'bob', password: 'x' }, { username: ['A user with that username already exists.'] }],
      [{ username: 'eve' }, { password: ['This field is required.'] }],
      [{ username: 'eve', password: '' }, { password: ['This field may not be blank.'] }],
      [{ username: 'eve', password: 'x', email: 'nowhere' }, { email: ['Enter a valid email address.'] }],
      [{ username: ['eve'], password: 'x' }, { username: ['Not a valid string.'] }],
    ]
    for (const [body, expected] of cases) {
      const answer = await register(body)
      assert.equal(answer.status, 400)
      assert.deepEqual(answer.body, expected)
    }
  })

  test('ignores privileges in a registration', async () => {
    const { status, body } = await register({ username: 'mallory', password: 'x', is_superuser: true, isSuperuser: true, is_staff: true })
    assert.equal(status, 201)
    assert.equal(body.is_superuser, false)
    assert.equal(body.is_staff, false)
  })

  test('lets one of many at once have a name', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => register({ username: 'race', password: 'x' })))
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, ...Array(7).fill(400)])
  })

  test('answers a wrong password and an unknown name alike', async () => {
    const login = (username: string, password: string) => bed.call('POST', '/v2/auth/login/', { body: { username, password } })
    for (const answer of [await login('bob', 'wrong'), await login('nobody', 'wrong'), await login('bob', 'x'.repeat(100_000))]) {
      assert.equal(answer.status, 400)
      assert.deepEqual(answer.body, { non_field_errors: ['Unable to log in with provided credentials.'] })
    }
  })

  test('stops guessing after too many wrong passwords, for that name only', async () => {
    await register({ username: 'guessed', password: 'right' })
    const login = (username: string, password: string) => bed.call('POST', '/v2/auth/login/', { body: { username, password } })
    for (let count = 0; count < 10; count++) assert.equal((await login('guessed', 'wrong')).status, 400)
    const answer = await login('guessed', 'right')
    assert.equal(answer.status, 429)
    assert.equal(answer.headers.get('retry-after'), '60')
    assert.equal((await login('bob', 'bob-password')).status, 200)
  })

  test('keeps neither passwords nor tokens in the clear', async () => {
    const { items } = await bed.api.list(RESOURCES.secrets, { namespace: 'drycc' })
    const text = items.map(({ data }) => Object.values(data ?? {}).map(value => Buffer.from(value, 'base64').toString())).join()
    assert.match(text, /scrypt\$/)
    for (const secret of ['bob-password', 'admin-password', admin, bob]) assert.equal(text.includes(secret), false)
  })

  test('accepts a token in the wire form only', async () => {
    assert.match(bob, /^[0-9a-f]{40}$/)
    const whoami = (authorization: string) => bed.call('GET', '/v2/auth/whoami/', { headers: { authorization } })
    assert.equal((await whoami(`ToKeN ${bob}`)).body.username, 'bob')
    for (const header of [`token ${'0'.repeat(40)}`, `token ${bob.toUpperCase()}x`, 'token __proto__']) {
      const answer = await whoami(header)
      assert.equal(answer.status, 401)
      assert.deepEqual(answer.body, { detail: 'Invalid token.' })
      assert.equal(answer.headers.get('www-authenticate'), 'Token')
    }
    const none = await whoami(`Bearer ${bob}`)
    assert.deepEqual(none.body, { detail: 'Authentication credentials were not provided.' })
  })

  test('regenerates a token, and the old one is dead at once', async () => {
    const old = await bed.register('carol')
    const { status, body } = await bed.call('POST', '/v2/auth/tokens/', { token: old, headers: { 'content-type': 'application/json' } })
    assert.equal(status, 200)
    assert.equal((await bed.call('GET', '/v2/auth/whoami/', { token: old })).status, 401)
    assert.equal((await bed.call('GET', '/v2/auth/whoami/', { token: body.token })).status, 200)
    assert.equal((await bed.call('POST', '/v2/auth/tokens/', { token: body.token, body: { username: 'bob' } })).status, 403)
    assert.equal((await bed.call('POST', '/v2/auth/tokens/', { token: body.token, body: { all: true } })).status, 403)
  })

  test('changes a password with the current one, another user by a superuser only', async () => {
    const passwd = (token: string, body: object) => bed.call('POST', '/v2/auth/passwd/', { token, body })
    const dave = await bed.register('dave')
    assert.deepEqual((await passwd(dave, {})).body, { detail: 'new_password is a required field' })
    assert.deepEqual((await passwd(dave, { new_password: 'n' })).body, { detail: 'password is a required field' })
    const wrong = await passwd(dave, { new_password: 'n', password: 'wrong' })
    assert.equal(wrong.status, 401)
    assert.deepEqual(wrong.body, { detail: 'Current password does not match' })
    assert.equal((await passwd(dave, { new_password: 'n', password: 'dave-password', username: 'bob' })).status, 403)
    assert.deepEqual((await passwd(dave, { new_password: 'n', password: 'dave-password' })).body, { status: 'password set' })
    assert.equal((await passwd(admin, { new_password: 'm', username: 'dave' })).status, 200)
    assert.equal((await passwd(admin, { new_password: 'm', username: 'nobody' })).text, '"No User matches the given query."')
    assert.equal((await bed.call('POST', '/v2/auth/login/', { body: { username: 'dave', password: 'm' } })).status, 200)
  })

  test('cancels an account, and neither token, key nor right outlives it', async () => {
    const erin = await bed.register('erin')
    await bed.call('POST', '/v2/apps/', { token: admin, body: { id: 'shared' } })
    await bed.call('POST', '/v2/apps/shared/perms/', { token: admin, body: { username: 'erin' } })
    await bed.call('POST', '/v2/keys/', { token: erin, body: { id: 'erin@home', public: KEY } })
    await bed.call('POST', '/v2/apps/', { token: erin, body: { id: 'erins' } })
    const refused = await bed.call('DELETE', '/v2/auth/cancel/', { token: erin })
    assert.equal(refused.status, 409)
    assert.deepEqual(refused.body, { detail: 'erin still has applications assigned. Delete or transfer ownership' })
    await bed.call('DELETE', '/v2/apps/erins/', { token: erin })
    assert.equal((await bed.call('DELETE', '/v2/auth/cancel/', { token: bob, body: { username: 'erin' } })).status, 403)
    assert.equal((await bed.call('DELETE', '/v2/auth/cancel/', { token: erin })).status, 204)
    assert.equal((await bed.call('GET', '/v2/auth/whoami/', { token: erin })).status, 401)
    const again = await bed.register('erin')
    assert.equal((await bed.call('GET', '/v2/apps/shared/', { token: again })).status, 403)
    assert.equal((await bed.call('GET', '/v2/keys/', { token: again })).body.count, 0)
  })

  test('leaves nothing behind that the next of the name would inherit, whatever was on its way', async () => {
    for (let round = 0; round < 3; round++) {
      const name = `brief${round}`
      const brief = await bed.register(name)
      const ways = await Promise.all([
        bed.call('POST', '/v2/apps/', { token: brief, body: { id: `${name}-app` } }),
        bed.call('DELETE', '/v2/auth/cancel/', { token: brief }),
        bed.call('POST', '/v2/keys/', { token: brief, body: { id: name, public: KEY } }),
        bed.call('POST', '/v2/certs/', { token: brief, body: { name, ...PAIR } }),
        bed.call('POST', '/v2/apps/shared/perms/', { token: admin, body: { username: name } }),
        bed.call('POST', '/v2/apps/shared/', { token: admin, body: { owner: name } }),
      ])
      const { body } = await bed.call('GET', '/v2/users/', { token: admin })
      const isThere = body.results.some(({ username }: { username: string }) => username === name)
      assert.equal(isThere, ways[1].status === 409, ways.map(({ status }) => status).join())
      if (isThere) {
        await bed.call('POST', '/v2/apps/shared/', { token: admin, body: { owner: 'admin' } })
        await bed.call('DELETE', `/v2/apps/${name}-app/`, { token: admin })
        await bed.call('DELETE', `/v2/certs/${name}`, { token: brief })
        assert.equal((await bed.call('DELETE', '/v2/auth/cancel/', { token: brief })).status, 204)
      }
      const next = await bed.register(name)
      for (const path of ['apps', 'keys', 'certs'])
        assert.equal((await bed.call('GET', `/v2/${path}/`, { token: next })).body.count, 0, path)
      await bed.call('DELETE', '/v2/auth/cancel/', { token: next })
    }
  })

  test('keeps the last superuser one', async () => {
    const answer = await bed.call('DELETE', '/v2/admin/perms/admin', { token: admin })
    assert.deepEqual([answer.status, answer.body], [409, { detail: 'admin is the last administrator' }])
  })

  test('shows users and superusers to superusers only, and makes and unmakes them', async () => {
    assert.equal((await bed.call('GET', '/v2/users/', { token: bob })).status, 403)
    assert.equal((await bed.call('GET', '/v2/admin/perms/', { token: bob })).status, 403)
    assert.equal((await bed.call('GET', '/v2/users', { token: admin })).body.results[0].username, 'admin')
    assert.equal((await bed.call('POST', '/v2/admin/perms/', { token: admin, body: { username: 'bob' } })).status, 201)
    const { body } = await bed.call('GET', '/v2/admin/perms/', { token: bob })
    assert.deepEqual(body.results, [
      { username: 'admin', is_superuser: true },
      { username: 'bob', is_superuser: true },
    ])
    assert.equal((await bed.call('DELETE', '/v2/admin/perms/bob', { token: admin })).status, 204)
    assert.equal((await bed.call('GET', '/v2/users/', { token: bob })).status, 403)
    assert.equal((await bed.call('DELETE', '/v2/admin/perms/nobody', { token: admin })).text, '"No User matches the given query."')
  })

  test('keeps SSH keys by owner, unique by name and by content', async () => {
    const post = (token: string, body: object) => bed.call('POST', '/v2/keys/', { token, body })
    const { status, body } = await post(bob, { id: 'bob@home', public: `${KEY}\n` })
    assert.equal(status, 201)
    assert.equal(body.fingerprint, '0f:a2:0a:d7:38:3e:65:45:08:6b:63:84:1c:ff:dc:ba')
    assert.equal(body.public, KEY)
    assert.deepEqual((await post(admin, { id: 'other', public: KEY })).body, { public: ['Public Key is already in use'] })
    assert.deepEqual((await post(admin, { id: 'bob@home', public: OTHER_KEY })).body, { id: ['SSH Key with this id already exists.'] })
    assert.deepEqual((await post(admin, { id: 'a', public: 'ssh-rsa !!!' })).body, { public: ['Key contains invalid base64 chars'] })
    assert.equal((await post(admin, { id: 'other', public: OTHER_KEY })).status, 201)
    assert.equal((await bed.call('GET', '/v2/keys/bob%40home', { token: admin })).text, '"No Key matches the given query."')
    assert.equal((await bed.call('GET', '/v2/keys/bob%40home', { token: bob })).body.id, 'bob@home')
    const hook = await bed.hook('GET', `/key/${body.fingerprint}`)
    assert.equal(hook.body.username, 'bob')
    assert.equal((await bed.call('DELETE', '/v2/keys/bob%40home', { token: bob })).status, 204)
    assert.equal((await post(admin, { id: 'bob@home', public: KEY })).status, 201)
  })
})

suite('control plane: who may register', { timeout: 60_000 }, () => {
  test('makes one superuser of many who come first at once', async () => {
    const bed = await startBed()
    try {
      const bodies = Array.from({ length: 6 }, (_, place) => ({ username: `first${place}`, password: 'x' }))
      const answers = await Promise.all(bodies.map(body => bed.call('POST', '/v2/auth/register/', { body })))
      assert.equal(answers.filter(({ body }) => body.is_superuser).length, 1)
    } finally {
      await bed.stop()
    }
  })

  test('admin_only: the first may, then superusers only, and anonymous callers get 403', async () => {
    const bed = await startBed({ CONTROLLER_REGISTRATION: 'admin_only' })
    try {
      const admin = await bed.register('admin')
      const body = { username: 'bob', password: 'x' }
      const refused = await bed.call('POST', '/v2/auth/register/', { body })
      assert.equal(refused.status, 403)
      assert.deepEqual(refused.body, { detail: 'You do not have permission to perform this action.' })
      assert.equal((await bed.call('POST', '/v2/auth/register/', { body, token: admin })).status, 201)
      assert.equal((await bed.call('DELETE', '/v2/auth/cancel/', { token: admin })).status, 204)
      assert.equal((await bed.call('POST', '/v2/auth/register/', { body: { username: 'next', password: 'x' } })).body.is_superuser, true)
    } finally {
      await bed.stop()
    }
  })
})

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f bob@home'
const OTHER_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f other'
const PAIR = selfSigned({ names: ['example.com'], days: 1 })
