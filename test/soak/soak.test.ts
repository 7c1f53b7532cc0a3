import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { suite, test } from 'node:test'

// The ten minutes are for a machine of one's own; a few seconds show that it still runs and that nobody gets a wrong answer meanwhile.
suite('A soak', { skip: process.platform !== 'linux' }, () => {
  test('of three seconds comes to no error and leaves no descriptor open', { timeout: 60_000 }, () => {
    const { stdout, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, 'main.ts'), '--seconds', '3'], { encoding: 'utf8' })
    assert.match(stdout, /^Verdict: no error, no growth$/m, stdout + stderr)
  })
})
