import { readFileSync } from 'node:fs'
import { CommandError } from './command-error.ts'

/** Reads a file that the command line names; `-` is standard input. @throws {CommandError} when it cannot be read */
export function readNamedFile(path: string): string {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8')
  } catch (error) {
    throw new CommandError(`Cannot read ${path}: ${(error as Error).message}`, 2)
  }
}
