import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { Stack } from './lifecycle.ts'
import { createLog, silentLog } from './log.ts'

suite('Stack', () => {
  test('stops in the reverse order, once, though a part fails', async () => {
    const order: string[] = []
    const lines: string[] = []
    const stack = new Stack(createLog({ role: 'test', write: line => lines.push(line) }))
    stack.add('first', { stop: () => void order.push('first') })
    stack.add('broken', {
      stop: () => {
        throw new Error('broken')
      },
    })
    stack.add('last', { stop: async () => void order.push('last') })
    await Promise.all([stack.stop(), stack.stop()])
    assert.deepEqual(order, ['last', 'first'])
    assert.equal(lines.length, 1)
  })

  test('stops what is there when nothing was added', () => new Stack(silentLog).stop())
})

suite('runRole()', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lifecycle-'))
  after(() => rmSync(folder, { recursive: true }))
  let count = 0

  /** Runs a role whose start function has the given body; its IPC channel is open. */
  function role(body: string, options = '{}') {
    const file = join(folder, `role-${count++}.ts`)
    writeFileSync(
      file,
      `import { runRole } from ${JSON.stringify(join(import.meta.dirname, 'lifecycle.ts'))}
      import { readEnv, port } from ${JSON.stringify(join(import.meta.dirname, 'settings.ts'))}
      await runRole('test', async (log, signal) => { ${body} }, ${options})`,
    )
    const child = spawn(process.execPath, [file], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], env: { ...process.env, ROLE_PORT: 'x' } })
    let stderr = ''
    child.stderr!.on('data', data => (stderr += data))
    return {
      child,
      stderr: () => stderr,
      exit: Promise.all([once(child, 'exit'), once(child.stderr!, 'end')]).then(([[code, signal]]) => [code, signal]),
    }
  }
  const waits =
    'const timer = setInterval(() => {}, 1000); return { ports: { http: 1 }, stop: async () => { clearInterval(timer); log.info("stopped") } }'

  test('tells its parent that it is ready and stops on SIGTERM', async () => {
    const { child, exit, stderr } = role(waits)
    assert.deepEqual((await once(child, 'message'))[0], { ready: true, ports: { http: 1 } })
    child.kill('SIGTERM')
    assert.deepEqual(await exit, [0, null])
    assert.match(stderr(), /"msg":"stopped"/)
  })

  test('stops when its parent has gone', async () => {
    const { child, exit } = role(waits)
    await once(child, 'message')
    child.disconnect()
    assert.deepEqual(await exit, [0, null])
  })

  test('prints faults of the settings as plain lines', async () => {
    const { exit, stderr } = role("readEnv(process.env, { p: port('ROLE_PORT', '1') }); return { stop: async () => {} }")
    assert.deepEqual(await exit, [1, null])
    assert.match(stderr(), /^ROLE_PORT: Cannot read number "x": write a whole number from 0 to 65535\n$/)
  })

  test('logs any other failed start and ends', async () => {
    const { exit, stderr } = role("throw new Error('no luck')")
    assert.deepEqual(await exit, [1, null])
    assert.match(stderr(), /"msg":"start failed".*no luck/)
  })

  test('ends at its deadline when stopping hangs', async () => {
    const { child, exit, stderr } = role('return { stop: () => new Promise(() => {}) }', '{ stopTimeoutMs: 50 }')
    await once(child, 'message')
    child.kill('SIGTERM')
    assert.deepEqual(await exit, [1, null])
    assert.match(stderr(), /did not stop in time/)
  })

  test('ends at once on a second signal', async () => {
    const { child, exit } = role('return { stop: () => { process.send({ stopping: true }); return new Promise(() => {}) } }')
    await once(child, 'message')
    child.kill('SIGINT')
    await once(child, 'message')
    child.kill('SIGINT')
    assert.deepEqual(await exit, [1, null])
  })
})
