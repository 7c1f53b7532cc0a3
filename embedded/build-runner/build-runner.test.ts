import assert from 'node:assert/strict'
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { BuildResult } from '../../kernel/contract.ts'
import { type Image, openImageStore } from '../images/store.ts'
import { findPrograms } from './toolchain.ts'

const SHA = '0123456789abcdef0123456789abcdef01234567'
const missing = (program: string) => (findPrograms(program).length > 0 ? false : `there is no ${program} on this machine`)

interface Outcome {
  readonly code: number
  readonly output: string
  readonly result: BuildResult | undefined
}

suite('build runner', () => {
  let root: string
  let count = 0
  before(async () => {
    root = await mkdtemp(path.join(os.tmpdir(), 'build-runner-test-'))
  })
  after(() => rm(root, { recursive: true, force: true }))

  suite('Node.js', () => {
    test('builds an app without dependencies and never calls npm', async () => {
      const files = { 'package.json': '{"scripts":{"start":"node server.js"}}', 'server.js': '' }
      const built = await build(files, { path: await emptyPath() })
      assert.equal(built.code, 0, built.output)
      assert.deepEqual(built.result?.procfile, { web: 'node server.js' })
      assert.match(built.result!.detected, /^Node\.js 26\./)
      assert.match(built.result!.image, /^embedded\/shop@sha256:[0-9a-f]{64}$/)
      const image = await imageOf(built)
      assert.match(image.config.env!['PATH']!, /^\$\(DRYCC_ROOT\)\/node_modules\/\.bin:/)
      assert.equal(image.config.env!['PATH']!.split(':')[1], path.dirname(process.execPath))
    })

    test('starts server.js when package.json says nothing else', async () => {
      const built = await build({ 'package.json': '{}', 'server.js': '' })
      assert.deepEqual(built.result?.procfile, { web: 'node server.js' })
    })

    test('adds the start script to a Procfile without web, and leaves one with web alone', async () => {
      const manifest = { 'package.json': '{"scripts":{"start":"node a.js"}}' }
      assert.deepEqual((await build({ ...manifest, Procfile: 'worker: node b.js' })).result?.procfile, {
        web: 'node a.js',
        worker: 'node b.js',
      })
      assert.deepEqual((await build({ ...manifest, Procfile: 'web: node c.js' })).result?.procfile, { web: 'node c.js' })
    })

    test('installs from the lock file without a network, builds, and removes development dependencies', {
      skip: missing('npm'),
    }, async () => {
      const built = await build(NPM_APP)
      assert.equal(built.code, 0, built.output)
      assert.match(built.output, /\$ npm ci/)
      const { root: tree } = await imageOf(built)
      assert.equal(await readFile(path.join(tree, 'built.txt'), 'utf8'), 'greeting and tool')
      assert.deepEqual(
        (await readdir(path.join(tree, 'node_modules'))).filter(name => !name.startsWith('.')),
        ['greeting'],
      )
      await run(process.execPath, ['-e', "require('greeting')"], tree)
    })

    test('tells which script failed and with what code', { skip: missing('npm') }, async () => {
      const built = await build({ 'package.json': '{"scripts":{"build":"echo cannot compile; exit 3","start":"node ."}}' })
      assert.equal(built.code, 1)
      assert.match(built.output, /^ {7}cannot compile$/m)
      assert.match(built.output, /^error: npm run build exited with code 3, stopping build$/m)
      assert.equal(built.result, undefined)
    })

    test('refuses a version that is not here, in one line', async () => {
      const built = await build({ 'package.json': '{"engines":{"node":"12.x"},"scripts":{"start":"node ."}}' })
      assert.match(built.output, /^error: This app asks for Node\.js 12\.x \(engines of package\.json\), found 26\./m)
      assert.match(built.output, /^hint: install that version/m)
    })

    test('takes a near version with a warning', async () => {
      const built = await build({ 'package.json': '{}', '.nvmrc': '26.99.0\n', 'server.js': '' })
      assert.equal(built.code, 0, built.output)
      assert.match(built.output, /^warning: this app asks for Node\.js 26\.99\.0 \(\.nvmrc\): using 26\./m)
    })

    test('refuses a package.json that is no JSON, and an app that cannot start', async () => {
      assert.match((await build({ 'package.json': '{' })).output, /^error: Cannot read package\.json/m)
      assert.match((await build({ 'package.json': '{}' })).output, /^error: Cannot tell how this app starts$/m)
    })
  })

  suite('Python', { skip: missing('python3') }, () => {
    test('builds an app of the standard library without an environment', async () => {
      const built = await build({ 'requirements.txt': '# none\n', Procfile: 'web: python3 -m http.server $PORT' })
      assert.equal(built.code, 0, built.output)
      assert.deepEqual(built.result?.procfile, { web: 'python3 -m http.server $PORT' })
      assert.deepEqual(await readdir((await imageOf(built)).root), ['Procfile', 'requirements.txt'])
    })

    test('installs into an environment that works wherever the image is unpacked', async () => {
      const source = await folder({ 'requirements.txt': './greeting-1.0-py3-none-any.whl\n', Procfile: 'web: greet' })
      await makeWheel(source)
      const built = await buildFolder(source)
      assert.equal(built.code, 0, built.output)
      const image = await imageOf(built)
      const elsewhere = path.join(root, 'else where')
      await cp(image.root, elsewhere, { recursive: true, verbatimSymlinks: true })
      const searchPath = image.config.env!['PATH']!.replaceAll('$(DRYCC_ROOT)', elsewhere)
      const { stdout } = await run('/bin/sh', ['-c', 'greet && python3 -c "import sys; print(sys.prefix)"'], '/', { PATH: searchPath })
      assert.equal(stdout, `hello\n${elsewhere}/.venv\n`)
    })

    test('knows how frameworks start', async () => {
      const cases: [files: Record<string, string>, web: string][] = [
        [{ 'requirements.txt': '#', 'app.py': 'app = Flask(__name__)' }, 'flask --app app:app run --host 0.0.0.0 --port $PORT'],
        [{ 'requirements.txt': '# gunicorn', 'main.py': 'api = Flask(__name__)' }, 'gunicorn main:api --bind 0.0.0.0:$PORT'],
        [{ 'requirements.txt': '# uvicorn', 'main.py': 'app: FastAPI = FastAPI()' }, 'uvicorn main:app --host 0.0.0.0 --port $PORT'],
        [
          { 'requirements.txt': '# gunicorn', 'manage.py': "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')" },
          'gunicorn mysite.wsgi --bind 0.0.0.0:$PORT',
        ],
      ]
      for (const [files, web] of cases) assert.deepEqual((await build(files)).result?.procfile, { web })
    })

    test('refuses a version that is not here', async () => {
      const built = await build({ 'requirements.txt': '', 'runtime.txt': 'python-2.7.18', Procfile: 'web: x' })
      assert.match(built.output, /^error: This app asks for Python 2\.7\.18 \(runtime\.txt\), found 3\./m)
    })
  })

  suite('Go', { skip: missing('go') }, () => {
    // Without imports: compiling fmt takes a cold cache 10 s.
    const main = 'package main\n\nfunc main() { println("hello") }\n'

    test('builds one program as web', async () => {
      const built = await build({ 'go.mod': 'module example.com/shop\n\ngo 1.20\n', 'main.go': main })
      assert.equal(built.code, 0, built.output)
      assert.deepEqual(built.result?.procfile, { web: 'bin/shop' })
      const { stderr } = await run('bin/shop', [], (await imageOf(built)).root)
      assert.equal(stderr, 'hello\n')
    })

    test('shows the compiler’s words, and refuses a newer Go than there is', async () => {
      const broken = await build({ 'go.mod': 'module example.com/shop\n\ngo 1.20\n', 'main.go': main.replace('println', 'printline') })
      assert.match(broken.output, /undefined: printline/)
      assert.match(broken.output, /^error: go build .* exited with code 1, stopping build$/m)
      const newer = await build({ 'go.mod': 'module example.com/shop\n\ngo 9.1\n', 'main.go': main })
      assert.match(newer.output, /^error: This app asks for Go >=9\.1 \(go\.mod\), found 1\./m)
    })
  })

  suite('static files', () => {
    test('serves a folder from the image alone', async () => {
      const built = await build({ 'public/index.html': '<h1>hello</h1>', 'public/.secret': 'no', 'public/404.html': 'nothing here' })
      assert.equal(built.code, 0, built.output)
      assert.deepEqual(built.result?.procfile, { web: 'node .drycc/static-server/server.mjs public' })
      const elsewhere = path.join(root, `site-${++count}`)
      await cp((await imageOf(built)).root, elsewhere, { recursive: true })
      const child = spawn('/bin/sh', ['-c', `exec ${built.result!.procfile['web']}`], {
        cwd: elsewhere,
        env: { PATH: path.dirname(process.execPath), PORT: '0' },
      })
      try {
        const [line] = await once(child.stdout, 'data')
        const url = `http://127.0.0.1:${/port (\d+)/.exec(String(line))![1]}`
        const page = await fetch(`${url}/`)
        assert.equal(await page.text(), '<h1>hello</h1>')
        const again = await fetch(`${url}/`, { headers: { 'if-none-match': page.headers.get('etag')! } })
        assert.equal(again.status, 304)
        assert.equal((await fetch(`${url}/index.html`, { headers: { range: 'bytes=0-3' } })).status, 206)
        for (const hidden of ['/.secret', '/nowhere', '/..%2f..%2fetc/passwd']) {
          const answer = await fetch(url + hidden)
          assert.deepEqual([answer.status, await answer.text()], [404, 'nothing here'], hidden)
        }
        assert.equal((await fetch(url, { method: 'POST' })).status, 405)
      } finally {
        child.kill('SIGTERM')
        await once(child, 'exit')
      }
    })

    test('takes folder and single page from static.json', async () => {
      const built = await build({ 'static.json': '{"root":"dist/","routes":{"/**":"index.html"}}', 'dist/index.html': '' })
      assert.deepEqual(built.result?.procfile, { web: 'node .drycc/static-server/server.mjs dist --single' })
    })
  })

  suite('detection', () => {
    test('follows the order of the buildpacks: a package.json decides last', { skip: missing('python3') }, async () => {
      const built = await build({
        'requirements.txt': '',
        'package.json': '{"dependencies":{"x":"1"}}',
        'index.html': '',
        Procfile: 'web: x',
      })
      assert.match(built.result!.detected, /^Python/)
    })

    test('says of Ruby, and of a Dockerfile alone, that they cannot be built here', async () => {
      const ruby = await build({ Gemfile: '', 'package.json': '{}', Procfile: 'web: x' })
      assert.match(ruby.output, /^error: Ruby is not supported in embedded mode yet$/m)
      const docker = await build({ Dockerfile: 'FROM scratch' })
      assert.match(docker.output, /^error: A Dockerfile cannot be built in embedded mode\nhint: add a Procfile/m)
    })

    test('passes over a Dockerfile beside something that it can build', async () => {
      const built = await build({ Dockerfile: 'FROM scratch', Procfile: 'web: ./serve.sh', 'serve.sh': '' })
      assert.equal(built.code, 0, built.output)
      assert.match(built.output, /^warning: the Dockerfile is not used/m)
      assert.deepEqual(built.result?.procfile, { web: './serve.sh' })
    })

    test('says what to add to a tree of nothing known', async () => {
      assert.match((await build({ 'readme.md': '' })).output, /^error: Cannot tell what kind of app this is\nhint: add package\.json/m)
    })
  })

  suite('images', () => {
    test('the same source gives the same image without a build, another config another one', async () => {
      const files = { 'package.json': '{"scripts":{"start":"node again.js"}}', 'again.js': 'again' }
      const first = await build(files)
      const second = await build(files)
      assert.equal(second.result?.image, first.result?.image)
      assert.match(second.output, /its image is used again/)
      const changed = await build({ ...files, 'again.js': 'changed' })
      assert.notEqual(changed.result?.image, first.result?.image)
      const store = openImageStore(path.join(root, 'images'))
      assert.equal((await store.resolve(`embedded/shop:git-${SHA.slice(0, 8)}`))?.digest, changed.result?.image.split('@')[1])
    })

    test('steps see the app’s config, and a home of their own', { skip: missing('npm') }, async () => {
      const script = 'printf "%s %s" "$GREETING" "$HOME" > seen.txt'
      const built = await build(
        { 'package.json': JSON.stringify({ scripts: { build: script, start: 'node .' } }) },
        { env: { GREETING: 'hello you' } },
      )
      const seen = await readFile(path.join((await imageOf(built)).root, 'seen.txt'), 'utf8')
      assert.equal(seen, `hello you ${path.join(root, 'cache/shop/home')}`)
    })
  })

  test('a build whose builder has gone ends with its steps', { skip: missing('npm') }, async () => {
    const source = await folder({ 'package.json': '{"scripts":{"build":"echo pid $$; exec sleep 600"}}' })
    const child = startRunner(source, { detached: true })
    let output = ''
    for await (const text of child.stdout!.setEncoding('utf8')) {
      output += text
      if (/pid \d+/.test(output)) break
    }
    child.stdio[3]!.destroy()
    const [code, signal] = await once(child, 'exit')
    assert.deepEqual([code, signal], [null, 'SIGKILL'])
    const step = Number(/pid (\d+)/.exec(output)![1])
    for (const until = performance.now() + 5000; isRunning(step); await setImmediate())
      assert.ok(performance.now() < until, 'the step still runs')
  })

  async function folder(files: Readonly<Record<string, string>>): Promise<string> {
    const source = path.join(root, `source-${++count}`)
    for (const [name, content] of Object.entries(files)) {
      await mkdir(path.dirname(path.join(source, name)), { recursive: true })
      await writeFile(path.join(source, name), content)
    }
    return source
  }

  async function build(
    files: Readonly<Record<string, string>>,
    options: { env?: Record<string, string>; path?: string } = {},
  ): Promise<Outcome> {
    return buildFolder(await folder(files), options)
  }

  async function buildFolder(source: string, options: { env?: Record<string, string>; path?: string } = {}): Promise<Outcome> {
    const child = startRunner(source, options)
    let output = ''
    let result = ''
    for (const stream of [child.stdout!, child.stderr!]) stream.setEncoding('utf8').on('data', text => (output += text))
    child.stdio[3]!.on('data', text => (result += text))
    const [code] = await once(child, 'close')
    return { code, output, result: result === '' ? undefined : JSON.parse(result) }
  }

  function startRunner(source: string, options: { env?: Record<string, string>; path?: string; detached?: boolean }): ChildProcess {
    const { env = {}, path: searchPath = process.env['PATH'], detached = false } = options
    const words = [path.join(import.meta.dirname, 'main.ts'), '--images', path.join(root, 'images'), '--cache', path.join(root, 'cache')]
    const stdio = ['pipe', 'pipe', 'pipe', 'pipe'] as const
    const child = spawn(process.execPath, words, { env: { ...process.env, PATH: searchPath }, stdio: [...stdio], detached })
    const request = { app: 'shop', sha: SHA, source, env, cacheKey: 'shop', timeoutMs: 60_000, color: false }
    child.stdin!.end(JSON.stringify(request))
    return child
  }

  async function imageOf({ result, output }: Outcome): Promise<Image> {
    assert.ok(result, output)
    return (await openImageStore(path.join(root, 'images')).resolve(result.image))!
  }

  async function emptyPath(): Promise<string> {
    const empty = path.join(root, 'empty')
    await mkdir(empty, { recursive: true })
    // "cp" of the image store is found by Node's own way when there is none.
    return empty
  }
})

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** Two packages of the repository itself, one of them for the build only. */
const NPM_APP = {
  'package.json': JSON.stringify({
    name: 'app',
    version: '1.0.0',
    scripts: {
      build: `node -e "fs.writeFileSync('built.txt', require('greeting') + ' and ' + require('tool'))"`,
      start: 'node .',
    },
    dependencies: { greeting: 'file:packages/greeting' },
    devDependencies: { tool: 'file:packages/tool' },
  }),
  'packages/greeting/package.json': '{"name":"greeting","version":"1.0.0"}',
  'packages/greeting/index.js': 'module.exports = "greeting"',
  'packages/tool/package.json': '{"name":"tool","version":"1.0.0"}',
  'packages/tool/index.js': 'module.exports = "tool"',
  'package-lock.json': JSON.stringify({
    name: 'app',
    version: '1.0.0',
    lockfileVersion: 3,
    requires: true,
    packages: {
      '': {
        name: 'app',
        version: '1.0.0',
        dependencies: { greeting: 'file:packages/greeting' },
        devDependencies: { tool: 'file:packages/tool' },
      },
      'node_modules/greeting': { resolved: 'packages/greeting', link: true },
      'node_modules/tool': { resolved: 'packages/tool', link: true },
      'packages/greeting': { version: '1.0.0' },
      'packages/tool': { version: '1.0.0', dev: true },
    },
  }),
}

/** A wheel is a zip file; Python brings the program that makes one. */
async function makeWheel(directory: string): Promise<void> {
  const info = path.join(directory, 'wheel/greeting-1.0.dist-info')
  await mkdir(info, { recursive: true })
  await writeFile(path.join(directory, 'wheel/greeting.py'), 'def main():\n    print("hello")\n')
  await writeFile(path.join(info, 'METADATA'), 'Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n')
  await writeFile(path.join(info, 'WHEEL'), 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n')
  await writeFile(path.join(info, 'entry_points.txt'), '[console_scripts]\ngreet = greeting:main\n')
  await writeFile(path.join(info, 'RECORD'), 'greeting.py,,\ngreeting-1.0.dist-info/METADATA,,\n')
  const program =
    "import zipfile, os\nwith zipfile.ZipFile('../greeting-1.0-py3-none-any.whl', 'w') as z:\n  for d, _, fs in os.walk('.'):\n    for f in fs: z.write(os.path.join(d, f))\n"
  execFileSync('python3', ['-c', program], { cwd: path.join(directory, 'wheel') })
  await rm(path.join(directory, 'wheel'), { recursive: true })
}

function run(
  program: string,
  args: string[],
  cwd: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<{ stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    execFile(path.isAbsolute(program) ? program : path.resolve(cwd, program), args, { cwd, env }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${error.message}\n${stderr}`))
      else resolve({ stdout, stderr })
    })
  })
}
