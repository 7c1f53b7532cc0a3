import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { after, suite, test } from 'node:test'
import { RoleLog } from './role-log.ts'

suite('RoleLog', () => {
  const folder = mkdtempSync(join(tmpdir(), 'role-log-'))
  after(() => rmSync(folder, { recursive: true }))

  test('keeps the newest files only, each of bounded size', async () => {
    const log = new RoleLog(join(folder, 'logs', 'router.log'), 100)
    for (let index = 0; index < 50; index++) log.write(`${String(index).padStart(49, '.')}\n`)
    await log.close()
    assert.match(readFileSync(log.path, 'utf8'), /\.49\n$/)
    assert.ok(readFileSync(`${log.path}.1`, 'utf8').length <= 150)
    assert.ok(existsSync(`${log.path}.2`))
    assert.ok(!existsSync(`${log.path}.3`))
  })

  test('goes on where an earlier process stopped', async () => {
    const path = join(folder, 'again.log')
    for (const text of ['one\n', 'two\n']) {
      const log = new RoleLog(path)
      log.write(text)
      await log.close()
    }
    assert.equal(readFileSync(path, 'utf8'), 'one\ntwo\n')
  })

  test('outlives a full disk, and goes on when there is room again', { skip: !existsSync('/dev/full') }, async () => {
    const path = join(folder, 'full.log')
    symlinkSync('/dev/full', path)
    const log = new RoleLog(path)
    const source = new PassThrough()
    log.take(source)
    source.write(Buffer.alloc(1 << 20, 'x'))
    while (source.readableLength > 0 || source.isPaused()) await new Promise(resolve => setImmediate(resolve))
    rmSync(path)
    log.write('room\n')
    await log.close()
    assert.equal(readFileSync(path, 'utf8'), 'room\n')
  })

  test('takes all that a stream gives, and slows it where the disk is slower', async () => {
    const log = new RoleLog(join(folder, 'stream.log'), 1 << 30)
    const source = new PassThrough()
    log.take(source)
    for (let index = 0; index < 200; index++) source.write(Buffer.alloc(64 * 1024, 'x'))
    await new Promise(resolve => source.end(resolve))
    await new Promise(resolve => (source.readableEnded ? resolve(undefined) : source.once('end', resolve)))
    await log.close()
    assert.equal(readFileSync(log.path).length, 200 * 64 * 1024)
  })
})
