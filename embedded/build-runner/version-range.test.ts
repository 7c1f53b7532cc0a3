import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { satisfies } from './version-range.ts'

suite('satisfies()', () => {
  const within: [version: string, range: string][] = [
    ['26.10.0', '>=18'],
    ['26.10.0', '>= 18.0.0'],
    ['20.3.1', '20.x'],
    ['20.3.1', '20'],
    ['20.3.1', 'v20.3.1'],
    ['20.3.1', '^20.1.0'],
    ['20.3.1', '18.x || 20.x'],
    ['20.3.1', '>=18 <21'],
    ['20.3.1', '18 - 20'],
    ['20.3.1', '*'],
    ['20.3.1', 'lts/iron'],
    ['3.11.7', '3.11'],
    ['3.11.7', '3.11.*'],
    ['3.11.7', '>=3.10,<4'],
    ['3.11.7', '~=3.10'],
    ['3.11.7', '==3.11.*'],
    ['3.11.7', '>=3.9, !=3.10.*'],
    ['3.3.1', '~> 3.3.0'],
    ['1.26.8', '>=1.22'],
    ['0.5.3', '^0.5.1'],
  ]
  for (const [version, range] of within) test(`${version} is in ${range}`, () => assert.equal(satisfies(version, range), true))

  const outside: [version: string, range: string][] = [
    ['26.10.0', '20.x'],
    ['26.10.0', '^20.1.0'],
    ['26.10.0', '<26'],
    ['20.3.1', '~20.2.0'],
    ['20.3.1', '>20.3'],
    ['20.3.1', '18 - 19'],
    ['3.11.7', '3.12'],
    ['3.11.7', '==3.10.*'],
    ['3.11.7', '~=3.10.2'],
    ['3.11.7', '>=3.9,!=3.11.*'],
    ['1.21.0', '>=1.22'],
    ['0.6.0', '^0.5.1'],
  ]
  for (const [version, range] of outside) test(`${version} is not in ${range}`, () => assert.equal(satisfies(version, range), false))

  test('says nothing of a range that it cannot read', () => {
    assert.equal(satisfies('20.3.1', 'twenty'), undefined)
    assert.equal(satisfies('20.3.1', '>=18 || twenty'), true)
  })
})
