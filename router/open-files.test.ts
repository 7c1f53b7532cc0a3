import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { fitToFiles, openFilesMax, parseOpenFiles } from './open-files.ts'

suite('openFilesMax()', () => {
  test('is the soft limit', () => {
    assert.equal(
      parseOpenFiles('Max processes 1 2 processes\nMax open files            1024                 1048576              files\n'),
      1024,
    )
    assert.equal(parseOpenFiles('Max open files            unlimited            unlimited            files\n'), undefined)
    const here = openFilesMax()
    assert.ok(here === undefined || here > 0)
  })
})

suite('fitToFiles()', () => {
  test('leaves two files for each connection, and says what it takes to have all', () => {
    const { limits, shortage } = fitToFiles({ headMs: 1 }, 1024)
    assert.deepEqual(limits, { headMs: 1, connectionsMax: 420, gitConnectionsMax: 60, appRequestsMax: 210 })
    assert.ok((420 + 60) * 2 + 64 <= 1024)
    assert.equal(shortage?.['openFilesNeeded'], 100_576)
  })
  test('changes nothing where there are enough, or nobody knows', () => {
    assert.deepEqual(fitToFiles({}, 1_048_576), { limits: {} })
    assert.deepEqual(fitToFiles({ connectionsMax: 100, gitConnectionsMax: 10 }, 1024), {
      limits: { connectionsMax: 100, gitConnectionsMax: 10 },
    })
    assert.deepEqual(fitToFiles({}, undefined), { limits: {} })
  })
  test('leaves some however few there are', () => {
    assert.deepEqual(fitToFiles({}, 20).limits, { connectionsMax: 1, gitConnectionsMax: 1, appRequestsMax: 1 })
  })
})
