import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { buildCompletion, type CompletedCommand, type Shell } from './completion.ts'

const COMMANDS: readonly CompletedCommand[] = [
  { names: ['config', 'config:list'], summary: "show an app's config", options: [{ short: '-a', long: '--app', description: 'the app' }] },
  { names: ['config:set'], summary: 'set: a release', options: [{ long: '--json', description: "it's JSON" }] },
  { names: ['config:unset'], summary: 'unset', options: [] },
  { names: ['create', 'apps:create'], summary: 'make an app', options: [{ long: '--no-remote', description: 'no \\ git' }] },
]

const has = (shell: Shell) => spawnSync(shell, ['--version'], { stdio: 'ignore' }).error === undefined
const skipWithout = (shell: Shell) => ({ skip: has(shell) ? false : `${shell} is not installed` })

suite('buildCompletion()', () => {
  let folder: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'drycc-completion-'))
    for (const shell of ['bash', 'zsh', 'fish'] as const) writeFileSync(join(folder, shell), buildCompletion(shell, COMMANDS))
    writeFileSync(join(folder, 'cert one.pem'), '')
  })
  after(() => rmSync(folder, { recursive: true }))

  suite('bash', skipWithout('bash'), () => {
    test('is a script', () => assert.equal(spawnSync('bash', ['-n', join(folder, 'bash')]).stderr.toString(), ''))

    /** What bash would offer with the cursor at the end of a line; the words are split at colons, as bash does. */
    function complete(line: string, breaks = ' :='): string[] {
      const words = line.split(/\s+/).flatMap(word => (breaks.includes(':') ? word.split(/(:)/).filter(part => part !== '') : [word]))
      if (/\s$/.test(line)) words.push('')
      const script = `source ./bash
        COMP_WORDBREAKS='${breaks}' COMP_LINE='${line}' COMP_POINT=${line.length}
        COMP_WORDS=(${words.map(word => `'${word}'`).join(' ')}) COMP_CWORD=${words.length - 1}
        _drycc drycc '${words.at(-1)}' '${words.at(-2)}'
        printf '%s\\n' "\${COMPREPLY[@]}"`
      const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', script], { cwd: folder, encoding: 'utf8' })
      assert.equal(stderr, '')
      return stdout.split('\n').filter(Boolean)
    }

    for (const [line, offered] of [
      ['drycc ', ['config', 'config:list', 'config:set', 'config:unset', 'create', 'apps:create']],
      ['drycc c', ['config', 'config:list', 'config:set', 'config:unset', 'create']],
      ['drycc cr', ['create']],
      ['drycc config:', ['list', 'set', 'unset']],
      ['drycc config:u', ['unset']],
      ['drycc nosuch', []],
      ['drycc config --a', ['--app']],
      ['drycc config:list -', ['-a', '--app']],
      ['drycc config:set A=1 --', ['--json']],
      ['drycc apps:create --n', ['--no-remote']],
      ['drycc config:unset -', []],
      ['drycc nosuch -', []],
      ['drycc create ', []],
    ] as const)
      test(`"${line}" offers ${offered.join(' ') || 'nothing'}`, () => assert.deepEqual(complete(line), offered))

    test('knows a bash that does not break words at colons', () => assert.deepEqual(complete('drycc config:u', ' ='), ['config:unset']))
  })

  test('zsh is a script', skipWithout('zsh'), () => assert.equal(spawnSync('zsh', ['-n', join(folder, 'zsh')]).stderr.toString(), ''))

  test('fish is a script, and completes', skipWithout('fish'), () => {
    assert.equal(spawnSync('fish', ['--no-execute', join(folder, 'fish')]).stderr.toString(), '')
    const { stdout } = spawnSync('fish', ['--no-config', '-c', `source ${join(folder, 'fish')}; complete -C 'drycc config:u'`], {
      encoding: 'utf8',
    })
    assert.match(stdout, /^config:unset\tunset$/m)
  })
})
