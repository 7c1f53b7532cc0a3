import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { BuildFailure } from '../failure.ts'
import type { Language } from '../language.ts'
import { detail, runStep, say, warn } from '../step.ts'
import { chooseTool, findPrograms, readTool } from '../toolchain.ts'

const run = promisify(execFile)

/** Go apps: every main package becomes a program in `bin/`. The toolchain of this machine is used, Go never fetches another. */
export const go: Language = {
  name: 'Go',
  detect: tree => tree.first('go.mod'),
  async plan({ tree, env: base, cachePath, hasProcfile }) {
    const [, minimum] = /^go\s+(\d+\.\d+(?:\.\d+)?)\s*$/m.exec(tree.read('go.mod') ?? '') ?? []
    const [file] = findPrograms('go')
    const env: NodeJS.ProcessEnv = {
      ...base,
      GOTOOLCHAIN: 'local',
      GOMODCACHE: path.join(cachePath, 'go/mod'),
      // Shared by all apps: it holds the standard library, which takes longer to compile than most apps. Go itself keeps it small.
      GOCACHE: path.join(path.dirname(cachePath), '.go'),
      GOPATH: path.join(cachePath, 'go'),
      GOFLAGS: `-trimpath -buildvcs=false -modcacherw ${base['GOFLAGS'] ?? ''}`.trim(),
    }
    const found = file === undefined ? undefined : await readTool(file, ['version'], env)
    const requirement = minimum === undefined ? undefined : { range: `>=${minimum}`, from: 'go.mod' }
    const { tool, warning } = chooseTool('Go', found ? [found] : [], requirement, {
      sameLine: 2,
      install: 'install a newer Go and put it on the PATH of the platform',
    })
    return {
      title: `Go ${tool.version}`,
      toolchain: [tool.path, tool.version],
      async build() {
        if (warning) warn(warning)
        const packages = await listPrograms(tool.path, tree.root, env)
        if (packages.length === 0)
          throw new BuildFailure('This Go module has no main package', 'add a file with "package main" and a main function')
        say('Building')
        await runStep([tool.path, 'build', '-o', `bin${path.sep}`, ...packages], {
          cwd: tree.root,
          env,
          shown: `go build -o bin/ ${packages.join(' ')}`,
        })
        const programs = tree.list('bin').filter(name => packages.some(item => programOf(item) === name))
        detail(`built ${programs.join(', ')}`)
        return { processes: processesOf(programs, hasProcfile), path: ['$(DRYCC_ROOT)/bin', path.dirname(tool.path)] }
      },
    }
  },
}

async function listPrograms(tool: string, cwd: string, env: NodeJS.ProcessEnv): Promise<string[]> {
  try {
    const { stdout } = await run(tool, ['list', '-e', '-f', '{{if eq .Name "main"}}{{.ImportPath}}{{end}}', './...'], { cwd, env })
    return stdout.split('\n').filter(Boolean)
  } catch (error) {
    throw new BuildFailure(`Cannot read this Go module: ${(error as { stderr?: string }).stderr?.trim() || (error as Error).message}`)
  }
}

/** As `go build` names a program: the last part of its path that is no version. */
function programOf(importPath: string): string {
  const parts = importPath.split('/')
  return (/^v\d+$/.test(parts.at(-1)!) && parts.length > 1 ? parts.at(-2) : parts.at(-1))!
}

/** One program is `web`; of several each is a process of its own name, unless a Procfile says what starts. */
function processesOf(programs: readonly string[], hasProcfile: boolean): Record<string, string> {
  if (programs.length === 1) return { web: `bin/${programs[0]}` }
  if (hasProcfile) return {}
  return Object.fromEntries(
    programs.map(name => [
      name
        .toLowerCase()
        .replaceAll(/[^a-z0-9]+/g, '-')
        .replace(/^-|-$/g, ''),
      `bin/${name}`,
    ]),
  )
}
