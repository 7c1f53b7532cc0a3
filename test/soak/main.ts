import { parseArgs } from 'node:util'
import { startLoad } from './load.ts'
import { startRouterProcess } from './router-process.ts'
import { judge, type Sample } from './verdict.ts'

/**
 * `node setup.mjs test/soak/main.ts [--seconds N] [--workers N]`: a router of a primary and workers under every kind of client at once,
 * while routes of its neighbours change 50 times a second. It must come to no error, and neither memory nor descriptors may grow.
 */
const { values } = parseArgs({ options: { seconds: { type: 'string', default: '600' }, workers: { type: 'string', default: '2' } } })
const seconds = Number(values.seconds)
const SAMPLE_MS = Math.min(5000, seconds * 100)
const CHANGES_PER_SECOND = 50

await using router = await startRouterProcess(Number(values.workers))
const before = await router.measure()
await using load = await startLoad(router.port)
await router.write('shop', { domains: 'shop.test', 'x-body-size': '0' }, load.appPort)
if (!(await load.isServed('shop.test'))) throw new Error('The app is not served')
load.start()

let changes = 0
const began = performance.now()
const churn = setInterval(() => {
  // By the clock, as a timer comes late.
  while (changes < ((performance.now() - began) / 1000) * CHANGES_PER_SECOND) {
    const name = `neighbour${changes % 97}`
    // Every tenth change takes a route away, the others move its domain.
    const written = changes++ % 10 === 9 ? router.remove(name) : router.write(name, { domains: `${name}-${changes}.test` }, load.appPort)
    written.catch(error => load.fail(`a change could not be written: ${error}`))
  }
}, 1000 / CHANGES_PER_SECOND)

const samples: Sample[] = []
while (performance.now() - began < seconds * 1000) {
  await new Promise(resolve => setTimeout(resolve, SAMPLE_MS))
  const sample = { atSeconds: (performance.now() - began) / 1000, ...(await router.measure()) }
  samples.push(sample)
  if (samples.length % 6 === 1)
    process.stdout.write(
      `${sample.atSeconds.toFixed(0)} s: ${sample.fileCount} descriptors, ${sample.rssMb.map(mb => mb.toFixed(0)).join(' + ')} MB, ${load.count} exchanges\n`,
    )
}
clearInterval(churn)
await load.stop()
await router.write('last', { domains: 'last.test' }, load.appPort)
const isLastLive = await load.isServed('last.test')
const after = await router.untilFileCount(before.fileCount + 2)
const faults = [...load.faults, ...router.faults, ...judge(samples, before, after)]
if (!isLastLive) faults.push('the last change of the routes is not live')
process.stdout.write(
  `${load.count} exchanges, ${load.opened} connections, ${changes} changes of routes; descriptors ${before.fileCount} before, ${after.fileCount} after\n`,
)
process.stdout.write(
  faults.length === 0 ? 'Verdict: no error, no growth\n' : `Verdict: ${faults.length} faults\n${faults.slice(0, 20).join('\n')}\n`,
)
process.exitCode = faults.length === 0 ? 0 : 1
