import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { bytes, duration, flag, integer, list, oneOf, optional, port, readEnv, SettingsError, secret, text } from './settings.ts'

suite('readEnv()', () => {
  const folder = mkdtempSync(join(tmpdir(), 'settings-'))
  after(() => rmSync(folder, { recursive: true }))

  test('reads every kind of setting and falls back to defaults', () => {
    const settings = readEnv(
      { PORT: '0', WAIT: '250ms', BODY: '1M', ON: 'Yes', MODE: 'json', NAMES: ' a, ,b ', TITLE: 'x' },
      {
        port: port('PORT', '80'),
        waitMs: duration('WAIT', '5s'),
        idleMs: duration('IDLE', '5s'),
        bodyBytes: bytes('BODY', '0'),
        on: flag('ON', 'false'),
        mode: oneOf('MODE', ['classic', 'json'], 'classic'),
        names: list('NAMES'),
        title: text('TITLE'),
        none: optional('NONE'),
      },
    )
    assert.deepEqual(settings, {
      port: 0,
      waitMs: 250,
      idleMs: 5000,
      bodyBytes: 1_048_576,
      on: true,
      mode: 'json',
      names: ['a', 'b'],
      title: 'x',
      none: undefined,
    })
  })

  test('names every fault in one error', () => {
    const read = () => readEnv({ PORT: '65536', WAIT: '5' }, { port: port('PORT', '80'), wait: duration('WAIT', '5s'), key: text('KEY') })
    assert.throws(read, (error: unknown) => {
      assert.ok(error instanceof SettingsError)
      assert.equal(error.faults.length, 3)
      assert.match(error.message, /^PORT: Cannot read number "65536"/m)
      assert.match(error.message, /^WAIT: Cannot read duration "5"/m)
      assert.match(error.message, /^KEY is not set/m)
      return true
    })
  })

  test('takes an empty variable for an absent one', () => assert.equal(readEnv({ A: '' }, { a: integer('A', '7') }).a, 7))

  test('reads a secret from its file, trimmed', () => {
    const path = join(folder, 'key')
    writeFileSync(path, 'hush\n')
    assert.equal(readEnv({ KEY_FILE: path }, { key: secret('KEY') }).key, 'hush')
    assert.equal(readEnv({ KEY: 'own', KEY_FILE: path }, { key: secret('KEY') }).key, 'own')
    assert.throws(() => readEnv({ KEY_FILE: join(folder, 'absent') }, { key: secret('KEY') }), /Cannot read KEY_FILE/)
  })

  for (const value of ['-1', '1.5', '0x10', '1e3', 'ten', '99999999999999999999']) {
    test(`refuses the number "${value}"`, () => assert.throws(() => readEnv({ N: value }, { n: integer('N', '1') }), SettingsError))
  }
})
