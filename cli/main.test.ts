import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { createAuthority, issueCertificate } from '../kernel/x509.ts'
import { CliUser, StubPlatform } from './test-bed.ts'

suite('drycc', { concurrency: 4 }, () => {
  let platform: StubPlatform
  let ana: CliUser
  before(async () => {
    platform = await new StubPlatform().start()
    ana = new CliUser()
    ana.logIn(platform.address)
  })
  after(async () => {
    await platform.stop()
    ana.remove()
  })

  /** A login of its own, so that tests beside each other keep theirs. */
  const someone = (t: { after(end: () => void): void }) => {
    const user = new CliUser()
    t.after(() => user.remove())
    return user
  }

  test('alone shows the help, by topic, and ends with 0', async () => {
    const { code, stdout, stderr } = await ana.drycc()
    assert.equal(code, 0)
    assert.equal(stderr, '')
    for (const heading of ['Account:', 'Apps:', 'Config:', 'Processes:', 'Exit codes:'])
      assert.match(stdout, new RegExp(`^${heading}`, 'm'))
    assert.doesNotMatch(stdout, /\x1b/)
    assert.deepEqual(
      stdout.split('\n').filter(line => line.length > 80),
      [],
      'fits a terminal of 80 columns',
    )
  })

  test('help of a command has examples and its neighbours', async () => {
    const { code, stdout } = await ana.drycc('help', 'config:list')
    assert.equal(code, 0)
    assert.match(
      stdout,
      /^Usage: drycc config \[options\] \[name\]\n.*Examples:\n {2}\$ drycc config\n.*See also: config:set, config:unset/s,
    )
  })

  test('runs by its program for a PATH, through a link, on the Node of the system', async t => {
    const user = someone(t)
    const link = join(user.home, 'drycc')
    spawnSync('ln', ['-s', join(import.meta.dirname, 'bin/drycc'), link])
    assert.deepEqual(await user.run(link, ['version']), {
      ...{ code: 0, signal: null, stderr: '' },
      stdout: `${(JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')) as { version: string }).version}\n`,
    })
    assert.equal((await user.run(link, ['apps'])).code, 4)
  })

  test('without a login ends with 4 and says what to do', async t => {
    const { code, stdout, stderr } = await someone(t).drycc('apps')
    assert.deepEqual(
      { code, stdout, stderr },
      { code: 4, stdout: '', stderr: 'Error: Not logged in: use drycc login ADDRESS or drycc register ADDRESS\n' },
    )
  })

  test('registers, logs in, and keeps the login to its owner', async t => {
    const bob = someone(t)
    platform.on('POST /v2/auth/register/', { status: 201, json: { username: 'bob' } })
    platform.on('POST /v2/auth/login/', (response, { body }) => {
      const isRight = (body as { password: string }).password === 'correct horse'
      response.writeHead(isRight ? 200 : 400, { 'content-type': 'application/json' })
      response.end(JSON.stringify(isRight ? { token: 'fresh' } : { non_field_errors: ['Unable to log in with provided credentials.'] }))
    })
    const registered = await bob.drycc('register', platform.address, '-u', 'bob', '-p', 'correct horse', '--email', 'b@example.com')
    assert.equal(registered.code, 0, registered.stderr)
    assert.equal(registered.stdout, 'Logged in as bob\n')
    assert.equal(statSync(bob.profileFile).mode & 0o777, 0o600)
    const kept = readFileSync(bob.profileFile, 'utf8')
    assert.match(kept, /"token": "fresh"/)

    const wrong = await bob.drycc('login', '-u', 'bob', '-p', 'wrong')
    assert.deepEqual([wrong.code, wrong.stderr], [1, 'Error: Unable to log in with provided credentials.\n'])
    assert.equal(readFileSync(bob.profileFile, 'utf8'), kept, 'a failed login leaves the one before')

    const args = ['login', platform.address, '-u', 'bob', '--password-stdin', '--json']
    const again = await bob.run(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args], { input: 'correct horse\n' })
    assert.deepEqual(JSON.parse(again.stdout), { username: 'bob', controller: platform.address })

    assert.equal((await bob.drycc('logout')).code, 0)
    assert.ok(!existsSync(bob.profileFile))
  })

  test('says that nothing listens, and ends with 3', async t => {
    const user = someone(t)
    const gone = await new StubPlatform().start()
    user.logIn(gone.address)
    await gone.stop()
    const { code, stdout, stderr } = await user.drycc('apps', '--json')
    assert.equal(code, 3)
    assert.equal(stdout, '')
    assert.match(
      (JSON.parse(stderr) as { error: { message: string } }).error.message,
      /^Cannot reach http:\/\/drycc\.localhost:\d+: nothing listens there/,
    )
  })

  test('takes no certificate that it does not trust, and says how to trust it', async t => {
    const user = someone(t)
    const authority = createAuthority('Test CA')
    const { certificate, key } = issueCertificate(authority, { names: ['drycc.localhost'], days: 1 })
    const server = createServer({ cert: certificate, key }, (_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"token":"t"}')
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    t.after(() => server.close())
    const address = `https://drycc.localhost:${(server.address() as AddressInfo).port}`
    const ca = join(user.home, 'ca.pem')
    writeFileSync(ca, authority.certificate)
    const login = (...more: string[]) => user.drycc('login', address, '-u', 'a', '-p', 'b', ...more)
    const [refused, trusted, noCertificate] = await Promise.all([login(), login('--ca', ca), login('--ca', join(user.home, '../nosuch'))])
    assert.equal(refused.code, 3)
    assert.match(refused.stderr, /--ca FILE/)
    assert.equal(trusted.code, 0, trusted.stderr)
    assert.equal(noCertificate.code, 2)
    assert.equal((await login('--ssl-verify', 'false')).code, 0)
    const plain = await user.drycc('login', platform.address.replace('http:', 'https:'), '-u', 'a', '-p', 'b')
    assert.deepEqual([plain.code, /does not speak HTTPS at this port; try http:/.test(plain.stderr)], [3, true], plain.stderr)
  })

  test('shows no page of HTML', async () => {
    platform
      .on('GET /v2/apps/html/config/', { status: 502, text: '<html><title>502 Bad Gateway</title><body>nginx' })
      .on('GET /v2/apps/page/config/', { status: 200, text: '<html><title>Welcome</title>' })
      .on('GET /v2/apps/broken/config/', response => response.writeHead(200, { 'content-type': 'application/json' }).end('{"values":'))
      .on('GET /v2/apps/cut/config/', response => response.destroy())
    const outcomes = await ana.many(['html', 'page', 'broken', 'cut'].map(app => ['config', '--app', app]))
    assert.deepEqual(
      outcomes.map(({ code, stderr }) => [code, stderr.replaceAll(platform.address, 'ADDRESS')]),
      [
        [3, 'Error: ADDRESS cannot answer now: 502 Bad Gateway\n'],
        [3, 'Error: ADDRESS answered, but not as the API of a platform does: is the address right?\n'],
        [3, 'Error: ADDRESS answered with what is no JSON: is it the API of a platform?\n'],
        [3, 'Error: Cannot reach ADDRESS: it closed the connection (other side closed)\n'],
      ],
    )
  })

  test('ends quietly when its reader has had enough', async () => {
    platform.onList(
      '/v2/apps/',
      Array.from({ length: 20_000 }, (_, index) => ({ id: `app-${index}`, owner: 'ana', created: 'x'.repeat(50) })),
    )
    const script = '"$0" "$1" apps | head -1; echo $PIPESTATUS'
    const { stdout, stderr } = await ana.run('bash', ['-c', script, process.execPath, join(import.meta.dirname, 'main.ts')])
    assert.match(stdout, /^APP +OWNER +CREATED\n0\n$/)
    assert.equal(stderr, '')
  })

  test('ends as the command does that it runs', async () => {
    platform.on('POST /v2/apps/shop/run', { json: { exit_code: 7, output: 'oh no\n' } })
    const { code, stdout, stderr } = await ana.drycc('run', '--app', 'shop', '--', 'false', '--app', 'x')
    assert.deepEqual({ code, stdout, stderr }, { code: 7, stdout: '', stderr: 'oh no\n' })
    assert.deepEqual(platform.received.findLast(({ path }) => path === '/v2/apps/shop/run')?.body, { command: 'false --app x' })
  })

  test('interrupted in long work ends with 130, and says that the platform may go on', async () => {
    let interrupt = () => {}
    platform.on('POST /v2/apps/shop/scale/', () => interrupt())
    const { code, signal, stderr } = await ana.run(
      process.execPath,
      [join(import.meta.dirname, 'main.ts'), 'scale', 'web=3', '--app', 'shop'],
      {
        onStart: child => (interrupt = () => child.kill('SIGINT')),
      },
    )
    assert.deepEqual([code, signal, stderr], [130, null, 'Scaling web=3… interrupted: the platform may go on with it\n'])
  })
})
