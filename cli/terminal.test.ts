import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { CliUser, StubPlatform } from './test-bed.ts'

// script(1) of util-linux gives a command a terminal; other systems' take other arguments.
const hasScript = /util-linux/.test(spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout ?? '')

suite('on a terminal, drycc', { skip: hasScript ? false : 'needs script(1) of util-linux' }, () => {
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

  /** What stands on the screen, sequences included, with standard output and standard error as one. */
  const onTerminal = (line: string, env: NodeJS.ProcessEnv = {}) =>
    ana.run('script', ['-qec', `'${process.execPath}' '${join(import.meta.dirname, 'main.ts')}' ${line}`, '/dev/null'], {
      env: { TERM: 'xterm-256color', ...env },
    })

  test('lets nothing that others wrote steer the terminal', async () => {
    const evil = 'sh\x1b]0;owned\x07op\x1b[2J\x9b31m\r!'
    platform.onList('/v2/apps/', [{ id: evil, owner: 'ana', created: '' }])
    platform.on('GET /v2/apps/evil/', { status: 400, json: { detail: `no\x1b[2J\x1b]0;owned\x07 way` } })
    platform.onList('/v2/apps/evil/domains/', [])
    platform.on('GET /v2/apps/evil/pods/', { json: { results: [] } })
    const { stdout } = await onTerminal('apps', { NO_COLOR: '1' })
    assert.match(stdout, /^shop31m! +ana/m)
    assert.doesNotMatch(stdout, /\x1b|\x07|\x9b|owned/)
    const failed = await onTerminal('info --app evil', { NO_COLOR: '1' })
    assert.equal(failed.code, 1)
    assert.equal(failed.stdout, 'Error: no way\r\n')
    // What another program reads is as the platform sent it.
    assert.ok((await ana.drycc('apps')).stdout.includes(evil))
    assert.equal((JSON.parse((await ana.drycc('apps', '--json')).stdout) as { id: string }[])[0]?.id, evil)
  })

  test('has colours unless NO_COLOR is set', async () => {
    platform.on('GET /v2/apps/shop/pods/', { json: { results: [{ name: 'p', type: 'web', state: 'up', release: 'v1' }] } })
    const [coloured, plain, json] = await Promise.all([
      onTerminal('ps --app shop'),
      onTerminal('ps --app shop', { NO_COLOR: '1' }),
      onTerminal('ps --app shop --json'),
    ])
    assert.match(coloured.stdout, /p \x1b\[32mup\x1b\[39m \(v1\)/)
    assert.match(plain.stdout, /p up \(v1\)/)
    for (const { stdout } of [plain, json]) assert.doesNotMatch(stdout, /\x1b/)
  })

  test('shows that work goes on, and gives the cursor back', async () => {
    platform.on('POST /v2/apps/shop/scale/', response => setTimeout(() => response.writeHead(204).end(), 200))
    const { code, stdout } = await onTerminal('scale web=3 --app shop')
    assert.equal(code, 0)
    assert.match(stdout, /⠋.*Scaling web=3….*⠙/s)
    assert.match(stdout, /Scaling web=3… \x1b\[32mdone/)
    assertCursor(stdout)
    const silent = await onTerminal('scale web=3 --app shop --json')
    assert.equal((JSON.parse(silent.stdout) as unknown[]).length, 1)
  })

  test('gives the cursor back when it is interrupted or ended', async () => {
    for (const [signal, code] of [
      ['INT', 130],
      ['TERM', 143],
    ] as const) {
      let child = 0
      platform.on('POST /v2/apps/shop/scale/', () => child > 0 && process.kill(child, `SIG${signal}`))
      // The shell that script(1) starts becomes the command, so its number is the command's.
      const outcome = ana.run(
        'script',
        ['-qec', `echo pid=$$; exec '${process.execPath}' '${join(import.meta.dirname, 'main.ts')}' scale web=3 --app shop`, '/dev/null'],
        {
          env: { TERM: 'xterm-256color' },
          onStart: script => script.stdout!.on('data', chunk => (child ||= Number(/pid=(\d+)/.exec(String(chunk))?.[1] ?? 0))),
        },
      )
      const { code: ended, stdout } = await outcome
      assert.equal(ended, code, stdout)
      assertCursor(stdout)
    }
  })

  test('asks for what is not given, and takes Ctrl-C for an answer', async () => {
    const { code, stdout } = await ana.run(
      'script',
      ['-qec', `stty cols 100; exec '${process.execPath}' '${join(import.meta.dirname, 'main.ts')}' destroy --app shop`, '/dev/null'],
      {
        env: { TERM: 'xterm-256color', NO_COLOR: '1' },
        isInteractive: true,
        onStart: child => child.stdout!.on('data', chunk => /Yes/.test(String(chunk)) && child.stdin!.end('\x03')),
      },
    )
    assert.equal(code, 130, stdout)
    assert.match(stdout, /Destroy shop for good\?/)
    assert.match(stdout, /Cancelled/)
    assertCursor(stdout)
    assert.ok(!platform.received.some(({ method }) => method === 'DELETE'))
  })
})

/** As often shown as hidden, and shown last. */
function assertCursor(screen: string): void {
  assert.match(screen, /\x1b\[\?25l/)
  assert.ok(screen.lastIndexOf('\x1b[?25h') > screen.lastIndexOf('\x1b[?25l'), JSON.stringify(screen))
}
