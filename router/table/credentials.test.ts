import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import type { Secret, Service } from 'kubernetes-types/core/v1'
import type { Stored } from '../../kernel/kubernetes/objects.ts'
import { silentLog } from '../../kernel/log.ts'
import { TableBuilder } from './build.ts'
import { readCredentials } from './credentials.ts'
import { SavedTable } from './saved-table.ts'
import { Table } from './table.ts'

const SHA = '{SHA}EfatjsUqKYSrqv18O1FlA3hcIHI='

suite('readCredentials()', () => {
  test('reads an htpasswd file under auth or users: the first line of a name, without comments', () => {
    for (const key of ['auth', 'users'])
      assert.deepEqual(
        readCredentials(secret({ [key]: `# users\nann:${SHA}\r\n\n ann:{PLAIN}x\njoe:$apr1$9hGDVuBb$DCK9u24aCGSrlKgYHi/iR/` })).credentials
          .users,
        [
          ['ann', SHA],
          ['joe', '$apr1$9hGDVuBb$DCK9u24aCGSrlKgYHi/iR/'],
        ],
      )
  })
  test('reads kubernetes.io/basic-auth', () => {
    const { credentials } = readCredentials({ ...secret({ username: 'ann', password: 'pa:ss' }), type: 'kubernetes.io/basic-auth' })
    assert.deepEqual(credentials.users, [['ann', '{PLAIN}pa:ss']])
  })
  test('tells lines that cannot be used by their number, and not what they say', () => {
    const { credentials, faults } = readCredentials(
      secret({
        auth: `ann:${SHA}\nbob:geheim\nabcdefghijklm\ncrypt:rqXexS6ZhobKA\ncostly:$2y$15$eT8WQy.fcdc.O4/cLbr.kO/0SFaY2gdZbDZosaQCaCur4uFfEI/2G`,
      }),
    )
    assert.deepEqual(credentials.users.length, 1)
    assert.deepEqual(
      faults.map(fault => fault.slice(0, 19)),
      [2, 3, 4, 5].map(line => `Cannot use line ${line}: `),
    )
    assert.doesNotMatch(faults.join(), /geheim|rqXexS6|bob/)
    assert.match(faults[3]!, /cost 15: write one from 4 to 12/)
  })
  for (const [name, data] of [
    ['nothing', {}],
    ['another key', { password: 'x' }],
    ['no line that can be used', { auth: 'bob:geheim' }],
    ['a file of a megabyte', { auth: `ann:${SHA}\n`.repeat(30_000) }],
  ] as const)
    test(`refuses ${name}`, () => assert.throws(() => readCredentials(secret(data)), /Cannot use the Secret/))
})

suite('Credentials of an app', () => {
  test('reach the worker with their Secret, stay while it is broken, go with it, and stand neither in /routes nor on disk', async () => {
    const world = new World({ domains: 'shop.test', 'x-basic-auth': 'users' })
    assert.match(world.build()[0]!.message, /there is no Secret shop\/users/)
    assert.ok(world.builder.wantedSecrets().has('shop/users'))
    const users = () => world.table.credentials(world.table.match('shop.test', '/')?.policy.edge?.auth ?? '')?.users
    assert.equal(users(), undefined)
    world.secret = secret({ auth: `ann:${SHA}` })
    assert.deepEqual([world.build(), users()], [[], [['ann', SHA]]])
    world.secret = secret({ auth: 'ann:x' })
    assert.match(world.build()[0]!.message, /line 1/)
    assert.deepEqual(users(), [['ann', SHA]])
    assert.doesNotMatch(JSON.stringify(world.builder.report()), /Efatj/)
    assert.match(JSON.stringify(world.builder.whole()), /Efatj/)
    assert.doesNotMatch(await onDisk(world.builder), /Efatj/)
    world.secret = undefined
    world.build()
    assert.equal(users(), undefined)
  })
  test('whose name cannot be read keep everybody out, and no other namespace’s can be named', () => {
    for (const name of ['../other/users', 'other/users', 'Users', 'x'.repeat(300)]) {
      const world = new World({ domains: 'shop.test', 'x-basic-auth': name })
      assert.match(world.build()[0]!.message, /Cannot read name/)
      const auth = world.table.match('shop.test', '/')?.policy.edge?.auth
      assert.deepEqual([auth, world.table.credentials(auth ?? '')], ['shop/', undefined])
      assert.deepEqual(
        [...world.builder.wantedSecrets()].filter(key => !key.startsWith('drycc/')),
        [],
      )
    }
  })
})

/** One app and its Secret. */
class World {
  readonly builder = new TableBuilder({ family: 'router.drycc.cc/', namespace: 'drycc' })
  table = new Table()
  secret: Secret | undefined
  readonly #service: Stored<Service>

  constructor(annotations: Record<string, string>) {
    const prefixed = Object.fromEntries(Object.entries(annotations).map(([key, value]) => [`router.drycc.cc/${key}`, value]))
    const metadata = { uid: '', resourceVersion: '1', name: 'shop', namespace: 'shop', annotations: prefixed }
    this.#service = { metadata, spec: { ports: [{ name: 'http', port: 80 }] } } as Stored<Service>
  }

  /** @returns the app's faults */
  build() {
    const snapshot = {
      service: (key: string) => (key === 'shop/shop' ? this.#service : undefined),
      slices: () => [],
      secret: (key: string) => (key === 'shop/users' ? this.secret : undefined),
      router: {},
      builder: undefined,
    }
    const changes = {
      services: new Set(['shop/shop']),
      slices: new Set<string>(),
      secrets: new Set(['shop/users']),
      router: false,
      builder: false,
    }
    const { delta } = this.builder.build(snapshot, changes)
    if (delta) this.table = this.table.apply(delta)
    return this.builder.report().apps[0]!.faults
  }
}

function secret(data: Record<string, string>): Secret {
  return {
    type: 'Opaque',
    data: Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString('base64')])),
  }
}

async function onDisk(builder: TableBuilder): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'table-'))
  const saved = new SavedTable(directory, silentLog)
  saved.save(() => builder.whole())
  await saved.stop()
  const text = await readFile(join(directory, 'table.json'), 'utf8')
  await rm(directory, { recursive: true })
  return text
}
