import { readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { DependencyCache } from '../dependency-cache.ts'
import { BuildFailure } from '../failure.ts'
import type { BuildContext, Built, Language } from '../language.ts'
import type { SourceTree } from '../source-tree.ts'
import { detail, runStep, say, warn } from '../step.ts'
import { chooseTool, findPrograms, type Requirement, readTool, type Tool } from '../toolchain.ts'
import { satisfies } from '../version-range.ts'
import { pythonProcesses } from './python-processes.ts'

const VENV = '.venv'

/** Python apps: dependencies into a virtual environment within the tree. */
export const python: Language = {
  name: 'Python',
  detect: tree => tree.first('requirements.txt', 'pyproject.toml', 'Pipfile', 'setup.py', '.python-version', 'runtime.txt'),
  async plan(context) {
    const { tree } = context
    const requirement = readRequirement(tree)
    const { tool, warning } = chooseTool('Python', await findPythons(requirement), requirement, {
      sameLine: 2,
      install: 'install that version and put it on the PATH of the platform',
    })
    const installer = await findInstaller(tree)
    return {
      title: `Python ${tool.version}`,
      toolchain: [tool.path, tool.version, installer.name],
      async build() {
        if (warning) warn(warning)
        const env: NodeJS.ProcessEnv = { PYTHONUNBUFFERED: '1', ...context.env }
        const isInstalled = await install({ ...context, env }, installer, tool)
        const processes = pythonProcesses(tree, context.hasProcfile)
        if (isInstalled) await collectStatic({ ...context, env })
        return result(processes, isInstalled, tool)
      },
    }
  },
}

function result(processes: Built['processes'], isInstalled: boolean, tool: Tool): Built {
  const folders = isInstalled ? [`$(DRYCC_ROOT)/${VENV}/bin`] : []
  return {
    processes,
    // Lines of output appear when they are written; a log that comes in blocks of 8 KiB looks like a hanging app.
    env: { PYTHONUNBUFFERED: '1', ...(isInstalled ? { VIRTUAL_ENV: `$(DRYCC_ROOT)/${VENV}` } : {}) },
    path: [...folders, path.dirname(tool.path)],
  }
}

function readRequirement(tree: SourceTree): Requirement | undefined {
  const plain = (tree.read('.python-version') ?? '').split(/\r?\n/).find(line => /^\d/.test(line))
  if (plain) return { range: plain.trim(), from: '.python-version' }
  const [, runtime] = /^python-(\d[\d.]*)/.exec(tree.read('runtime.txt') ?? '') ?? []
  if (runtime) return { range: runtime, from: 'runtime.txt' }
  const [, project] = /^\s*requires-python\s*=\s*["']([^"']+)["']/m.exec(tree.read('pyproject.toml') ?? '') ?? []
  return project ? { range: project, from: 'pyproject.toml' } : undefined
}

/** The one of exactly the wanted line first, then whatever `python3` is. */
async function findPythons(requirement: Requirement | undefined): Promise<Tool[]> {
  const [line] = /^\d+\.\d+/.exec(requirement?.range ?? '') ?? []
  const files = [...(line ? findPrograms(`python${line}`) : []), ...findPrograms('python3')]
  const tools = await Promise.all(files.map(file => readTool(file)))
  return tools.filter(tool => tool !== undefined)
}

interface Installer {
  readonly name: 'pip' | 'uv' | 'poetry' | 'none'
  /** What decides the outcome. */
  readonly files: readonly string[]
  readonly command: readonly string[]
}

async function findInstaller(tree: SourceTree): Promise<Installer> {
  if (tree.has('requirements.txt')) {
    const files = ['requirements.txt']
    const isEmpty = !/^\s*[^#\s]/m.test(tree.read('requirements.txt') ?? '')
    return { name: isEmpty ? 'none' : 'pip', files, command: ['install', '--quiet', '-r', 'requirements.txt'] }
  }
  const lock = tree.first('uv.lock', 'poetry.lock')
  if (lock) {
    const name = lock === 'uv.lock' ? 'uv' : 'poetry'
    const [file] = findPrograms(name)
    if (file === undefined) {
      throw new BuildFailure(
        `This app needs ${name} (${lock}), found none on this machine`,
        `install ${name} and put it on the PATH of the platform, or commit a requirements.txt`,
      )
    }
    const command = {
      uv: [file, 'sync', '--frozen', '--no-dev'],
      poetry: [file, 'install', '--only', 'main', '--no-root', '--no-interaction'],
    }[name]
    return { name: name as 'uv' | 'poetry', files: ['pyproject.toml', lock], command }
  }
  if (tree.has('Pipfile') && !tree.has('pyproject.toml')) {
    throw new BuildFailure(
      'Pipfile is not supported in embedded mode yet',
      'write its dependencies to a requirements.txt: pipenv requirements > requirements.txt',
    )
  }
  const hasProject = /^\s*dependencies\s*=\s*\[\s*[^\]\s]/m.test(tree.read('pyproject.toml') ?? '') || tree.has('setup.py')
  return { name: hasProject ? 'pip' : 'none', files: ['pyproject.toml', 'setup.py', 'setup.cfg'], command: ['install', '--quiet', '.'] }
}

/** @returns whether there is a virtual environment now */
async function install({ tree, env, cachePath }: BuildContext, installer: Installer, tool: Tool): Promise<boolean> {
  if (installer.name === 'none') {
    detail('no dependencies, nothing to install')
    return false
  }
  if (tree.has(VENV))
    throw new BuildFailure(`${VENV} is in the repository`, `remove it and add it to .gitignore: git rm -r -q --cached ${VENV}`)
  say(`Installing dependencies with ${installer.name}`)
  const venv = tree.path(VENV)
  const cache = new DependencyCache(cachePath, tree, { files: installer.files, texts: [tool.path, tool.version, installer.name] })
  // What is installed from the tree itself, or from files that a requirement names, is not decided by these files alone.
  const isSafe =
    installer.files.every(name => !/(?:^|\s)(?:-[rce]|--editable|\.{0,2}\/|file:)/m.test(tree.read(name) ?? '')) &&
    !installer.command.includes('.')
  if (isSafe && (await cache.restore(venv))) {
    detail('using the dependencies of an earlier build')
    return true
  }
  const steps = {
    cwd: tree.root,
    env: { ...env, PIP_CACHE_DIR: path.join(cachePath, 'pip'), PIP_DISABLE_PIP_VERSION_CHECK: '1', PIP_NO_INPUT: '1' },
  }
  if (installer.name === 'pip') {
    const pip = await makeVenv(venv, tool, steps)
    await runStep([...pip, ...installer.command], { ...steps, shown: `pip ${installer.command.join(' ')}` })
  } else {
    await runStep(installer.command, { ...steps, env: { ...steps.env, ...lockedEnvironment(venv, tool, cachePath) } })
  }
  await makeRelocatable(venv)
  if (isSafe) await cache.save(venv)
  return true
}

/** @returns the command line of a pip that installs into it */
async function makeVenv(venv: string, tool: Tool, steps: { cwd: string; env: NodeJS.ProcessEnv }): Promise<string[]> {
  // Since 22.3 pip can install into another environment. That saves putting a pip into this one, which takes seconds and 10 MB.
  const pip = await readTool(tool.path, ['-m', 'pip', '--version'], steps.env)
  const isShared = pip !== undefined && satisfies(pip.version, '>=22.3') === true
  await runStep([tool.path, '-m', 'venv', ...(isShared ? ['--without-pip'] : []), venv], {
    ...steps,
    shown: `python3 -m venv ${VENV}`,
    hint: 'this Python may lack its venv module: on Debian and Ubuntu it is the package python3-venv',
  })
  const own = path.join(venv, 'bin/python3')
  return isShared ? [tool.path, '-m', 'pip', '--python', own] : [own, '-m', 'pip']
}

function lockedEnvironment(venv: string, tool: Tool, cachePath: string): Record<string, string> {
  return {
    UV_PROJECT_ENVIRONMENT: venv,
    UV_CACHE_DIR: path.join(cachePath, 'uv'),
    UV_PYTHON: tool.path,
    UV_PYTHON_DOWNLOADS: 'never',
    UV_LINK_MODE: 'copy',
    POETRY_VIRTUALENVS_IN_PROJECT: 'true',
  }
}

/**
 * Programs of a virtual environment begin with the absolute path of its interpreter, which is another one once the tree has become an image.
 * They look for it beside themselves instead, in the form that pip itself uses for paths with spaces: a shell script and a Python one in one.
 */
async function makeRelocatable(venv: string): Promise<void> {
  const bin = path.join(venv, 'bin')
  for (const entry of await readdir(bin, { withFileTypes: true })) {
    if (!entry.isFile()) continue
    const file = path.join(bin, entry.name)
    const text = await readFile(file, 'latin1')
    const [line = '', folder, interpreter] = /^#!(\S+)\/(python[\d.]*)[^\n]*\n/.exec(text) ?? []
    if (folder !== bin) continue
    const found = `#!/bin/sh\n'''exec' "$(dirname -- "$0")/${interpreter}" "$0" "$@"\n' '''\n`
    await writeFile(file, found + text.slice(line.length), 'latin1')
  }
  const config = path.join(venv, 'pyvenv.cfg')
  const text = await readFile(config, 'utf8')
  await writeFile(config, text.replace(/^command = .*\n/m, ''))
}

/** Django gathers the files that its web server gives out; other frameworks have nothing of the kind. */
async function collectStatic({ tree, env, config }: BuildContext): Promise<void> {
  if (!tree.has('manage.py') || config['DISABLE_COLLECTSTATIC'] || !/^\s*STATIC_ROOT\s*=/m.test(djangoSettings(tree))) return
  say('Collecting static files')
  await runStep([tree.path(`${VENV}/bin/python3`), 'manage.py', 'collectstatic', '--noinput'], {
    cwd: tree.root,
    env,
    shown: 'python3 manage.py collectstatic --noinput',
    hint: 'set DISABLE_COLLECTSTATIC=1 to leave this step out',
  })
}

function djangoSettings(tree: SourceTree): string {
  const [, module = ''] = /DJANGO_SETTINGS_MODULE['"],\s*['"]([\w.]+)['"]/.exec(tree.read('manage.py') ?? '') ?? []
  return tree.read(`${module.replaceAll('.', '/')}.py`) ?? ''
}
