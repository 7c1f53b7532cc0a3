import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, isAbsolute, resolve } from 'node:path'
import type { Container } from 'kubernetes-types/core/v1'
import type { ImageConfig } from '../images/store.ts'
import { expand } from './expand.ts'

/** A container cannot be made or started as its spec says; the message names what is wrong. */
export class StartError extends Error {
  override readonly name = 'StartError'
}

/**
 * Decides what a container runs: `command` replaces the image's entrypoint and its command, `args` the image's command. Where neither the
 * pod nor the image has a command, the single argument, or else `web`, names one of the image's processes, which runs by `/bin/sh -c`.
 *
 * @param variables those of the pod's spec, for `$(NAME)`
 * @throws {StartError} when there is nothing to run
 */
export function buildCommand(container: Container, image: ImageConfig, variables: Readonly<Record<string, string>>): string[] {
  const { command = [], args = [] } = container
  const entrypoint = command.length > 0 ? command : (image.entrypoint ?? [])
  const rest = args.length > 0 || command.length > 0 ? args : (image.command ?? [])
  // `start web` is how the classic slug runner was asked.
  const name = entrypoint.length === 0 && rest.length <= 2 ? (rest.at(-1) ?? 'web') : undefined
  const line = name === undefined ? undefined : image.processes?.[name]
  if (line !== undefined && (rest.length < 2 || rest[0] === 'start')) return ['/bin/sh', '-c', line]
  const argv = [...entrypoint, ...rest].map(word => expand(word, variables))
  if (argv.length === 0) throw new StartError('no command specified')
  return argv
}

/**
 * Finds the file of a command as a shell does, so that a missing one is told before anything is started.
 *
 * @returns its absolute path
 * @throws {StartError} in the words of a container runtime
 */
export function findExecutable(name: string, cwd: string, path: string): string {
  const isPath = name.includes('/')
  const candidates = isPath ? [resolve(cwd, name)] : path.split(delimiter).map(folder => resolve(cwd, folder || '.', name))
  const found = candidates.find(isExecutable)
  if (found !== undefined) return found
  const there = candidates.some(candidate => statSync(candidate, { throwIfNoEntry: false }))
  if (there) throw new StartError(`exec: "${name}": permission denied`)
  if (isPath)
    throw new StartError(`exec: "${name}": ${isAbsolute(name) ? '' : 'relative to the working directory, '}no such file or directory`)
  throw new StartError(`exec: "${name}": executable file not found in $PATH`)
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}
