import { execFile } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import path from 'node:path'
import { BuildFailure } from './failure.ts'
import { parseVersion, satisfies } from './version-range.ts'

/** A program of this machine that builds or runs apps of a language. */
export interface Tool {
  readonly path: string
  /** As numbers and dots: `3.11.7`. */
  readonly version: string
}

/** What an app asks for, and where it says so: `3.11` in `.python-version`. */
export interface Requirement {
  readonly range: string
  readonly from: string
}

/** Every program of that name on the path, in its order. */
export function findPrograms(name: string, searchPath = process.env['PATH'] ?? ''): string[] {
  const candidates = searchPath
    .split(path.delimiter)
    .filter(Boolean)
    .map(folder => path.join(folder, name))
  return [...new Set(candidates)].filter(isProgram)
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}

/** Asks a program for its version; `undefined` when it does not start or says none. */
export function readTool(
  file: string,
  args: readonly string[] = ['--version'],
  env: NodeJS.ProcessEnv = process.env,
): Promise<Tool | undefined> {
  return new Promise(resolve => {
    execFile(file, args, { timeout: 10_000, env }, (error, stdout, stderr) => {
      const version = error ? undefined : parseVersion(stdout || stderr)
      resolve(version ? { path: file, version: version.join('.') } : undefined)
    })
  })
}

/**
 * Picks the first tool that an app can do with. Toolchains are never downloaded.
 *
 * @param options.sameLine how many numbers of a version make a line within which programs keep working: 1 for Node.js, 2 for Python
 * @returns the tool, and a warning when it is only nearly the one that was asked for
 * @throws {BuildFailure} when there is none, or none of the right line
 */
export function chooseTool(
  language: string,
  tools: readonly Tool[],
  requirement: Requirement | undefined,
  options: { sameLine: number; install: string },
): { tool: Tool; warning?: string } {
  const [best] = tools
  const asked = requirement ? `${language} ${requirement.range} (${requirement.from})` : language
  if (!best) throw new BuildFailure(`This app asks for ${asked}, found none on this machine`, options.install)
  if (!requirement) return { tool: best }
  const found = tools.map(tool => tool.version).join(' and ')
  const fitting = tools.find(tool => satisfies(tool.version, requirement.range))
  if (fitting) return { tool: fitting }
  if (satisfies(best.version, requirement.range) === undefined) {
    return {
      tool: best,
      warning: `cannot read the version "${requirement.range}" in ${requirement.from}: using ${language} ${best.version}`,
    }
  }
  const near = tools.find(tool => isNear(tool.version, requirement.range, options.sameLine))
  if (near) return { tool: near, warning: `this app asks for ${asked}: using ${near.version}` }
  throw new BuildFailure(`This app asks for ${asked}, found ${found}`, `${options.install}, or change what ${requirement.from} asks for`)
}

/** Whether some version of the same line would do. */
function isNear(version: string, range: string, sameLine: number): boolean {
  const line = version.split('.').slice(0, sameLine)
  const others = Array.from({ length: 100 }, (_, next) => [...line, String(next)].join('.'))
  return others.some(other => satisfies(other, range))
}
