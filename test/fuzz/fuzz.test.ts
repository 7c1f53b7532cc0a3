import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { KINDS } from './kinds.ts'
import { Random } from './random.ts'

// Smuggling needs two readers who disagree. A few seconds of `npm run fuzz`, with the same seed in every run; longer runs are for changes
// of the parser. A finding becomes an entry of `seeds/`, from which others grow.
const CASES: Readonly<Record<string, number>> = { requests: 6000, answers: 6000, forwarded: 700, returned: 700 }
const SEED = 20261122

suite('Whatever the router takes, llhttp reads as the same messages', () => {
  for (const [name, start] of Object.entries(KINDS)) {
    test(`${name}: ${CASES[name]} cases of seed ${SEED}`, async () => {
      await using kind = await start()
      const counts = { taken: 0, refused: 0 }
      for (let index = 0; index < CASES[name]!; index++) counts[await kind.check(new Random(SEED + index))]++
      // It would prove nothing if it never met both.
      assert.ok(Math.min(counts.taken, counts.refused) > CASES[name]! / 10, JSON.stringify(counts))
    })
  }
})
