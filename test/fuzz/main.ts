import { parseArgs } from 'node:util'
import { KINDS } from './kinds.ts'
import { Random } from './random.ts'

/**
 * `npm run fuzz -- [KIND…] [--seconds N] [--seed N] [--case N]`: looks for bytes that two readers take for different messages. Without
 * `--seed` it takes another each time and tells it; `--seed` with `--case` runs the one case of a finding again.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string' }, case: { type: 'string' } },
})
const unknown = positionals.filter(name => !(name in KINDS))
if (unknown.length > 0) {
  process.stderr.write(`Unknown kind "${unknown.join(', ')}": write ${Object.keys(KINDS).join(', ')}\n`)
  process.exit(2)
}
const names = positionals.length > 0 ? positionals : Object.keys(KINDS)
const seed = Number(values.seed ?? Date.now() % 1_000_000_000)
const secondsEach = Number(values.seconds) / names.length
let found = 0

for (const name of names) {
  await using kind = await KINDS[name]!()
  const counts = { taken: 0, refused: 0 }
  const deadline = performance.now() + secondsEach * 1000
  const first = Number(values.case ?? 0)
  for (let index = first; values.case === undefined ? performance.now() < deadline : index === first; index++) {
    try {
      counts[await kind.check(new Random(caseSeed(seed, index)))]++
    } catch (error) {
      found++
      process.stdout.write(`${name}: npm run fuzz -- ${name} --seed ${seed} --case ${index}\n${(error as Error).message}\n`)
      if (found >= 20) process.exit(1)
    }
  }
  process.stdout.write(`${name}: seed ${seed}, ${counts.taken} taken by both alike, ${counts.refused} refused by ours\n`)
}
process.exit(found === 0 ? 0 : 1)

/** Each case has a seed of its own, so that it runs alone. */
function caseSeed(seed: number, index: number): number {
  return (Math.imul(seed, 2654435761) ^ Math.imul(index + 1, 40503)) >>> 0
}
