import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { suite, test } from 'node:test'
import { MemoryWatch } from './memory-watch.ts'
import { sendSignal } from './process-table.ts'

/** Takes 60 MB and keeps them. */
const HUNGRY = 'globalThis.held = Buffer.alloc(60e6, 1); setInterval(() => {}, 1e6)'

suite('MemoryWatch', { timeout: 20_000 }, () => {
  test('counts all processes of a session together, and tells of no other', async t => {
    const child = `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(HUNGRY)}])`
    const sessions = [start(`${child}; ${HUNGRY}`), start(HUNGRY)]
    t.after(() => sessions.forEach(session => void sendSignal(-session.pid!, 'SIGKILL')))
    const [two, one] = sessions as [ChildProcess, ChildProcess]
    const watch = new MemoryWatch(10)
    const limitBytes = 130e6
    const bytes = await new Promise<number>((resolve, reject) => {
      watch.watch(two.pid!, limitBytes, resolve)
      watch.watch(one.pid!, limitBytes, () => reject(new Error('told of a session that is not over its limit')))
    })
    assert.ok(bytes > limitBytes)
    watch.stop()
  })
})

function start(script: string): ChildProcess {
  return spawn(process.execPath, ['-e', script], { detached: true, stdio: 'ignore' })
}
