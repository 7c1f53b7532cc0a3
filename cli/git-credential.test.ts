import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { answerCredential } from './git-credential.ts'
import { writeProfile } from './profile.ts'

suite('answerCredential()', () => {
  const env: NodeJS.ProcessEnv = {}
  before(() => {
    env['HOME'] = mkdtempSync(join(tmpdir(), 'drycc-credential-'))
    writeProfile(env, { username: 'ana', controller: 'http://drycc.example.com:8080', token: 'abc', ssl_verify: true, response_limit: 0 })
  })
  after(() => rmSync(env['HOME']!, { recursive: true }))

  const YES = 'username=ana\npassword=abc\n'
  for (const [what, question, answer] of [
    ['answers for the platform of the login', 'protocol=http\nhost=drycc.example.com:8080\n', YES],
    [
      'does not mind what else git tells',
      'capability[]=authtype\nprotocol=http\nhost=drycc.example.com:8080\npath=git/x=y.git\nwwwauth[]=Basic\n\n',
      YES,
    ],
    ['answers for the own name', 'protocol=http\nhost=drycc.example.com:8080\nusername=ana\n', YES],
    ['leaves another name to the person', 'protocol=http\nhost=drycc.example.com:8080\nusername=bob\n', ''],
    ['answers for no other host', 'protocol=http\nhost=evil.example.com:8080\n', 'quit=1\n'],
    ['answers for no other port', 'protocol=http\nhost=drycc.example.com\n', 'quit=1\n'],
    ['answers for no other protocol', 'protocol=https\nhost=drycc.example.com:8080\n', 'quit=1\n'],
    ['is not led on by a name in the address', 'protocol=http\nhost=drycc.example.com:8080@evil.example.com\n', 'quit=1\n'],
    ['takes the last host, as git does', 'protocol=http\nhost=drycc.example.com:8080\nhost=evil.example.com\n', 'quit=1\n'],
    ['answers nothing to nothing', '', 'quit=1\n'],
  ] as const)
    test(what, () => assert.equal(answerCredential(question, env).answer, answer))

  test('says to whom to log in instead', () => {
    const { warning } = answerCredential('protocol=https\nhost=other.example.com\n', env)
    assert.match(warning!, /not for https:\/\/other\.example\.com: use drycc login https:\/\/other\.example\.com$/)
    assert.match(
      answerCredential('protocol=https\nhost=a.example.com\n', { HOME: '/nosuch' }).warning!,
      /drycc login https:\/\/a\.example\.com/,
    )
  })
})
