import { Socket } from 'node:net'
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

const descriptor = new Socket({ fd: RESULT_DESCRIPTOR })
descriptor.unref()
// The other end closes it only by dying. Nobody would end this build or want its image then.
descriptor.on('error', endGroup).on('end', endGroup).resume()

try {
  const request: BuildRequest = JSON.parse(await text(process.stdin))
  const result = await buildImage(request, { images: values.images, cache: values.cache })
  await new Promise<void>(resolve => descriptor.write(JSON.stringify(result), () => resolve()))
} catch (error) {
  const isTheirs = error instanceof BuildFailure
  const what = isTheirs ? error.message : `The build runner failed: ${(error as Error).message}`
  process.stdout.write(`error: ${what}\n${isTheirs && error.hint ? `hint: ${error.hint}\n` : ''}`)
  process.exitCode = isTheirs ? 1 : 70
}

/** Ends this process and the steps that it started, where it leads a process group of its own. */
function endGroup(): void {
  try {
    process.kill(-process.pid, 'SIGKILL')
  } catch {
    process.exit(1)
  }
}
