import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { find, listAll } from '../../kernel/kubernetes/api.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { type Bed, BUILDER_KEY, startBed } from './bed.ts'

suite('control plane: apps and who may use them', { timeout: 120_000 }, () => {
  let bed: Bed
  let admin = ''
  let owner = ''
  let friend = ''
  let other = ''
  before(async () => {
    bed = await startBed({ CONTROLLER_RESERVED_NAMES: 'taken-by-us' })
    admin = await bed.register('admin')
    owner = await bed.register('owner')
    friend = await bed.register('friend')
    other = await bed.register('other')
  })
  after(() => bed.stop())

  const create = (token: string, id: unknown) => bed.call('POST', '/v2/apps/', { token, body: { id } })

  test('invents a name where none is given, with an empty body announced as JSON', async () => {
    const { status, body } = await bed.call('POST', '/v2/apps/', { token: owner, headers: { 'content-type': 'application/json' } })
    assert.equal(status, 201)
    assert.match(body.id, /^[a-z]+-[a-z]+(-\d+)?$/)
    assert.match(body.uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    assert.match(body.created, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    assert.equal(body.owner, 'owner')
    await bed.call('DELETE', `/v2/apps/${body.id}`, { token: owner })
  })

  test('refuses names that are none, reserved, taken or a namespace of somebody else', async () => {
    for (const id of ['../x', 'a;rm', '-n', 'n-', 'UPPER', '1st', 'ü', 'a.b', 'a\nb', 'a b', '__proto__']) {
      const { status, body } = await create(owner, id)
      assert.equal(status, 400, id)
      assert.equal(body.id.at(-1), 'App name can only contain a-z (lowercase), 0-9 and hyphens')
    }
    assert.deepEqual((await create(owner, 'a'.repeat(64))).body, { id: ['Ensure this field has no more than 63 characters.'] })
    assert.deepEqual((await create(owner, '')).body, { id: ['This field may not be blank.'] })
    for (const id of ['deis', 'drycc', 'kube-system', 'taken-by-us'])
      assert.deepEqual((await create(owner, id)).body, { id: [`${id} is a reserved name.`] })
    assert.equal((await create(owner, 'a'.repeat(63))).status, 201)
    await create(owner, 'mine')
    assert.deepEqual((await create(other, 'mine')).body, { id: ['Application with this id already exists.'] })
    await bed.api.create(RESOURCES.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'theirs' } })
    const foreign = await create(owner, 'theirs')
    assert.deepEqual([foreign.status, foreign.body], [409, { detail: 'theirs already exists as a namespace in this kuberenetes setup' }])
  })

  test('lets one of many at once have a name', async () => {
    const answers = await Promise.all([owner, other, admin, friend, owner, other].map(token => create(token, 'race')))
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 400, 400, 400, 400, 400])
    const winner = answers.find(({ status }) => status === 201)?.body.owner
    assert.equal((await bed.call('GET', '/v2/apps/race/', { token: admin })).body.owner, winner)
    assert.equal((await bed.call('GET', '/v2/apps/race/releases/', { token: admin })).body.count, 1)
  })

  test('takes over what a process left that died while it created an app', async () => {
    await bed.api.create(RESOURCES.namespaces, {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'half', labels: { heritage: 'drycc', app: 'half' } },
    })
    assert.equal((await create(owner, 'half')).status, 201)
    // The record stands, nothing else does.
    for (const { metadata } of (await listAll(bed.api, RESOURCES.secrets, { namespace: 'half' })).items)
      await bed.api.delete(RESOURCES.secrets, 'half', metadata.name)
    await bed.api.delete(RESOURCES.services, 'half', 'half')
    await bed.restart()
    await bed.until(async () => (await find(bed.api, RESOURCES.services, 'half', 'half')) !== undefined)
    assert.equal((await bed.call('GET', '/v2/apps/half/releases/v1/', { token: owner })).body.summary, 'owner created initial release')
  })

  test('destroys an app with everything of it, and its name is free again', async () => {
    await create(owner, 'gone')
    await bed.push('owner', 'gone')
    await bed.call('POST', '/v2/apps/gone/domains/', { token: owner, body: { domain: 'gone.example.com' } })
    const { status, text } = await bed.call('DELETE', '/v2/apps/gone/', { token: owner, headers: { 'content-type': 'application/json' } })
    assert.deepEqual([status, text], [204, ''])
    assert.equal(await find(bed.api, RESOURCES.namespaces, '', 'gone'), undefined)
    assert.equal((await bed.call('GET', '/v2/apps/gone/', { token: owner })).text, '"No App matches the given query."')
    assert.equal(
      bed.lines.some(line => line.app === 'gone'),
      false,
    )
    assert.equal((await create(other, 'gone')).status, 201)
    assert.equal((await bed.call('GET', '/v2/apps/gone/releases/', { token: other })).body.count, 1)
    assert.equal((await bed.call('POST', '/v2/apps/gone/domains/', { token: other, body: { domain: 'gone.example.com' } })).status, 201)
  })

  test('goes on destroying at its next start', async () => {
    await create(owner, 'doomed')
    await bed.api.patch(RESOURCES.configMaps, 'doomed', 'doomed', {
      type: 'merge',
      body: {
        data: {
          app: JSON.stringify({
            ...JSON.parse((await bed.api.get(RESOURCES.configMaps, 'doomed', 'doomed')).data!['app']!),
            deleting: true,
          }),
        },
      },
    })
    await bed.restart()
    await bed.until(async () => (await find(bed.api, RESOURCES.namespaces, '', 'doomed')) === undefined)
    assert.equal((await create(owner, 'doomed')).status, 201)
  })

  test('frees the domains of an app whose namespace somebody else deleted', async () => {
    await create(owner, 'lost')
    await bed.call('POST', '/v2/apps/lost/domains/', { token: owner, body: { domain: 'lost.example.com' } })
    await bed.api.delete(RESOURCES.namespaces, '', 'lost')
    await create(other, 'finder')
    await bed.until(
      async () =>
        (await bed.call('POST', '/v2/apps/finder/domains/', { token: other, body: { domain: 'lost.example.com' } })).status === 201,
    )
    assert.equal((await bed.call('GET', '/v2/apps/lost/', { token: owner })).status, 404)
    await bed.until(async () => (await create(other, 'lost')).status === 201)
  })

  test('survives two who destroy an app at once, and a deploy between them', async () => {
    await create(owner, 'twice')
    const answers = await Promise.all([
      bed.push('owner', 'twice'),
      bed.call('DELETE', '/v2/apps/twice/', { token: owner }),
      bed.call('DELETE', '/v2/apps/twice/', { token: owner }),
    ])
    assert.ok(answers.some(({ status }) => status === 204))
    assert.ok(
      answers.every(({ status }) => status < 500),
      answers.map(({ text }) => text).join(),
    )
    await bed.until(async () => (await find(bed.api, RESOURCES.namespaces, '', 'twice')) === undefined)
  })

  test('keeps the matrix of rights', async () => {
    await create(owner, 'matrix')
    await bed.push('owner', 'matrix')
    assert.equal((await bed.call('POST', '/v2/apps/matrix/perms/', { token: owner, body: { username: 'friend' } })).status, 201)
    assert.deepEqual((await bed.call('GET', '/v2/apps/matrix/perms/', { token: friend })).body, { users: ['friend'] })
    const reads = ['', 'config', 'releases', 'releases/v1', 'builds', 'pods', 'logs', 'perms', 'settings', 'tls', 'whitelist', 'domains']
    for (const path of reads) {
      const status = async (token?: string) => (await bed.call('GET', `/v2/apps/matrix/${path}`, token ? { token } : {})).status
      for (const token of [owner, friend, admin]) assert.ok([200, 204].includes(await status(token)), path)
      assert.equal(await status(other), 403, path)
      assert.equal(await status(), 401, path)
    }
    const writes: [string, string, object][] = [
      ['POST', 'config/', { values: { A: '1' } }],
      ['POST', 'builds/', { image: 'x:1' }],
      ['POST', 'scale/', { web: 1 }],
      ['POST', 'pods/restart/', {}],
      ['POST', 'run', { command: 'ls' }],
      ['POST', 'releases/rollback/', {}],
      ['POST', 'settings/', { maintenance: true }],
      ['POST', 'tls/', { https_enforced: true }],
      ['POST', 'domains/', { domain: 'a.example.com' }],
      ['POST', 'whitelist/', { addresses: ['1.2.3.4'] }],
      ['POST', 'perms/', { username: 'other' }],
      ['POST', '', { owner: 'other' }],
      ['DELETE', 'domains/matrix', {}],
      ['DELETE', 'whitelist/', { addresses: ['1.2.3.4'] }],
      ['DELETE', 'perms/friend', {}],
      ['DELETE', '', {}],
    ]
    for (const [method, path, body] of writes) {
      assert.equal((await bed.call(method, `/v2/apps/matrix/${path}`, { token: other, body })).status, 403, path)
      assert.equal((await bed.call(method, `/v2/apps/matrix/${path}`, { body })).status, 401, path)
    }
    for (const [method, path, body] of writes.filter(
      ([method, path]) => (method === 'DELETE' && !path.startsWith('perms')) || ['perms/', ''].includes(path),
    ))
      assert.equal((await bed.call(method, `/v2/apps/matrix/${path}`, { token: friend, body })).status, 403, path)
    assert.equal((await bed.call('POST', '/v2/apps/matrix/config/', { token: friend, body: { values: { F: '1' } } })).status, 201)
    const { body } = await bed.call('GET', '/v2/apps/', { token: friend })
    assert.ok(body.results.some(({ id }: { id: string }) => id === 'matrix'))
    assert.equal(
      (await bed.call('GET', '/v2/apps/', { token: other })).body.results.some(({ id }: { id: string }) => id === 'matrix'),
      false,
    )
    assert.equal((await bed.call('DELETE', '/v2/apps/matrix/perms/other', { token: owner })).status, 403)
    assert.equal((await bed.call('DELETE', '/v2/apps/matrix/perms/nobody', { token: owner })).text, '"No User matches the given query."')
    assert.equal((await bed.call('DELETE', '/v2/apps/matrix/perms/friend', { token: friend })).status, 204)
    assert.equal((await bed.call('GET', '/v2/apps/matrix/', { token: friend })).status, 403)
  })

  test('hands an app over, and the old owner is out', async () => {
    await create(owner, 'moved')
    const transfer = (token: string, body: object) => bed.call('POST', '/v2/apps/moved/', { token, body })
    assert.equal((await transfer(owner, { owner: 'nobody' })).text, '"No User matches the given query."')
    const { status, text } = await transfer(owner, { owner: 'other' })
    assert.deepEqual([status, text], [200, ''])
    assert.equal((await bed.call('GET', '/v2/apps/moved/', { token: owner })).status, 403)
    assert.equal((await bed.call('GET', '/v2/apps/moved/', { token: other })).body.owner, 'other')
  })

  test('tells the builder only what a user may push to, and deploys in his name only where he may', async () => {
    await create(owner, 'hooked')
    const config = (user: string) => bed.hook('POST', '/config/', { receive_user: user, receive_repo: 'hooked' })
    assert.equal((await config('owner')).status, 200)
    assert.equal((await config('other')).status, 403)
    assert.equal((await bed.push('other', 'hooked')).status, 403)
    assert.equal((await bed.push('owner', 'nothing')).status, 404)
    assert.equal((await bed.push('owner', 'hooked', { procfile: { 'BAD TYPE': 'x' } })).status, 400)
    const key = { id: 'owner@home', public: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f x' }
    const { fingerprint } = (await bed.call('POST', '/v2/keys/', { token: owner, body: key })).body
    const access = (await bed.hook('GET', `/key/${fingerprint}`)).body
    assert.ok(access.apps.includes('hooked') && !access.apps.includes('moved'))
    assert.deepEqual((await bed.hook('GET', '/key/00:11')).body, { detail: 'No Keys match the given query.' })
    assert.deepEqual((await bed.hook('GET', '/keys/hooked')).body, { owner: [{ key: key.public, fingerprint }] })
    assert.equal((await bed.hook('GET', '/keys/hooked/other')).status, 403)
    const login = (username: string, password: string) => bed.hook('POST', '/authenticate/', { username, password })
    assert.deepEqual((await login('owner', owner)).body, access)
    assert.deepEqual((await login('owner', 'owner-password')).body, access)
    assert.equal((await login('other', owner)).status, 401)
    assert.equal((await login('owner', 'wrong')).status, 401)
    const built = await bed.push('owner', 'hooked')
    assert.deepEqual(built.body, { release: { version: 2 }, urls: ['http://hooked.localhost/'] })
  })

  test('runs the image of an app for those only who may use that app', async () => {
    await create(owner, 'source')
    await create(other, 'thief')
    const build = (token: string, app: string, image: string) => bed.call('POST', `/v2/apps/${app}/builds/`, { token, body: { image } })
    for (const image of [
      'embedded/source:git-12345678',
      `embedded/source@sha256:${'0'.repeat(64)}`,
      'EMBEDDED/source:1',
      'embedded/nothing:1',
    ]) {
      const { status, body } = await build(other, 'thief', image)
      assert.deepEqual([status, body], [400, { detail: `Permission Denied attempting to pull image ${image}` }])
    }
    for (const image of ['embedded/', '../embedded/source:1', 'http://169.254.169.254/x', '-x']) {
      const { status, body } = await build(other, 'thief', image)
      assert.deepEqual([status, Object.keys(body)], [400, ['image']], image)
    }
    assert.equal((await build(owner, 'source', 'embedded/source:git-12345678')).status, 201)
    assert.equal((await build(other, 'thief', 'example/source:1')).status, 201)
  })

  test('opens the hooks to the shared key only', async () => {
    const ask = (headers: Record<string, string>) => bed.call('GET', '/v2/hooks/key/00:11', { headers })
    assert.equal((await ask({})).status, 401)
    assert.equal((await ask({ 'X-Deis-Builder-Auth': 'wrong' })).status, 401)
    assert.equal((await ask({ 'X-Deis-Builder-Auth': '' })).status, 401)
    assert.equal((await ask({ authorization: `token ${admin}` })).status, 403)
    assert.equal((await ask({ 'X-Drycc-Builder-Auth': BUILDER_KEY })).status, 404)
  })
})
