import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { JsonPatchError, jsonPatch, type Operation } from './json.ts'

suite('jsonPatch()', () => {
  const target = { a: 1, list: ['x', 'y'], 'k/~': { deep: true } }
  for (const [title, operations, wanted] of [
    ['adds a field', [{ op: 'add', path: '/b', value: 2 }], { ...target, b: 2 }],
    [
      'adds in a list, and at its end',
      [
        { op: 'add', path: '/list/1', value: 'n' },
        { op: 'add', path: '/list/-', value: 'z' },
      ],
      { ...target, list: ['x', 'n', 'y', 'z'] },
    ],
    [
      'removes',
      [
        { op: 'remove', path: '/list/0' },
        { op: 'remove', path: '/a' },
      ],
      { list: ['y'], 'k/~': { deep: true } },
    ],
    ['reads escapes', [{ op: 'replace', path: '/k~1~0/deep', value: false }], { ...target, 'k/~': { deep: false } }],
    ['moves', [{ op: 'move', from: '/a', path: '/list/0' }], { list: [1, 'x', 'y'], 'k/~': { deep: true } }],
    [
      'copies, and the copy is one',
      [
        { op: 'copy', from: '/list', path: '/copy' },
        { op: 'remove', path: '/copy/0' },
      ],
      { ...target, copy: ['y'] },
    ],
    [
      'tests',
      [
        { op: 'test', path: '/list', value: ['x', 'y'] },
        { op: 'test', path: '/nope', value: null },
      ],
      target,
    ],
    ['replaces the whole', [{ op: 'replace', path: '', value: { z: 1 } }], { z: 1 }],
    ['makes a field that a replace names', [{ op: 'replace', path: '/new', value: 1 }], { ...target, new: 1 }],
  ] as [string, Operation[], unknown][]) {
    test(title, () => {
      const before = structuredClone(target)
      assert.deepEqual(jsonPatch(target, operations), wanted)
      assert.deepEqual(target, before)
    })
  }
  for (const operation of [
    { op: 'remove', path: '/nope' },
    { op: 'remove', path: '/list/2' },
    { op: 'add', path: '/list/3', value: 1 },
    { op: 'add', path: '/list/01', value: 1 },
    { op: 'add', path: '/x/y', value: 1 },
    { op: 'add', path: '/a/b', value: 1 },
    { op: 'add', path: 'a', value: 1 },
    { op: 'replace', path: '/list/9', value: 1 },
    { op: 'test', path: '/a', value: 2 },
    { op: 'move', from: '/nope', path: '/b' },
    { op: 'move', path: '/b' },
    { op: 'frob', path: '/a' },
    { op: 'add' },
    { op: 'add', path: '/__proto__/polluted', value: 1 },
    { op: 'add', path: '/constructor/prototype/polluted', value: 1 },
  ] as Operation[]) {
    test(`refuses ${JSON.stringify(operation)}`, () => {
      assert.throws(() => jsonPatch(target, [operation]), JsonPatchError)
      assert.equal(({} as Record<string, unknown>)['polluted'], undefined)
    })
  }
})
