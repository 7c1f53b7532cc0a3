import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import type { Command } from 'commander'
import { buildProgram } from './program.ts'
import { CliUser, type Received, StubPlatform } from './test-bed.ts'

const POD = { name: 'shop-web-7d4b9c6f5-k2x9f', type: 'web', release: 'v3', state: 'up', started: '2026-11-22T18:00:00Z' }
const CONFIG = {
  values: { B: 'two\nlines', A: '日本' },
  memory: { web: '64M/128M' },
  cpu: {},
  tags: { rack: '3' },
  registry: {},
  healthcheck: { 'web/cmd': { livenessProbe: { httpGet: { port: 5000, path: '/up' }, timeoutSeconds: 5 } } },
}
const SETTINGS = { maintenance: false, routable: true, label: { team: 'x' }, autoscale: { web: { min: 1, max: 3, cpu_percent: 70 } } }
const CERTIFICATE = {
  ...{ name: 'example', common_name: null, san: ['www.example.com'], domains: [], expires: '2027-01-01T00:00:00Z' },
  ...{ starts: '2026-01-01T00:00:00Z', fingerprint: 'AA:BB', issuer: '/CN=CA', subject: '/CN=www.example.com' },
}
const REQUEST = {
  ...{ time: '2026-11-22T18:00:00.123Z', app: 'shop', client: '192.0.2.7', method: 'GET', host: 'shop.test', path: '/a' },
  ...{ status: 200, endpoint: '10.0.0.1:80', attempts: 1, bytes: 300, seconds: 0.012 },
}
const USER = { username: 'ana', email: 'ana@example.com', is_superuser: true, last_login: null }

/** What a command asks of the platform after its last reading, and what a person sees of the answer. */
interface Case {
  readonly line: readonly string[]
  readonly call?: string
  readonly body?: unknown
  readonly shown?: RegExp
  readonly said?: RegExp
}

const CASES: readonly Case[] = [
  { line: ['whoami'], shown: /^You are ana \(administrator\) at http/ },
  { line: ['auth:whoami', '--all'], shown: /email +ana@example\.com/ },
  {
    line: ['passwd', '--password', 'a', '--new-password', '-b'],
    call: 'POST /v2/auth/passwd/',
    body: { password: 'a', new_password: '-b' },
  },
  { line: ['passwd', '-u', 'bob', '--new-password', 'b'], call: 'POST /v2/auth/passwd/', body: { username: 'bob', new_password: 'b' } },
  { line: ['auth:token'], shown: /^a1b2c3\n$/ },
  { line: ['auth:regenerate', '-u', 'bob'], call: 'POST /v2/auth/tokens/', body: { username: 'bob' }, said: /Token regenerated/ },
  { line: ['auth:cancel', '-u', 'bob', '--yes'], call: 'DELETE /v2/auth/cancel/', body: { username: 'bob' } },
  { line: ['keys'], shown: /laptop +ssh-ed25519 AAAA\.\.\.0123456789 +ab:cd/ },
  { line: ['keys:add', 'key.pub'], call: 'POST /v2/keys/', body: { id: 'ana@laptop', public: 'ssh-ed25519 AAAA ana@laptop' } },
  { line: ['keys:add', 'key.pub', '-n', 'x'], call: 'POST /v2/keys/', body: { id: 'x', public: 'ssh-ed25519 AAAA ana@laptop' } },
  { line: ['keys:remove', 'ana@lap top'], call: 'DELETE /v2/keys/ana%40lap%20top' },
  { line: ['apps:list'], shown: /APP +OWNER +CREATED\nshop +ana/ },
  { line: ['create', 'shop', '--no-remote'], call: 'POST /v2/apps/', body: { id: 'shop' }, shown: /Created shop/ },
  { line: ['apps:create'], call: 'POST /v2/apps/', body: {}, said: /git:remote --app shop/ },
  {
    line: ['info'],
    shown:
      /=== shop Application\n.*url +http:\/\/shop\.localhost:\d+\n +http:\/\/www\.example\.com:\d+\n.*--- web:\nshop-web\S+ up \(v3\)/s,
  },
  { line: ['open'], shown: /^http:\/\/shop\.localhost:\d+\n$/ },
  { line: ['destroy', '--confirm', 'shop'], call: 'DELETE /v2/apps/shop/' },
  { line: ['apps:transfer', 'bob'], call: 'POST /v2/apps/shop/', body: { owner: 'bob' } },
  { line: ['perms'], shown: /=== shop Users\nbob\n/ },
  { line: ['sharing:list', '--admin'], shown: /=== Administrators\nana\n/ },
  { line: ['perms:create', 'bob'], call: 'POST /v2/apps/shop/perms/', body: { username: 'bob' } },
  { line: ['perms:create', 'bob', '--admin'], call: 'POST /v2/admin/perms/', body: { username: 'bob' } },
  { line: ['perms:delete', 'b@b'], call: 'DELETE /v2/apps/shop/perms/b%40b' },
  { line: ['releases', '-l', '1'], shown: /v2 failed +2026\S+ +ana broke it\n$/ },
  { line: ['releases:info', 'v2'], shown: /summary +ana broke it/ },
  { line: ['rollback', 'v1'], call: 'POST /v2/apps/shop/releases/rollback/', body: { version: 1 }, shown: /shop is at v4/ },
  { line: ['releases:rollback'], call: 'POST /v2/apps/shop/releases/rollback/', body: {} },
  { line: ['builds'], shown: /b-uuid +2026\S+ +ana +0123abcd +embedded\/shop/ },
  {
    line: ['pull', 'x/y:1', '--procfile', 'web: ./a b\nworker: c'],
    call: 'POST /v2/apps/shop/builds/',
    body: { image: 'x/y:1', procfile: { web: './a b', worker: 'c' } },
  },
  { line: ['config'], shown: /=== shop Config\nA {2}日本\nB {2}two\n {3}lines\n/ },
  { line: ['config', 'B'], shown: /^two\nlines\n$/ },
  {
    line: ['config:set', 'A=-x --y', 'B=', 'C=@key.pub', 'D=@@d', 'E=a\nb'],
    call: 'POST /v2/apps/shop/config/',
    body: { values: { A: '-x --y', B: '', C: 'ssh-ed25519 AAAA ana@laptop\n', D: '@d', E: 'a\nb' } },
  },
  { line: ['config:unset', 'A', 'B'], call: 'POST /v2/apps/shop/config/', body: { values: { A: null, B: null } } },
  { line: ['config:pull'], shown: /^B='two\nlines'\nA='日本'\n$/ },
  { line: ['config:push'], call: 'POST /v2/apps/shop/config/', body: { values: { X: 'from file' } } },
  { line: ['tags'], shown: /rack {2}3/ },
  { line: ['registry:set', 'password=a=b'], call: 'POST /v2/apps/shop/config/', body: { registry: { password: 'a=b' } } },
  { line: ['labels:unset', 'team'], call: 'POST /v2/apps/shop/settings/', body: { label: { team: null } } },
  { line: ['ps'], shown: /--- web:\nshop-web-7d4b9c6f5-k2x9f up \(v3\)/ },
  { line: ['scale', 'web=3', 'worker=0'], call: 'POST /v2/apps/shop/scale/', body: { web: 3, worker: 0 } },
  { line: ['restart'], call: 'POST /v2/apps/shop/pods/restart/' },
  { line: ['restart', 'web'], call: 'POST /v2/apps/shop/pods/web/restart/' },
  { line: ['restart', POD.name], call: `POST /v2/apps/shop/pods/web/${POD.name}/restart/` },
  { line: ['run', 'ls', '-al', '/tmp'], call: 'POST /v2/apps/shop/run', body: { command: 'ls -al /tmp' }, shown: /^out\n$/ },
  { line: ['run', 'echo "$A" | wc'], call: 'POST /v2/apps/shop/run', body: { command: 'echo "$A" | wc' } },
  {
    line: ['run', 'sh', '-c', "echo 'a  b'", '&&', '$B'],
    call: 'POST /v2/apps/shop/run',
    body: { command: "sh -c 'echo '\\''a  b'\\''' && $B" },
  },
  { line: ['run', 'env', '--app', 'shop'], call: 'POST /v2/apps/shop/run', body: { command: 'env' } },
  { line: ['logs', '-n', '7'], shown: /^2026-11-22T18:00:00\+00:00 shop\[web\.v3\.k2x9f\]: hello\n$/ },
  { line: ['limits'], shown: /--- Memory\nweb {2}64M\/128M\n--- CPU\nUnlimited/ },
  { line: ['limits:set', 'web=500m', '--cpu'], call: 'POST /v2/apps/shop/config/', body: { cpu: { web: '500m' } } },
  { line: ['limits:unset', 'web'], call: 'POST /v2/apps/shop/config/', body: { memory: { web: null } } },
  { line: ['healthchecks'], shown: /--- web\/cmd\nliveness {2}httpGet port 5000 path \/up, timeout 5 s/ },
  {
    line: ['healthchecks:set', 'liveness', 'exec', '-t', 'worker', '--', './is', '--up'],
    call: 'POST /v2/apps/shop/config/',
    body: {
      healthcheck: {
        worker: {
          livenessProbe: {
            initialDelaySeconds: 50,
            timeoutSeconds: 50,
            periodSeconds: 10,
            successThreshold: 1,
            failureThreshold: 3,
            exec: { command: ['./is', '--up'] },
          },
        },
      },
    },
  },
  {
    line: ['healthchecks:set', 'readiness', 'httpGet', '80', '--header', 'A=b', '--period', '1'],
    call: 'POST /v2/apps/shop/config/',
    body: {
      healthcheck: {
        'web/cmd': {
          readinessProbe: {
            initialDelaySeconds: 50,
            timeoutSeconds: 50,
            periodSeconds: 1,
            successThreshold: 1,
            failureThreshold: 3,
            httpGet: { port: 80, path: '/', httpHeaders: [{ name: 'A', value: 'b' }] },
          },
        },
      },
    },
  },
  {
    line: ['healthchecks:unset', 'readiness'],
    call: 'POST /v2/apps/shop/config/',
    body: { healthcheck: { 'web/cmd': { readinessProbe: null } } },
  },
  { line: ['autoscale'], shown: /web +1 +3 +70 %/ },
  {
    line: ['autoscale:set', 'web', '--min', '1', '--max', '2', '--cpu-percent', '9'],
    call: 'POST /v2/apps/shop/settings/',
    body: { autoscale: { web: { min: 1, max: 2, cpu_percent: 9 } } },
  },
  { line: ['autoscale:unset', 'web'], call: 'POST /v2/apps/shop/settings/', body: { autoscale: { web: null } } },
  { line: ['domains'], shown: /=== shop Domains\nshop\nwww\.example\.com {2}automatic certificate of R3, 61 days left\n/ },
  { line: ['domains:add', '*.example.com'], call: 'POST /v2/apps/shop/domains/', body: { domain: '*.example.com' } },
  { line: ['domains:remove', '*.example.com'], call: 'DELETE /v2/apps/shop/domains/*.example.com' },
  { line: ['certs'], shown: /example +www\.example\.com +2027/ },
  { line: ['certs:add', 'example', 'key.pub', 'key.pub'], call: 'POST /v2/certs/' },
  { line: ['certs:info', 'example'], shown: /fingerprint +AA:BB/ },
  {
    line: ['certs:info', 'elsewhere'],
    shown: /\nIt is not for shop\.test: browsers refuse it there\n\nIt is not shown for shop: short names/,
  },
  { line: ['certs:attach', 'example', 'www.example.com'], call: 'POST /v2/certs/example/domain/', body: { domain: 'www.example.com' } },
  { line: ['certs:detach', 'example', 'www.example.com'], call: 'DELETE /v2/certs/example/domain/www.example.com' },
  { line: ['certs:remove', 'example'], call: 'DELETE /v2/certs/example' },
  { line: ['tls'], shown: /^HTTPS is not enforced for shop/ },
  { line: ['tls'], shown: /www\.example\.com +automatic +www\.example\.com +R3 +61\n/ },
  { line: ['tls'], shown: /\nshop: Names of the platform have the platform's certificate\n/ },
  { line: ['tls', 'auto', 'on'], call: 'POST /v2/apps/shop/tls/', body: { certs_auto_enabled: true }, said: /certificates are on/ },
  { line: ['tls', 'auto', 'disable'], call: 'POST /v2/apps/shop/tls/', body: { certs_auto_enabled: false } },
  { line: ['tls', 'disable'], call: 'POST /v2/apps/shop/tls/', body: { https_enforced: false } },
  { line: ['tls:auto', 'off'], call: 'POST /v2/apps/shop/tls/', body: { certs_auto_enabled: false }, said: /certificates are off/ },
  {
    line: ['tls:on-demand', 'on', '--ask', '/may'],
    call: 'POST /v2/apps/shop/tls/',
    body: { certs_on_demand: true, on_demand_ask: '/may' },
    said: /on demand are on/,
  },
  { line: ['tls', 'on-demand', 'off'], call: 'POST /v2/apps/shop/tls/', body: { certs_on_demand: false } },
  {
    line: ['tls:issuer', '--server', 'https://acme.test/directory', '--key-id', 'k', '--key-secret', 's'],
    call: 'POST /v2/apps/shop/tls/',
    body: { issuer: { server: 'https://acme.test/directory', key_id: 'k', key_secret: 's' } },
  },
  { line: ['tls:issuer', '--reset'], call: 'POST /v2/apps/shop/tls/', body: { issuer: null } },
  { line: ['tls:enable'], call: 'POST /v2/apps/shop/tls/', body: { https_enforced: true }, said: /HTTPS is enforced/ },
  { line: ['maintenance:info'], shown: /^Maintenance mode is off for shop/ },
  { line: ['maintenance:on'], call: 'POST /v2/apps/shop/settings/', body: { maintenance: true } },
  { line: ['routing'], shown: /^Routing is enabled for shop/ },
  { line: ['routing:disable'], call: 'POST /v2/apps/shop/settings/', body: { routable: false } },
  { line: ['whitelist'], shown: /=== shop Whitelisted Addresses\n192\.0\.2\.7\n/ },
  {
    line: ['whitelist:add', '192.0.2.1,192.0.2.2', '::1'],
    call: 'POST /v2/apps/shop/whitelist/',
    body: { addresses: ['192.0.2.1', '192.0.2.2', '::1'] },
  },
  {
    line: ['requests'],
    call: 'GET /v2/apps/shop/requests/',
    shown:
      /STATUS +TOOK +ENDPOINT .*\n2026-11-22T18:00:00Z +200 +12 ms +10\.0\.0\.1:80 +192\.0\.2\.7 +GET shop\.test\/a\n.* 502 R33 +1\.5 s +10\.0\.0\.2:80 \(2 tries\) /,
  },
  {
    line: ['why', '--from', '192.0.2.7', '--https'],
    call: 'GET /v2/apps/shop/routing/',
    shown:
      /^=== shop Routing\nshop leads to the app\n {2}10\.0\.0\.1:80 serves, 2 under way\nwww\.test is answered 404 \(R10\)\n {2}No app claims this host\n$/,
  },
  { line: ['whitelist:remove', '192.0.2.7'], call: 'DELETE /v2/apps/shop/whitelist/', body: { addresses: ['192.0.2.7'] } },
  { line: ['pages'], shown: /=== shop Pages\n503\.html {2}20 bytes {2}https:\/\/example\.com\/503\.html\nmaintenance\.html {2}5 bytes\n/ },
  { line: ['pages:set', '503.txt', 'key.pub'], call: 'POST /v2/apps/shop/pages/' },
  {
    line: ['pages:set', '503.html', 'https://example.com/503.html'],
    call: 'POST /v2/apps/shop/pages/',
    body: { name: '503.html', url: 'https://example.com/503.html' },
  },
  { line: ['pages:unset', '503.html'], call: 'DELETE /v2/apps/shop/pages/', body: { name: '503.html' } },
  { line: ['users'], shown: /ana +administrator +ana@example\.com/ },
  { line: ['completion', 'bash'], shown: /complete -o default -F _drycc drycc/ },
  { line: ['shortcuts'], shown: /apps:create +create\n/ },
  { line: ['version'], shown: /^\d+\.\d+\.\d+\n$/ },
]

suite('commands', () => {
  let platform: StubPlatform
  let ana: CliUser

  before(async () => {
    platform = standingPlatform(await new StubPlatform().start())
    ana = new CliUser()
    ana.logIn(platform.address)
    writeFileSync(join(ana.home, 'key.pub'), 'ssh-ed25519 AAAA ana@laptop\n')
    writeFileSync(join(ana.home, '.env'), "X='from file'\n")
    mkdirSync(join(ana.home, 'x'))
  })
  after(async () => {
    await platform.stop()
    ana.remove()
  })

  test('ask the platform for what they say, and show it', async () => {
    const start = platform.received.length
    const outcomes = await ana.many(CASES.map(({ line }) => line))
    // One command after the other: each one's call is looked for behind that of the one before.
    let at = start
    for (const [index, { line, call, body, shown, said }] of CASES.entries()) {
      const what = line.join(' ')
      const { code, stdout, stderr } = outcomes[index]!
      assert.equal(code, 0, `${what}: ${stderr}`)
      if (shown) assert.match(stdout, shown, what)
      if (said) assert.match(stderr, said, what)
      if (call === undefined) continue
      const found = platform.received.findIndex((received, position) => position >= at && callOf(received) === call)
      assert.ok(found >= 0, `${what}: ${call} was not asked`)
      if (body !== undefined) assert.deepEqual(platform.received[found]!.body, body, what)
      at = found + 1
    }
    assert.ok(platform.received.every(({ token }) => token === 'a1b2c3'))
  })

  test('print with --json one value on standard output and nothing else anywhere', async () => {
    const lines = CASES.map(({ line }) =>
      line[0] === 'run' ? ['run', '--json', ...line.slice(1)] : [line[0]!, '--json', ...line.slice(1)],
    )
    const outcomes = await ana.many(lines)
    for (const [index, { code, stdout, stderr }] of outcomes.entries()) {
      const what = lines[index]!.join(' ')
      assert.equal(code, 0, `${what}: ${stderr}`)
      assert.equal(stderr, '', what)
      assert.doesNotThrow(() => JSON.parse(stdout), `${what}: ${stdout}`)
      assert.match(stdout, /\n$/, what)
    }
  })

  test('are all tried here', () => {
    const tried = new Set(CASES.map(({ line }) => line[0]!))
    // Tried in files of their own.
    for (const name of ['register', 'login', 'logout', 'git:remote', 'push', 'help']) tried.add(name)
    const program = buildProgram(false)
    const twins = new Map([
      ['tls:disable', 'tls:enable'],
      ['maintenance:off', 'maintenance:on'],
      ['routing:enable', 'routing:disable'],
    ])
    const left = (program.createHelp().visibleCommands(program) as Command[])
      .filter(command => ![command.name(), ...command.aliases()].some(name => tried.has(name) || tried.has(twins.get(name) ?? '')))
      .map(command => command.name())
      // What is made for each topic of a list alike.
      .filter(name => !/^(tags|registry|labels)(:|$)/.test(name))
    assert.deepEqual(left, [])
  })

  test('refuse a wrong command line with 2, without asking the platform', async () => {
    const lines: readonly (readonly [line: readonly string[], message: RegExp])[] = [
      [['scale', 'web'], /Cannot read "web": write it as web=2/],
      [['scale', 'web=-1'], /web=2/],
      [['config:set', 'A'], /NAME=value/],
      [['config:set', 'A-B=1'], /can be no variable/],
      [['config:set', 'A=@/nosuch'], /ENOENT.*@@/],
      [['config:push', '/nosuch'], /Cannot read \/nosuch: ENOENT/],
      [['rollback', 'last'], /write it as v3/],
      [['releases', '-l', '0'], /number from 1/],
      [['logs', '-n', 'x'], /number from 1/],
      [['pull', 'x', '--procfile', 'nonsense'], /web: \.\/serve/],
      [['destroy'], /Cannot ask without a terminal: give --confirm shop/],
      [['destroy', '--confirm', 'other'], /"other" is not shop: nothing was destroyed/],
      [['auth:cancel'], /give --yes/],
      [['keys:add', 'x'], /Cannot read x: EISDIR/],
      [['keys:add', '.env'], /no public SSH key/],
      [['keys:add'], /no public key in .*ssh-keygen/],
      [['healthchecks:set', 'sometimes', 'httpGet', '1'], /liveness or readiness/],
      [['healthchecks:set', 'liveness', 'magic', '1'], /httpGet, tcpSocket or exec/],
      [['healthchecks:set', 'liveness', 'tcpSocket', 'http'], /whole number/],
      [['autoscale:set', 'web'], /--min/],
      [['completion', 'tcsh'], /bash, zsh, fish/],
      [['git:remote'], /not in a git repository: run git init/],
      [['push'], /not in a git repository/],
      [['login', 'ftp://x y'], /Cannot read address/],
      [['creat'], /Unknown command 'creat'\n\(Did you mean create\?\)/],
      [['help', 'creat'], /Unknown command 'creat'/],
      [['apps', '--nosuch'], /Unknown option '--nosuch'\nUsage: drycc apps/],
      [['certs:add', 'x'], /Missing required argument 'cert'\nUsage: drycc certs:add .*<name> <cert> <key>/],
    ]
    const start = platform.received.length
    const outcomes = await ana.many([...lines.map(([line]) => line), ...lines.map(([line]) => [line[0]!, '--json', ...line.slice(1)])])
    for (const [index, { code, stdout, stderr }] of outcomes.entries()) {
      const [line, message] = lines[index % lines.length]!
      const isJson = index >= lines.length
      assert.equal(code, 2, `${line.join(' ')}: ${stderr}`)
      assert.equal(stdout, '', line.join(' '))
      if (!isJson) assert.match(stderr, message, line.join(' '))
      else assert.equal((JSON.parse(stderr) as { error: { exitCode: number } }).error.exitCode, 2)
    }
    assert.equal(platform.received.length, start)
  })

  test('tell what the platform refuses, and end with 1', async () => {
    const [plain, json] = await ana.many([
      ['info', '--app', 'other'],
      ['info', '--app', 'other', '--json'],
    ])
    assert.deepEqual(plain, { code: 1, stdout: '', stderr: 'Error: No App matches the given query.\n' })
    assert.equal(json!.stdout, '')
    assert.deepEqual(JSON.parse(json!.stderr), { error: { message: 'No App matches the given query.', exitCode: 1, status: 404 } })
  })

  test('list every row of a long list, and the first where a limit is set', async () => {
    const rows = Array.from({ length: 1234 }, (_, index) => ({ id: `app-${index}`, owner: 'ana', created: '' }))
    platform.onList('/v2/apps/', rows)
    const [all, some] = await ana.many([['apps'], ['apps', '--limit', '3', '--json']])
    assert.equal(all!.stdout.split('\n').length, 1 + 1234 + 1)
    assert.deepEqual(JSON.parse(some!.stdout), rows.slice(0, 3))
  })
})

function callOf({ method, path }: Received): string {
  return `${method} ${path}`
}

function standingPlatform(platform: StubPlatform): StubPlatform {
  const app = { id: 'shop', uuid: 'u', owner: 'ana', created: '2026-11-22T18:00:00Z', updated: '2026-11-22T18:00:00Z' }
  const release = { version: 2, created: '2026-11-22T18:00:00Z', owner: 'ana', summary: 'ana broke it', failed: true }
  const made = (body: unknown) => ({ status: 201, json: body })
  const line = {
    app: 'shop',
    ts: '2026-11-22T18:00:00.000000000Z',
    source: 'app',
    text: 'hello',
    process: 'web',
    release: 'v3',
    pod: POD.name,
  }
  platform
    .onList('/v2/apps/', [app])
    .onList('/v2/keys/', [{ id: 'laptop', public: 'ssh-ed25519 AAAA…0123456789', fingerprint: 'ab:cd' }])
    .onList('/v2/certs/', [CERTIFICATE])
    .onList('/v2/users/', [USER])
    .onList('/v2/admin/perms/', [{ username: 'ana', is_superuser: true }])
    .onList('/v2/apps/shop/requests/', [
      { ...REQUEST, time: '2026-11-22T18:00:01.000Z', status: 502, code: 'R33', seconds: 1.5, endpoint: '10.0.0.2:80', attempts: 2 },
      REQUEST,
    ])
    .onList('/v2/apps/shop/routing/', [
      {
        ...{ domain: 'shop', host: 'shop.localhost', outcome: 'forward', reason: '', conditions: [] },
        endpoints: [{ endpoint: '10.0.0.1:80', active: 2, isEjected: false }],
      },
      { domain: 'www.test', host: 'www.test', outcome: '404', code: 'R10', reason: 'No app claims this host', conditions: [] },
    ])
    .onList('/v2/apps/shop/domains/', [{ domain: 'shop' }, { domain: 'www.example.com' }])
    .onList('/v2/apps/shop/releases/', [release, { ...release, version: 1 }])
    .onList('/v2/apps/shop/builds/', [
      { uuid: 'b-uuid', image: 'embedded/shop', sha: '0123abcdef', owner: 'ana', created: '2026-11-22T18:00:00Z' },
    ])
  const answers: Readonly<Record<string, Parameters<StubPlatform['on']>[1]>> = {
    'GET /v2/auth/whoami/': { json: USER },
    'POST /v2/auth/passwd/': { json: { status: 'password set' } },
    'POST /v2/auth/tokens/': { json: { token: 'd4e5f6' } },
    'POST /v2/apps/': made(app),
    'GET /v2/apps/shop/': { json: app },
    'POST /v2/apps/shop/': {},
    'GET /v2/apps/shop/perms/': { json: { users: ['bob'] } },
    'GET /v2/apps/shop/releases/v2/': { json: release },
    'POST /v2/apps/shop/releases/rollback/': made({ version: 4 }),
    'POST /v2/apps/shop/builds/': made({ uuid: 'b' }),
    'GET /v2/apps/shop/config/': { json: CONFIG },
    'POST /v2/apps/shop/config/': made(CONFIG),
    'GET /v2/apps/shop/settings/': { json: SETTINGS },
    'POST /v2/apps/shop/settings/': made(SETTINGS),
    'GET /v2/apps/shop/tls/': {
      json: {
        https_enforced: null,
        certificates: [
          { domain: 'shop', source: 'none', reason: "Names of the platform have the platform's certificate" },
          { domain: 'www.example.com', source: 'automatic', names: ['www.example.com'], issuer: '/C=US/CN=R3', days_left: 61 },
        ],
      },
    },
    'POST /v2/apps/shop/tls/': made({ https_enforced: true }),
    'GET /v2/apps/shop/whitelist/': { json: { addresses: ['192.0.2.7'] } },
    'POST /v2/apps/shop/whitelist/': made({ addresses: [] }),
    'GET /v2/apps/shop/pages/': {
      json: {
        pages: [
          { name: '503.html', url: 'https://example.com/503.html', bytes: 20, updated: '2026-11-22T18:00:00Z' },
          { name: 'maintenance.html', url: null, bytes: 5, updated: '2026-11-22T18:00:00Z' },
        ],
      },
    },
    'POST /v2/apps/shop/pages/': made({ name: '503.html', url: null, bytes: 1, updated: '2026-11-22T18:00:00Z' }),
    'GET /v2/apps/shop/pods/': { json: { results: [POD], count: 1 } },
    'POST /v2/apps/shop/pods/restart/': { json: [POD] },
    'POST /v2/apps/shop/pods/web/restart/': { json: [POD] },
    [`POST /v2/apps/shop/pods/web/${POD.name}/restart/`]: { json: [POD] },
    'POST /v2/apps/shop/run': { json: { exit_code: 0, output: 'out\n' } },
    'GET /v2/apps/shop/logs': { text: `${JSON.stringify(line)}\n` },
    'GET /v2/certs/example': { json: CERTIFICATE },
    'GET /v2/certs/elsewhere': { json: { ...CERTIFICATE, name: 'elsewhere', domains: ['www.example.com', 'shop.test', 'shop'] } },
    'POST /v2/certs/': made(CERTIFICATE),
    'POST /v2/keys/': made({ id: 'k' }),
    'POST /v2/apps/shop/domains/': made({ domain: 'd' }),
  }
  for (const [call, answer] of Object.entries(answers)) platform.on(call, answer)
  for (const path of ['/apps/shop/perms/', '/admin/perms/', '/certs/example/domain/']) platform.on(`POST /v2${path}`, { status: 201 })
  for (const path of [
    ...['/auth/cancel/', '/keys/ana@lap top', '/apps/shop/', '/apps/shop/perms/b@b', '/apps/shop/domains/*.example.com', '/certs/example'],
    ...['/certs/example/domain/www.example.com', '/apps/shop/whitelist/', '/apps/shop/pages/'],
  ])
    platform.on(`DELETE /v2${path}`, { status: 204 })
  return platform.on('POST /v2/apps/shop/scale/', { status: 204 })
}
