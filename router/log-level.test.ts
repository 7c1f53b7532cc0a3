import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createLog } from '../kernel/log.ts'
import { LevelledLog } from './log-level.ts'

suite('LevelledLog', () => {
  test('writes what is at least of its level, its children too, and all again', () => {
    const lines: string[] = []
    const log = new LevelledLog(createLog({ role: 'router', write: line => void lines.push(JSON.parse(line).msg) }))
    const child = log.child({ worker: 1 })
    const speak = (name: string) => {
      for (const level of ['info', 'warn', 'error'] as const) {
        log[level](`${name} ${level}`)
        child[level](`${name} child ${level}`)
      }
    }
    log.limit('error')
    speak('a')
    log.limit('warn')
    speak('b')
    log.limit()
    speak('c')
    assert.deepEqual(
      lines.filter(line => !line.startsWith('c')),
      ['a error', 'a child error', 'b warn', 'b child warn', 'b error', 'b child error'],
    )
    assert.equal(lines.length, 12)
  })
})
