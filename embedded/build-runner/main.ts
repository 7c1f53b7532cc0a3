import { writeSync } from 'node:fs'
import os from 'node:os'
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import type { BuildRequest } from '../../kernel/contract.ts'
import { buildImage } from './build.ts'
import { BuildFailure } from './failure.ts'

/** The result goes here; standard output and error are the pusher's. */
const RESULT_DESCRIPTOR = 3

const { values } = parseArgs({ options: { images: { type: 'string' }, cache: { type: 'string' } } })
if (!values.images || !values.cache) {
  process.stderr.write('usage: main.ts --images DIR --cache DIR, with a build request on standard input\n')
  process.exit(64)
}

// Apps that serve requests come before builds.
os.setPriority(5)
try {
  const request: BuildRequest = JSON.parse(await text(process.stdin))
  const result = await buildImage(request, { images: values.images, cache: values.cache })
  writeSync(RESULT_DESCRIPTOR, JSON.stringify(result))
} catch (error) {
  const isTheirs = error instanceof BuildFailure
  const what = isTheirs ? error.message : `The build runner failed: ${(error as Error).message}`
  process.stdout.write(`error: ${what}\n${isTheirs && error.hint ? `hint: ${error.hint}\n` : ''}`)
  process.exitCode = isTheirs ? 1 : 70
}
