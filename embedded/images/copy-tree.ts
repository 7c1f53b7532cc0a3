import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { cp, rm } from 'node:fs/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** GNU cp shares blocks where the file system can (btrfs, xfs); Apple's cp clones on APFS. */
const ARGUMENTS = process.platform === 'darwin' ? ['-cRp'] : ['-a', '--reflink=auto']

/**
 * Copies a tree with modes, times and links as they are, by the system's `cp` (a quarter of the time of Node's own for many small files),
 * and by Node where that `cp` does not know the options.
 *
 * @param to must not exist yet; its parent must
 */
export async function copyTree(from: string, to: string, signal?: AbortSignal): Promise<void> {
  try {
    await run('cp', [...ARGUMENTS, '--', `${from}/.`, to], signal ? { signal } : {})
  } catch {
    signal?.throwIfAborted()
    await rm(to, { recursive: true, force: true })
    await cp(from, to, {
      recursive: true,
      verbatimSymlinks: true,
      preserveTimestamps: true,
      errorOnExist: true,
      mode: constants.COPYFILE_FICLONE,
    })
  }
}
