import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { type Bed, startBed } from './bed.ts'

type Role = 'owner' | 'friend' | 'admin' | 'other' | 'nobody'

const USE: readonly Role[] = ['owner', 'friend', 'admin']
const MANAGE: readonly Role[] = ['owner', 'admin']
const ADMIN: readonly Role[] = ['admin']
const KNOWN: readonly Role[] = ['owner', 'friend', 'admin', 'other']

// Method, path below the app, body, what those get who may, and who may. Each asks for something that changes nothing.
const OF_APP: readonly [string, string, object | undefined, number, readonly Role[]][] = [
  ['GET', '', undefined, 200, USE],
  ['HEAD', '', undefined, 200, USE],
  ['POST', '', { owner: 'nobody' }, 404, MANAGE],
  ['GET', 'config/', undefined, 200, USE],
  ['POST', 'config/', { values: { NOT: null } }, 422, USE],
  ['GET', 'builds/', undefined, 200, USE],
  ['GET', 'builds/00000000-0000-4000-8000-000000000000/', undefined, 404, USE],
  ['POST', 'builds/', { image: '' }, 400, USE],
  ['GET', 'releases/', undefined, 200, USE],
  ['GET', 'releases/v1/', undefined, 200, USE],
  ['POST', 'releases/rollback/', { version: 1 }, 400, USE],
  ['GET', 'pods/', undefined, 200, USE],
  ['GET', 'pods/web/', undefined, 200, USE],
  ['GET', 'pods/web/shop-web-1/', undefined, 200, USE],
  ['POST', 'pods/restart/', undefined, 200, USE],
  ['POST', 'pods/web/restart/', undefined, 200, USE],
  ['POST', 'pods/web/shop-web-1/restart/', undefined, 200, USE],
  ['POST', 'scale/', { web: 1 }, 400, USE],
  ['POST', 'run', { command: '' }, 400, USE],
  ['GET', 'logs', undefined, 200, USE],
  ['GET', 'domains/', undefined, 200, USE],
  ['POST', 'domains/', { domain: '*' }, 400, USE],
  ['DELETE', 'domains/not.there', undefined, 404, MANAGE],
  ['GET', 'settings/', undefined, 200, USE],
  ['POST', 'settings/', { routable: true }, 409, USE],
  ['GET', 'tls/', undefined, 200, USE],
  ['POST', 'tls/', { https_enforced: 'maybe' }, 400, USE],
  ['GET', 'whitelist/', undefined, 200, USE],
  ['POST', 'whitelist/', { addresses: ['x'] }, 400, USE],
  ['DELETE', 'whitelist/', { addresses: ['9.9.9.9'] }, 422, MANAGE],
  ['GET', 'pages/', undefined, 200, USE],
  ['POST', 'pages/', { name: 'index.html', body: 'x' }, 400, USE],
  ['DELETE', 'pages/', { name: '503.html' }, 404, MANAGE],
  ['GET', 'perms/', undefined, 200, USE],
  ['POST', 'perms/', { username: 'nobody' }, 404, MANAGE],
  ['DELETE', 'perms/nobody', undefined, 404, USE],
  ['GET', 'services/', undefined, 200, USE],
  ['POST', 'services/', { procfile_type: 'api', path_pattern: 'x' }, 400, USE],
  ['DELETE', 'services/', { procfile_type: 'api' }, 404, MANAGE],
]

// The same below /v2/.
const OF_PLATFORM: readonly [string, string, object | undefined, number, readonly Role[]][] = [
  ['GET', '', undefined, 200, KNOWN],
  ['GET', 'auth/whoami/', undefined, 200, KNOWN],
  ['POST', 'auth/passwd/', {}, 400, KNOWN],
  ['POST', 'auth/passwd/', { username: 'victim', new_password: 'victim-password' }, 200, ADMIN],
  ['POST', 'auth/tokens/', { username: 'victim' }, 200, ADMIN],
  ['DELETE', 'auth/cancel/', { username: 'missing' }, 404, ADMIN],
  ['GET', 'users/', undefined, 200, ADMIN],
  ['GET', 'admin/perms/', undefined, 200, ADMIN],
  ['POST', 'admin/perms/', { username: 'missing' }, 404, ADMIN],
  ['DELETE', 'admin/perms/victim', undefined, 204, ADMIN],
  ['GET', 'apps/', undefined, 200, KNOWN],
  ['POST', 'apps/', { id: 'NOT' }, 400, KNOWN],
  ['GET', 'keys/', undefined, 200, KNOWN],
  ['POST', 'keys/', { id: '', public: '' }, 400, KNOWN],
  ['GET', 'keys/victims', undefined, 404, KNOWN],
  ['DELETE', 'keys/victims', undefined, 404, KNOWN],
  ['GET', 'certs/', undefined, 200, KNOWN],
  ['POST', 'certs/', { name: '', certificate: '', key: '' }, 400, KNOWN],
  ['GET', 'certs/victims', undefined, 404, KNOWN],
  ['DELETE', 'certs/victims', undefined, 404, KNOWN],
  ['POST', 'certs/victims/domain/', { domain: 'shop' }, 404, KNOWN],
  ['DELETE', 'certs/victims/domain/shop', undefined, 404, KNOWN],
  ['GET', 'hooks/keys/shop', undefined, 403, KNOWN],
  ['GET', 'hooks/key/00:11', undefined, 403, KNOWN],
  ['POST', 'hooks/config/', { receive_user: 'owner', receive_repo: 'shop' }, 403, KNOWN],
  ['POST', 'hooks/build/', { receive_user: 'owner', receive_repo: 'shop', image: 'x' }, 403, KNOWN],
  ['POST', 'hooks/authenticate/', { username: 'owner', password: 'owner-password' }, 403, KNOWN],
]

suite('control plane: who may do what', { timeout: 60_000 }, () => {
  let bed: Bed
  const tokens = new Map<Role, string>()
  before(async () => {
    bed = await startBed()
    for (const role of ['admin', 'owner', 'friend', 'other'] as const) tokens.set(role, await bed.register(role))
    await bed.register('victim')
    await as('owner', 'POST', '/v2/apps/', { id: 'shop' })
    await as('owner', 'POST', '/v2/apps/shop/perms/', { username: 'friend' })
    await bed.until(() => bed.lines.some(({ app }) => app === 'shop'))
  })
  after(() => bed.stop())

  const as = (role: Role, method: string, path: string, body?: object) => {
    const token = tokens.get(role)
    return bed.call(method, path, { ...(token ? { token } : {}), ...(body ? { body } : {}) })
  }

  for (const [method, path, body, status, allowed] of OF_APP) {
    test(`${method} /v2/apps/<app>/${path}`, async () => {
      for (const role of [...KNOWN, 'nobody'] as const) {
        const expected = role === 'nobody' ? 401 : allowed.includes(role) ? status : 403
        for (const spelt of [path, path.endsWith('/') ? path.slice(0, -1) : `${path}/`]) {
          const answer = await as(role, method, `/v2/apps/shop/${spelt}`, body)
          assert.equal(answer.status, expected, `${role}: ${answer.text}`)
          if (expected === 403)
            assert.equal(answer.body?.detail ?? '', method === 'HEAD' ? '' : 'You do not have permission to perform this action.')
        }
        const none = await as(role, method, `/v2/apps/none/${path}`, body)
        assert.equal(none.status, role === 'nobody' ? 401 : 404, `${role}, of no app: ${none.text}`)
        if (role !== 'nobody' && method !== 'HEAD') assert.equal(none.text, '"No App matches the given query."')
      }
    })
  }

  for (const [method, path, body, status, allowed] of OF_PLATFORM) {
    test(`${method} /v2/${path} ${body ? Object.keys(body) : ''}`, async () => {
      for (const role of [...KNOWN, 'nobody'] as const) {
        const answer = await as(role, method, `/v2/${path}`, body)
        assert.equal(answer.status, role === 'nobody' ? 401 : allowed.includes(role) ? status : 403, `${role}: ${answer.text}`)
      }
    })
  }

  test('knows every other method of these paths as one that is not allowed', async () => {
    const known = new Set([
      ...OF_APP.map(([method, path]) => `${method} apps/shop/${path}`),
      ...OF_PLATFORM.map(([method, path]) => `${method} ${path}`),
    ])
    for (const path of new Set([...known].map(row => row.slice(row.indexOf(' ') + 1)))) {
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
        if (known.has(`${method} ${path}`) || (path === 'apps/shop/' && method === 'DELETE') || path.startsWith('hooks/') || path === '')
          continue
        // A word of this path is a name in that one.
        if (method === 'GET' && path.endsWith('restart/')) continue
        if (method === 'GET' && path.endsWith('rollback/')) continue
        const answer = await as('admin', method, `/v2/${path}`)
        assert.deepEqual([answer.status, answer.body], [405, { detail: `Method "${method}" not allowed.` }], `${method} ${path}`)
      }
    }
  })

  test('lets a friend leave and send nobody away, and only who manages an app destroy it', async () => {
    await as('owner', 'POST', '/v2/apps/shop/perms/', { username: 'other' })
    assert.equal((await as('friend', 'DELETE', '/v2/apps/shop/perms/other')).status, 403)
    assert.equal((await as('friend', 'DELETE', '/v2/apps/shop/perms/owner')).status, 403)
    assert.equal((await as('other', 'DELETE', '/v2/apps/shop/perms/other')).status, 204)
    for (const role of ['friend', 'other'] as const) assert.equal((await as(role, 'DELETE', '/v2/apps/shop/')).status, 403)
    assert.equal((await as('nobody', 'DELETE', '/v2/apps/shop/')).status, 401)
    assert.equal((await as('owner', 'DELETE', '/v2/apps/shop/')).status, 204)
  })
})
