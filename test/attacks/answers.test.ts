import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'

const ROOT = join(import.meta.dirname, '../..')
const page = readFileSync(join(ROOT, 'SECURITY.md'), 'utf8')

suite('SECURITY.md', () => {
  test('answers each attack of the list once', () => {
    const answered = [...page.matchAll(/^\| (\d+(?:, \d+)*) \|/gm)].flatMap(([, numbers]) => numbers!.split(', ').map(Number))
    assert.deepEqual(
      answered.toSorted((a, b) => a - b),
      Array.from({ length: 175 }, (_, index) => index + 1),
    )
  })

  test('names tests that exist', () => {
    const wrong: string[] = []
    for (const line of page.split('\n')) {
      let source = ''
      for (const [, path, name] of line.matchAll(/`((?:[a-z0-9-]+\/)+[a-z0-9-]+)`|«([^»]+)»/g)) {
        const file = join(ROOT, `${path}.test.ts`)
        if (path !== undefined) source = existsSync(file) ? readFileSync(file, 'utf8') : ''
        if (path !== undefined ? source === '' : name !== '…' && !source.includes(name!)) wrong.push(path ?? name!)
      }
    }
    assert.deepEqual(wrong, [])
  })
})
