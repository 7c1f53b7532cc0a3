import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { CliUser, type Outcome } from './test-bed.ts'

const ROOT = join(import.meta.dirname, '..')
const AWKWARD = `it's "my" $HOME; folder`

suite('git with drycc', () => {
  let ana: CliUser
  let server: GitOverHttp
  let checkout: string
  let repository: string

  before(async () => {
    server = await new GitOverHttp().start()
    ana = new CliUser()
    ana.logIn(server.address, 'ana', 'a1b2c3')
    // Sources in a folder of this run alone need not stay in the cache of all.
    ana.env['NODE_COMPILE_CACHE'] = join(ana.home, 'cache')
    // The command line in a folder whose name a shell would take apart, and the repository as well.
    checkout = join(ana.home, AWKWARD)
    mkdirSync(checkout)
    for (const name of ['cli', 'kernel', 'package.json'])
      cpSync(join(ROOT, name), join(checkout, name), { recursive: true, filter: path => !path.endsWith('.test.ts') })
    symlinkSync(join(ROOT, 'node_modules'), join(checkout, 'node_modules'))
    repository = join(ana.home, `${AWKWARD} of ana`)
    mkdirSync(repository)
    git('init', '--quiet', '--initial-branch=main')
    for (const [name, value] of [
      ['user.name', 'ana'],
      ['user.email', 'ana@example.com'],
    ] as const)
      git('config', name, value)
    git('commit', '--quiet', '--allow-empty', '--message=first')
    // Another helper, which would be given what worked, and one that answers for every host.
    writeFileSync(
      join(ana.home, '.gitconfig'),
      `[credential]\n\thelper = "!f() { cat >> '${ana.home}/kept'; echo \\"helper $1\\" >> '${ana.home}/kept'; }; f"\n`,
    )
  })
  after(async () => {
    await server.stop()
    ana.remove()
  })

  function git(...args: string[]) {
    return spawnSync('git', args, { cwd: repository, env: ana.env, encoding: 'utf8' })
  }
  const gitAsync = (...args: string[]) => ana.run('git', args, { cwd: repository })
  const drycc = (...args: string[]): Promise<Outcome> =>
    ana.run(process.execPath, [join(checkout, 'cli/main.ts'), ...args], { cwd: repository })

  test('pushes over HTTP with the login, and gives it to nobody to keep', async () => {
    git('config', '--local', '--add', 'http.curloptResolve', 'example.com:80:192.0.2.1')
    const first = await drycc('git:remote', '--app', 'shop')
    assert.equal(first.code, 0, first.stderr)
    const before = git('config', '--local', '--list').stdout
    assert.equal((await drycc('git:remote', '--app', 'shop')).code, 0)
    assert.equal(git('config', '--local', '--list').stdout, before, 'again changes nothing')
    assert.match(before, /^http\.curloptresolve=example\.com:80:192\.0\.2\.1$/m, 'what else is set to resolve stays')

    const pushed = await gitAsync('push', 'drycc', 'HEAD:main')
    assert.equal(pushed.code, 0, pushed.stderr)
    assert.deepEqual(server.heads('shop'), ['main'])
    assert.deepEqual([...server.credentials], ['ana:a1b2c3'])
    assert.throws(() => readFileSync(join(ana.home, 'kept')), { code: 'ENOENT' }, "the user's own helper was not asked and not told")

    git('commit', '--quiet', '--allow-empty', '--message=second')
    const again = await drycc('push', '--json')
    assert.equal(again.code, 0, again.stderr)
    assert.deepEqual(JSON.parse(again.stdout), { remote: 'drycc', pushed: true })
  })

  test('gives the token to no other host', async () => {
    const other = await new GitOverHttp().start()
    try {
      const helper = git('config', '--get-all', `credential.${server.address}.helper`).stdout.split('\n').at(-2)!
      const args = [
        '-c',
        `credential.${other.address}.helper=${helper}`,
        ...server.resolve(other),
        'push',
        `${other.address}/git/shop.git`,
        'main',
      ]
      const { code, stderr } = await gitAsync(...args)
      assert.equal(code, 128, stderr)
      assert.match(stderr, /drycc: the login is for http:\/\/drycc\.localhost:\d+, not for /)
      assert.equal(other.credentials.size, 0)
    } finally {
      await other.stop()
    }
  })

  test('answers neither store nor erase', async () => {
    for (const action of ['store', 'erase'])
      assert.deepEqual(
        await ana.run(process.execPath, [join(checkout, 'cli/main.ts'), 'git:credential', action], { input: 'protocol=http\nhost=x\n' }),
        { code: 0, signal: null, stdout: '', stderr: '' },
      )
  })

  test('without a login ends with a reason instead of a question', async () => {
    const bob = new CliUser()
    try {
      const { code, stderr } = await bob.run('git', ['-C', repository, 'push', 'drycc', 'main'])
      assert.equal(code, 128)
      assert.match(stderr, /drycc: Not logged in: use drycc login http:\/\/drycc\.localhost:\d+/)
    } finally {
      bob.remove()
    }
  })

  test('a remote remembers the login that it was made with', async () => {
    const profile = join(ana.home, `${AWKWARD}.json`)
    writeFileSync(profile, JSON.stringify({ username: 'work', controller: server.address, token: 'w0rk' }))
    const env = { DRYCC_PROFILE: profile }
    const args = [join(checkout, 'cli/main.ts'), 'git:remote', '--app', 'work-shop', '--remote', 'work']
    const made = await ana.run(process.execPath, args, { cwd: repository, env })
    assert.equal(made.code, 0, made.stderr)
    server.credentials.clear()
    const { code, stderr } = await gitAsync('push', 'work', 'main')
    assert.equal(code, 0, stderr)
    assert.deepEqual([...server.credentials], ['work:w0rk'])
  })

  test('points a remote elsewhere, and says where it was', async () => {
    const { stderr } = await drycc('git:remote', '--app', 'other', '--ssh', '--ssh-port', '2022')
    assert.match(stderr, /Git remote drycc: ssh:\/\/git@127\.0\.0\.1:2022\/other\.git \(was http.*\/shop\.git\)/)
    await drycc('ps')
    assert.ok(server.paths.includes('/v2/apps/other/pods/'), 'the app is now that of the remote')
  })

  test('says so where there is no repository, no remote or no git', async () => {
    const none = mkdtempSync(join(tmpdir(), 'drycc-none-'))
    try {
      const run = (args: string[], env: NodeJS.ProcessEnv = {}) =>
        ana.run(process.execPath, [join(checkout, 'cli/main.ts'), ...args], { cwd: none, env })
      const outside = await run(['git:remote', '--app', 'shop'])
      assert.deepEqual(
        [outside.code, outside.stderr],
        [2, 'Error: This folder is not in a git repository: run git init first, or change into one\n'],
      )
      const noGit = await run(['git:remote', '--app', 'shop'], { PATH: none })
      assert.deepEqual([noGit.code, noGit.stderr], [1, 'Error: git is not installed, or not in PATH\n'])
      const noApp = await run(['ps'])
      assert.deepEqual([noApp.code, /^Error: Which app\? Give --app NAME/.test(noApp.stderr)], [2, true])
      const noRemote = await drycc('push', '--remote', 'nosuch')
      assert.deepEqual([noRemote.code, /drycc git:remote --app NAME/.test(noRemote.stderr)], [2, true])
    } finally {
      rmSync(none, { recursive: true })
    }
  })
})

/** Repositories over HTTP behind a password, by git's own `http-backend`. */
class GitOverHttp {
  readonly credentials = new Set<string>()
  readonly paths: string[] = []
  readonly #folder = mkdtempSync(join(tmpdir(), 'drycc-git-'))
  readonly #server: Server = createServer((request, response) => this.#serve(request, response))

  async start(): Promise<this> {
    for (const app of ['shop', 'work-shop']) {
      const path = join(this.#folder, `${app}.git`)
      spawnSync('git', ['init', '--quiet', '--bare', '--initial-branch=main', path])
      spawnSync('git', ['-C', path, 'config', 'http.receivepack', 'true'])
    }
    await new Promise<void>(resolve => this.#server.listen(0, '127.0.0.1', resolve))
    return this
  }

  get address(): string {
    return `http://drycc.localhost:${(this.#server.address() as AddressInfo).port}`
  }

  /** Options of git with which it finds the other server by its name. */
  resolve(other: GitOverHttp): string[] {
    return ['-c', `http.curloptResolve=drycc.localhost:${new URL(other.address).port}:127.0.0.1`]
  }

  heads(app: string): string[] {
    return spawnSync('git', ['-C', join(this.#folder, `${app}.git`), 'branch', '--format=%(refname:short)'], { encoding: 'utf8' })
      .stdout.trim()
      .split('\n')
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
    rmSync(this.#folder, { recursive: true })
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    this.paths.push(request.url!)
    const [scheme, secret] = (request.headers.authorization ?? '').split(' ')
    if (scheme !== 'Basic') {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="Drycc"' }).end()
      return
    }
    this.credentials.add(Buffer.from(secret!, 'base64').toString())
    const url = new URL(request.url!, this.address)
    const child = spawn('git', ['http-backend'], {
      env: {
        PATH: process.env['PATH'],
        GIT_PROJECT_ROOT: this.#folder,
        GIT_HTTP_EXPORT_ALL: '1',
        REMOTE_USER: 'ana',
        REQUEST_METHOD: request.method,
        PATH_INFO: url.pathname.replace(/^\/git/, ''),
        QUERY_STRING: url.search.slice(1),
        CONTENT_TYPE: request.headers['content-type'] ?? '',
        HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
        ...(request.headers['content-length'] ? { CONTENT_LENGTH: request.headers['content-length'] } : {}),
      },
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    request.pipe(child.stdin)
    const chunks: Buffer[] = []
    child.stdout.on('data', chunk => chunks.push(chunk))
    child.on('close', () => {
      const answer = Buffer.concat(chunks)
      const end = answer.indexOf('\r\n\r\n')
      const fields = answer
        .subarray(0, end)
        .toString()
        .split('\r\n')
        .map(line => line.split(': ') as [string, string])
      const status = Number(fields.find(([name]) => name === 'Status')?.[1]?.slice(0, 3) ?? 200)
      response.writeHead(status, Object.fromEntries(fields.filter(([name]) => name !== 'Status')))
      response.end(answer.subarray(end + 4))
    })
  }
}
