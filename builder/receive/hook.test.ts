import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { parseCall } from './hook.ts'

const line = `${'0'.repeat(40)} ${'a'.repeat(40)} refs/heads/main`

suite('parseCall()', () => {
  test('reads refs and options', () => {
    assert.deepEqual(parseCall(`quarantine /q\n${line}\noptions\ndeploy\na b\nend\n`), {
      quarantine: '/q',
      updates: [{ old: '0'.repeat(40), new: 'a'.repeat(40), ref: 'refs/heads/main' }],
      options: ['deploy', 'a b'],
    })
  })
  test('reads whatever stands in an option as options', () => {
    const call = parseCall(`quarantine \n${line}\noptions\nx\nquarantine /else\n${line}\noptions\nend\nend\n`)
    assert.equal(call?.quarantine, '')
    assert.equal(call?.updates.length, 1)
  })
  test('takes nothing that is not whole', () => {
    assert.equal(parseCall(''), undefined)
    assert.equal(parseCall(`${line}\nend\n`), undefined)
  })
})
