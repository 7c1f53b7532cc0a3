import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { parseProtocol, parseRepository, parseSshCommand } from './git-command.ts'

suite('parseSshCommand()', () => {
  test('reads what git sends, quoted or not, in both spellings', () => {
    for (const line of [
      "git-receive-pack '/shop.git'",
      "git receive-pack 'shop.git'",
      'git-receive-pack "shop"',
      'git-receive-pack shop.git',
    ]) {
      assert.deepEqual(parseSshCommand(line), { kind: 'git', service: 'git-receive-pack', app: 'shop' }, line)
    }
    assert.deepEqual(parseSshCommand("git-upload-pack 'my-app-2'"), { kind: 'git', service: 'git-upload-pack', app: 'my-app-2' })
  })
  test('refuses the rest', () => {
    for (const line of [
      '',
      'ls',
      'git-shell',
      "git-upload-archive 'shop'",
      "git-receive-pack 'a' 'b'",
      "git-receive-pack 'a'; rm",
      'git-receive-pack $(id)',
      "git-receive-pack '../a'",
      'git-receive-pack --help',
      'git-receive-packs a',
    ]) {
      assert.equal(parseSshCommand(line).kind, 'refused', line)
    }
  })
})

test('parseRepository() takes whole names of apps only', () => {
  assert.equal(parseRepository('/shop.git/'), 'shop')
  for (const name of ['', '.', '..', '.git', 'a/b', 'a.b', 'A', '-a', 'a-', 'a\n', 'a'.repeat(64), 'a.git.git'])
    assert.equal(parseRepository(name), undefined, name)
})

test('parseProtocol() lets versions through and nothing else', () => {
  assert.equal(parseProtocol('version=2'), 'version=2')
  for (const value of ['version=2;id', 'x', '', 'version=2\nA=b']) assert.equal(parseProtocol(value), undefined)
})
