import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { Home, HomeError } from './home.ts'

suite('Home', () => {
  const folder = mkdtempSync(join(tmpdir(), 'home-'))
  after(() => rmSync(folder, { recursive: true }))

  test('is for one process at a time, and free again however that ended', async () => {
    const path = join(folder, 'one')
    const holder = spawn(
      process.execPath,
      [
        '-e',
        `import(${JSON.stringify(join(import.meta.dirname, 'home.ts'))}).then(({ Home }) => { globalThis.home = Home.open(${JSON.stringify(path)}); console.log('held'); setInterval(() => {}, 1000) })`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    await once(holder.stdout, 'data')
    assert.throws(
      () => Home.open(path),
      (error: unknown) => error instanceof HomeError && /^Another copy runs on .*--home$/.test(error.message),
    )
    holder.kill('SIGKILL')
    await once(holder, 'exit')
    Home.open(path).close()
  })

  test('keeps secrets once, readable by their owner only', () => {
    const home = Home.open(join(folder, 'two'))
    const file = home.secretFile('key')
    const first = readFileSync(file, 'utf8')
    assert.match(first, /^[0-9a-f]{64}$/)
    assert.equal(readFileSync(home.secretFile('key'), 'utf8'), first)
    assert.equal(statSync(file).mode & 0o777, 0o600)
    assert.equal(statSync(home.path).mode & 0o777, 0o700)
    home.close()
  })

  test('leaves a folder of somebody else as it is', () => {
    const path = join(folder, 'foreign')
    mkdirSync(path, { mode: 0o755 })
    writeFileSync(join(path, 'diary.txt'), '')
    assert.throws(
      () => Home.open(path),
      (error: unknown) => error instanceof HomeError && /holds other files: choose a new or empty folder with --home$/.test(error.message),
    )
    assert.equal(statSync(path).mode & 0o777, 0o755)
    assert.deepEqual(readdirSync(path), ['diary.txt'])
  })

  test('says in one line why a folder cannot be used', () => {
    const file = join(folder, 'file')
    writeFileSync(file, '')
    assert.throws(
      () => Home.open(file),
      (error: unknown) => error instanceof HomeError && /^Cannot write to .*: \w+: [^\n]*--home$/.test(error.message),
    )
  })
})
