import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { RESOURCES } from '../kernel/kubernetes/objects.ts'
import { createAuthority, issueCertificate } from '../kernel/x509.ts'
import { Person, type Repository, succeed } from './platform/person.ts'
import { type PlatformUnderTest, startTestPlatform } from './platform/platform-under-test.ts'
import { SAMPLE_APP } from './platform/sample-app.ts'
import { httpGet, httpsGet, Load } from './platform/traffic.ts'

suite('the whole path', () => {
  let platform: PlatformUnderTest
  let ana: Person
  let bob: Person
  let shop: Repository
  let load: Load | undefined
  const pods = new Set<number>()

  before(async () => {
    platform = await startTestPlatform()
    ana = new Person(platform, 'ana')
    bob = new Person(platform, 'bob')
  })
  after(async () => {
    await load?.end()
    await platform.end()
  })

  const http = (host: string, path?: string) => httpGet(platform.ports['http-port'], host, path)
  const page = async (host = 'shop.localhost') => JSON.parse((await http(host)).body) as { pod: string; release: string; greeting: string }

  test('people register, and add a key', async () => {
    await ana.settle()
    await bob.settle()
    const { stdout } = succeed(await ana.drycc('whoami'))
    assert.match(stdout, /^You are ana at http:/)
  })

  test('a push over SSH becomes an app that answers over HTTP and HTTPS', async () => {
    shop = await ana.repository('shop', SAMPLE_APP)
    succeed(await shop.drycc('create', 'shop', '--ssh', '--ssh-port', String(platform.ports['git-port'])))
    const { stderr } = succeed(await shop.git('push', 'drycc', 'main'))
    assert.match(stderr, /Done, shop:v2 deployed to Workflow/)
    assert.match(stderr, /http:\/\/shop\.localhost/)
    assert.equal((await page()).release, 'v2')
    const ca = readFileSync(platform.authorityFile, 'utf8')
    const secure = await httpsGet(platform.ports['https-port'], 'shop.localhost', ca)
    assert.equal(secure.status, 200)
    load = new Load(platform.ports['http-port'], 'shop.localhost', 50)
  })

  test('a variable makes a release', async () => {
    succeed(await shop.drycc('config:set', 'GREETING=hello there'))
    assert.deepEqual({ ...(await page()), pod: '' }, { pod: '', release: 'v3', greeting: 'hello there' })
    assert.match(succeed(await shop.drycc('releases')).stdout, /v3 .*ana added GREETING/)
  })

  test('three processes answer, and their logs are one', async () => {
    const follower = ana.following('logs', '--follow', '--app', 'shop', '--lines', '1')
    let followed = ''
    follower.stdout!.on('data', chunk => (followed += chunk))
    try {
      const scaled = succeed(await shop.drycc('scale', 'web=3')).stdout
      assert.equal(scaled.match(/ up \(v3\)/g)?.length, 3, scaled)
      const seen = new Set<string>()
      for (let count = 0; count < 300 && seen.size < 3; count++)
        seen.add((JSON.parse((await http('shop.localhost', `/mark-${count}`)).body) as { pod: string }).pod)
      assert.equal(seen.size, 3)
      const deadline = AbortSignal.timeout(10_000)
      while (new Set(followed.match(/shop\[web\.v3\.\w+\]: asked for/g)).size < 3) {
        deadline.throwIfAborted()
        await new Promise(resolve => follower.stdout!.once('data', resolve))
      }
      const lines = succeed(await shop.drycc('logs', '--lines', '1000', '--json'))
        .stdout.trimEnd()
        .split('\n')
      const kept = lines.map(line => JSON.parse(line) as { ts: string; pod?: string; text: string })
      const times = kept.map(({ ts }) => ts)
      assert.deepEqual(times, times.toSorted(), 'lines of several pods stand in the order of their times')
      const marked = Map.groupBy(
        kept.filter(({ text }) => /mark-/.test(text)),
        ({ pod }) => pod,
      )
      assert.equal(marked.size, 3)
      for (const [pod, own] of marked) {
        const marks = own.map(({ text }) => Number(/mark-(\d+)/.exec(text)?.[1]))
        assert.deepEqual(
          marks,
          marks.toSorted((a, b) => a - b),
          `lines of ${pod} stand as they were written`,
        )
      }
    } finally {
      follower.kill()
    }
    for (const pod of await platform.kubernetes.list(RESOURCES.pods, { namespace: 'shop' }).then(({ items }) => items)) {
      const port = JSON.parse(pod.metadata.annotations?.['kubelet.drycc.cc/ports'] ?? '{}') as Record<string, number>
      for (const number of Object.values(port)) pods.add(number)
    }
    assert.equal(pods.size, 3)
  })

  test('a push that does not build is refused, and the old release serves', async () => {
    await shop.commit({ 'package.json': JSON.stringify({ name: 'shop', scripts: { build: 'echo no such thing; exit 3' } }) })
    const { code, stderr } = await shop.git('push', 'drycc', 'main')
    assert.notEqual(code, 0)
    assert.match(stderr, /no such thing/)
    assert.match(stderr, /remote rejected/)
    assert.equal((await page()).release, 'v3')
  })

  test('a push that does not start is refused, and the old release serves', async () => {
    await shop.commit({ 'package.json': JSON.stringify({ name: 'shop' }), 'server.js': "console.log('broken'); process.exit(1)" })
    const { code, stderr } = await shop.git('push', 'drycc', 'main')
    assert.notEqual(code, 0, stderr)
    assert.match(stderr, /remote rejected/)
    assert.equal((await page()).release, 'v3')
    const states = succeed(await shop.drycc('ps')).stdout
    assert.equal(states.match(/ up \(v3\)/g)?.length, 3, states)
  })

  test('a push of what is mended goes over HTTP too', async () => {
    // Larger than the body that an app may be sent by default: a push is not an app's request.
    await shop.commit({ 'server.js': SAMPLE_APP['server.js']!, 'large.txt': randomBytes(3 * 1024 * 1024).toString('base64') })
    succeed(await shop.drycc('git:remote', '--app', 'shop'))
    const { stderr } = succeed(await shop.git('push', 'drycc', 'main'))
    const [, version] = /Done, shop:(v\d+) deployed/.exec(stderr) ?? []
    assert.equal((await page()).release, version)
  })

  test('a rollback brings back build and config', async () => {
    const { stdout } = succeed(await shop.drycc('rollback', 'v2'))
    assert.match(stdout, /shop is at v\d+/)
    assert.equal((await page()).greeting, 'none')
  })

  test('another user is refused everywhere', async () => {
    for (const args of [
      ['info'],
      ['config'],
      ['config:set', 'A=1'],
      ['ps'],
      ['scale', 'web=0'],
      ['restart'],
      ['releases'],
      ['rollback', 'v2'],
      ['domains'],
      ['domains:add', 'bob.example.com'],
      ['tls:enable'],
      ['perms'],
      ['perms:create', 'bob'],
      ['logs'],
      ['run', 'env'],
      ['destroy', '--confirm', 'shop'],
      ['apps:transfer', 'bob'],
    ]) {
      const { code, stderr } = await bob.drycc(...args, '--app', 'shop')
      assert.equal(code, 1, `${args.join(' ')}: ${stderr}`)
      assert.match(stderr, /You do not have permission/, args.join(' '))
    }
    const theft = await bob.repository('theft', SAMPLE_APP)
    for (const options of [[], ['--ssh', '--ssh-port', String(platform.ports['git-port'])]]) {
      succeed(await theft.drycc('git:remote', '--app', 'shop', ...options))
      for (const args of [
        ['push', 'drycc', 'main'],
        ['fetch', 'drycc'],
      ]) {
        const { code, stderr } = await theft.git(...args)
        assert.equal(code, 128, stderr)
      }
    }
    assert.equal((await page()).greeting, 'none')
  })

  test('a domain with its certificate is served within a second', async () => {
    const authority = createAuthority('Example CA')
    const { certificate, key } = issueCertificate(authority, { names: ['www.example.com'], days: 30 })
    writeFileSync(join(ana.home, 'chain.pem'), certificate)
    writeFileSync(join(ana.home, 'key.pem'), key)
    succeed(await shop.drycc('domains:add', 'www.example.com'))
    await within(1000, async () => (await http('www.example.com')).status === 200)
    succeed(await shop.drycc('certs:add', 'example', join(ana.home, 'chain.pem'), join(ana.home, 'key.pem')))
    succeed(await shop.drycc('certs:attach', 'example', 'www.example.com'))
    await within(1000, async () => (await certificateName('www.example.com')) === 'www.example.com')
    const secure = await httpsGet(platform.ports['https-port'], 'www.example.com', authority.certificate)
    assert.equal(secure.status, 200)
    succeed(await shop.drycc('domains:remove', 'www.example.com'))
    await within(1000, async () => (await http('www.example.com')).status === 404)
  })

  test('no request has failed meanwhile', async () => {
    await load?.reaches(100)
    await load?.end()
    assert.deepEqual(load!.failures, [])
  })

  test('https that is enforced is redirected to where it is', async () => {
    succeed(await shop.drycc('tls:enable'))
    const port = platform.ports['https-port']
    await within(1000, async () => (await http('shop.localhost', '/a?b')).headers.location === `https://shop.localhost:${port}/a?b`)
    succeed(await shop.drycc('tls:disable'))
  })

  test('a destroyed app leaves no process, file, route or port', async () => {
    const processes = () => readdirSync('/proc').filter(name => /^\d+$/.test(name) && isOfApp(environmentOf(name)))
    // Another test may have an app of this name: its processes have another home.
    const before = process.platform === 'linux' ? processes() : []
    succeed(await shop.drycc('destroy', '--confirm', 'shop'))
    assert.equal((await http('shop.localhost')).status, 404)
    if (process.platform === 'linux') {
      assert.ok(before.length > 0)
      assert.deepEqual(processes(), [])
    }
    const { items } = await platform.kubernetes.list(RESOURCES.namespaces)
    assert.deepEqual(
      items.map(({ metadata }) => metadata.name).filter(name => name === 'shop'),
      [],
    )
    for (const port of pods) await assert.rejects(httpGet(port, 'shop.localhost'), { code: 'ECONNREFUSED' })
    const left = (folder: string) =>
      existsSync(folder) ? readdirSync(folder, { recursive: true }).filter(name => /(^|\/|_)shop(\W|_|$)/.test(String(name))) : []
    await within(10_000, async () =>
      ['pods', 'logger', 'builder/repos'].every(folder => left(join(platform.folder, 'home', folder)).length === 0),
    )
    succeed(await ana.drycc('create', 'shop', '--no-remote'))
    assert.doesNotMatch((await ana.drycc('logs', '--app', 'shop')).stdout, /asked for/)
  })

  const isOfApp = (environment: string) => environment.includes('\0DRYCC_APP=shop\0') && environment.includes(platform.folder)

  async function certificateName(servername: string): Promise<string> {
    const socket: TLSSocket = connect({ host: '127.0.0.1', port: platform.ports['https-port'], servername, rejectUnauthorized: false })
    await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
    const { subject } = socket.getPeerCertificate()
    socket.destroy()
    return String(subject?.CN)
  }
})

/** Asks until it is so. @throws {Error} when the time is over first */
async function within(ms: number, ask: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + ms
  while (!(await ask())) {
    if (performance.now() > deadline) throw new Error(`not so within ${ms} ms`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

/** Empty for a process that has ended or is another user's. */
function environmentOf(pid: string): string {
  try {
    return `\0${readFileSync(`/proc/${pid}/environ`, 'utf8')}`
  } catch {
    return ''
  }
}
