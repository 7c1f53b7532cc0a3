import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { judge, type Sample } from './verdict.ts'

const idle = { fileCount: 40, rssMb: [80, 90] }
const run = (files: (at: number) => number, mb: (at: number) => number): Sample[] =>
  Array.from({ length: 60 }, (_, index) => ({ atSeconds: index * 10, fileCount: files(index), rssMb: [80, mb(index)] }))

suite('judge()', () => {
  test('is content with a run that settles', () =>
    assert.deepEqual(
      judge(
        run(
          () => 100,
          at => 90 + Math.min(at, 20) * 3,
        ),
        idle,
        idle,
      ),
      [],
    ))
  test('notices memory that grows to the end', () =>
    assert.match(
      judge(
        run(
          () => 100,
          at => 90 + at,
        ),
        idle,
        idle,
      ).join(),
      /process 1 grew from \d+ to \d+ MB/,
    ))
  test('notices descriptors that grow, and those that are left', () => {
    assert.match(
      judge(
        run(
          at => 100 + at * 2,
          () => 90,
        ),
        idle,
        idle,
      ).join(),
      /descriptors grew/,
    )
    assert.match(
      judge(
        run(
          () => 100,
          () => 90,
        ),
        idle,
        { ...idle, fileCount: 50 },
      ).join(),
      /left open/,
    )
  })
})
