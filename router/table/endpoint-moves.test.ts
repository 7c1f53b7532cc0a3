import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { AppLoad } from './app-load.ts'
import { findMoves } from './endpoint-moves.ts'
import { DEFAULT_POLICY, type Endpoint, endpoint, type Route } from './route.ts'

const A = endpoint('10.0.0.1', 80)
const B = endpoint('10.0.0.2', 80)
const C = endpoint('10.0.0.3', 80)

suite('findMoves()', () => {
  const moves = (before: readonly Endpoint[] | undefined, after: readonly Endpoint[] | undefined) => {
    const { left, arrived } = findMoves(before && route(before), after && route(after))
    return [left.map(({ key }) => key), arrived.map(({ key }) => key)]
  }
  test('names what has gone and what has come', () => assert.deepEqual(moves([A, B], [B, C]), [[A.key], [C.key]]))
  test('counts one that terminates as gone, though it serves', () =>
    assert.deepEqual(moves([A, B], [{ ...A, terminating: true }, B]), [[A.key], []]))
  test('counts one that was not ready as new', () => assert.deepEqual(moves([{ ...A, serving: false }, B], [A, B]), [[], [A.key]]))
  test('has none arrive where none served', () => {
    assert.deepEqual(moves(undefined, [A, B]), [[], []])
    assert.deepEqual(moves([{ ...A, serving: false }], [A, B]), [[], []])
  })
  test('lets all go with their app', () => assert.deepEqual(moves([A, B], undefined), [[A.key, B.key], []]))
})

function route(endpoints: readonly Endpoint[]): Route {
  return { app: 'shop', namespace: 'shop', service: 'shop', policy: DEFAULT_POLICY, endpoints, locations: [], load: new AppLoad() }
}
