import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { planPush } from './plan-push.ts'

const ZERO = '0'.repeat(40)
const SHA = 'a'.repeat(40)
const call = (refs: Record<string, string>, ...options: string[]) => ({
  updates: Object.entries(refs).map(([ref, next]) => ({ old: ZERO, new: next, ref })),
  options,
  quarantine: '',
})
const unborn = { ref: 'refs/heads/main', born: false }
const born = { ref: 'refs/heads/main', born: true }
const deployed = (refs: Record<string, string>, head: { ref: string; born: boolean }, ...options: string[]) =>
  planPush(call(refs, ...options), head).deploy?.ref

suite('planPush()', () => {
  test('deploys main before master, and either before the rest', () => {
    assert.equal(deployed({ 'refs/heads/x': SHA, 'refs/heads/master': SHA, 'refs/heads/main': SHA }, born), 'refs/heads/main')
    assert.equal(deployed({ 'refs/heads/x': SHA, 'refs/heads/master': SHA }, unborn), 'refs/heads/master')
  })
  test('deploys the first branch of an empty repository, whatever its name', () => {
    assert.equal(deployed({ 'refs/tags/v1': SHA, 'refs/heads/develop': SHA }, unborn), 'refs/heads/develop')
  })
  test('goes on deploying the branch that was first', () => {
    assert.equal(deployed({ 'refs/heads/develop': SHA }, { ref: 'refs/heads/develop', born: true }), 'refs/heads/develop')
  })
  test('stores other branches unless told to deploy', () => {
    assert.equal(deployed({ 'refs/heads/x': SHA }, born), undefined)
    assert.equal(deployed({ 'refs/heads/x': SHA }, born, 'deploy'), 'refs/heads/x')
  })
  test('never deploys a delete or a tag', () => {
    assert.equal(deployed({ 'refs/heads/main': ZERO }, born), undefined)
    assert.equal(deployed({ 'refs/tags/main': SHA, 'refs/notes/x': SHA }, unborn, 'deploy'), undefined)
  })
  test('tells what happens to the rest', () => {
    const { notes } = planPush(
      call({ 'refs/heads/main': SHA, 'refs/heads/x': SHA, 'refs/tags/v1': SHA, 'refs/heads/old': ZERO }, 'wait'),
      born,
    )
    assert.deepEqual(notes, [
      'warning: push option "wait" is not known here: use deploy or color=always',
      'hint: branch "x" is stored, not deployed: push to main, or push with -o deploy',
      'hint: tag "v1" is stored',
      'hint: branch "old" is deleted; what runs stays as it is',
    ])
  })
})
