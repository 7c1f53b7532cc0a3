import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { ERRORS, reasonOf } from './errors.ts'

suite('ERRORS', () => {
  // Run with UPDATE=1 to write the table anew.
  test('are the table of the README', () => {
    const path = join(import.meta.dirname, '../../README.md')
    const text = readFileSync(path, 'utf8')
    const [, before = '', table = '', after = ''] =
      /^(.*\n\| code \| status \| at fault \| what it tells \|\n\| --- \| --- \| --- \| --- \|\n)((?:\| R\d\d [^\n]*\n)*)(.*)$/s.exec(
        text,
      ) ?? []
    const expected = Object.entries(ERRORS)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([code, { status, fault, text }]) => `| ${code} | ${status === 0 ? 'log only' : status} | ${fault} | ${text} |\n`)
      .join('')
    if (process.env['UPDATE']) writeFileSync(path, before + expected + after)
    else assert.equal(table, expected)
  })
  test('have a reason phrase for each status', () => {
    for (const [code, { status }] of Object.entries(ERRORS)) assert.ok(status === 0 || reasonOf(status) !== '', code)
  })
})
