import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, suite, test } from 'node:test'
import { authorityPath, type Profile, profilePath, readProfile, removeProfile, writeProfile } from './profile.ts'

const PROFILE: Profile = { username: 'ana', controller: 'http://drycc.example.com', token: 'abc', ssl_verify: true, response_limit: 0 }

suite('profile', () => {
  let env: NodeJS.ProcessEnv
  beforeEach(() => (env = { HOME: mkdtempSync(join(tmpdir(), 'drycc-profile-')) }))
  afterEach(() => rmSync(env['HOME']!, { recursive: true }))
  const mode = (path: string) => statSync(path).mode & 0o777

  test('is read back as it was written, by its owner alone', () => {
    writeProfile(env, PROFILE)
    assert.deepEqual(readProfile(env), PROFILE)
    assert.equal(mode(profilePath(env)), 0o600)
    assert.equal(mode(join(env['HOME']!, '.drycc')), 0o700)
  })

  test('closes a file that others could read', () => {
    writeProfile(env, PROFILE)
    chmodSync(profilePath(env), 0o644)
    writeProfile(env, { ...PROFILE, token: 'def' })
    assert.equal(mode(profilePath(env)), 0o600)
    assert.deepEqual(readdirSync(join(env['HOME']!, '.drycc')), ['client.json'], 'no part is left')
  })

  test('keeps the authority as a file for git, and drops it with the login', () => {
    writeProfile(env, { ...PROFILE, ca: 'PEM' })
    assert.equal(readFileSync(authorityPath(env), 'utf8'), 'PEM')
    writeProfile(env, PROFILE)
    assert.ok(!existsSync(authorityPath(env)))
    removeProfile(env)
    removeProfile(env)
    assert.throws(() => readProfile(env), { exitCode: 4, message: /Not logged in: use drycc login/ })
  })

  test('is another one for each DRYCC_PROFILE', () => {
    writeProfile({ ...env, DRYCC_PROFILE: 'work' }, { ...PROFILE, username: 'work' })
    writeProfile(env, PROFILE)
    assert.equal(readProfile({ ...env, DRYCC_PROFILE: 'work' }).username, 'work')
    assert.equal(profilePath({ ...env, DRYCC_PROFILE: '/etc/x.json' }), '/etc/x.json')
    assert.equal(profilePath({ ...env, DRYCC_PROFILE: 'work.json' }), join(env['HOME']!, '.drycc/work.json'))
  })

  for (const [what, content] of [
    ['is empty', ''],
    ['is no JSON', '{"token": '],
    ['is null', 'null'],
    ['has no token', '{"controller": "http://x"}'],
    ['has a broken address', '{"controller": "http://", "token": "x"}'],
  ] as const)
    test(`that ${what} asks for a login`, () => {
      mkdirSync(join(env['HOME']!, '.drycc'))
      writeFileSync(profilePath(env), content)
      assert.throws(() => readProfile(env), { exitCode: 4, message: /Cannot understand the login in .*client\.json: log in again/ })
    })

  test('that is a folder says so', () => {
    mkdirSync(profilePath(env), { recursive: true })
    assert.throws(() => readProfile(env), { exitCode: 4, message: /Cannot read the login: EISDIR/ })
  })

  test('that cannot be written says where and why, and leaves nothing', () => {
    writeFileSync(join(env['HOME']!, '.drycc'), 'a file')
    assert.throws(() => writeProfile(env, PROFILE), { exitCode: 1, message: /Cannot keep the login in .*client\.json: E(EXIST|NOTDIR)/ })
  })
})
