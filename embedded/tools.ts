import { spawnSync } from 'node:child_process'

/** A program that is missing on this machine; its message is one line for the person who started the platform. */
export class ToolError extends Error {
  override readonly name = 'ToolError'
}

/** git carries every push, so its absence is told before anything starts. @throws {ToolError} */
export function requireTools(): void {
  const { status, stdout } = spawnSync('git', ['--version'], { encoding: 'utf8' })
  if (status !== 0) throw new ToolError('Cannot find git: install git 2.28 or newer')
  const [, major, minor] = /(\d+)\.(\d+)/.exec(stdout) ?? []
  if (Number(major) * 1000 + Number(minor) < 2028) throw new ToolError(`${stdout.trim()} is too old: install git 2.28 or newer`)
}
