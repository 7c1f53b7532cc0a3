import path from 'node:path'
import { DependencyCache } from '../dependency-cache.ts'
import { BuildFailure } from '../failure.ts'
import type { BuildContext, Built, Language } from '../language.ts'
import type { SourceTree } from '../source-tree.ts'
import { detail, runStep, say, warn } from '../step.ts'
import { chooseTool, findPrograms, type Requirement, readTool, type Tool } from '../toolchain.ts'
import { siteOf, staticSite } from './static.ts'

/** The part of package.json that counts here. */
interface Manifest {
  readonly scripts: Readonly<Record<string, string>>
  readonly runtimeCount: number
  readonly developmentCount: number
  readonly text: string
}

const LOCK_FILES = ['package-lock.json', 'npm-shrinkwrap.json', 'pnpm-lock.yaml', 'yarn.lock', 'bun.lock', 'bun.lockb']

/** Node.js apps: dependencies by the lock file's package manager, build scripts, pruning. An app without dependencies needs no package manager at all. */
export const node: Language = {
  name: 'Node.js',
  detect: tree => tree.first('package.json'),
  async plan(context) {
    const { tree } = context
    const manifest = readManifest(tree)
    const { tool, warning } = await chooseNode(tree)
    const env = {
      ...context.env,
      PATH: [tree.path('node_modules/.bin'), path.dirname(tool.path), context.env['PATH']].join(path.delimiter),
    }
    const manager = needsManager(manifest) ? await findManager(tree, env) : undefined
    return {
      title: `Node.js ${tool.version}`,
      toolchain: [tool.path, tool.version, manager?.path ?? '', manager?.version ?? ''],
      async build() {
        if (warning) warn(warning)
        if (manager) await installAndBuild({ ...context, env }, manifest, manager, tool)
        else detail('no dependencies, nothing to install')
        return start(tree, manifest, tool, context.hasProcfile)
      },
    }
  },
}

function readManifest(tree: SourceTree): Manifest {
  const json = tree.readJson('package.json')
  const map = (name: string) => (typeof json[name] === 'object' && json[name] !== null ? (json[name] as Record<string, string>) : {})
  const workspaces = json['workspaces'] === undefined ? 0 : 1
  return {
    scripts: map('scripts'),
    runtimeCount: Object.keys({ ...map('dependencies'), ...map('optionalDependencies') }).length + workspaces,
    developmentCount: Object.keys(map('devDependencies')).length,
    text: JSON.stringify(json),
  }
}

/** The Node that runs the platform comes first: it is sure to be there. Another one of this machine is taken when the app asks for it. */
async function chooseNode(tree: SourceTree): Promise<{ tool: Tool; warning?: string }> {
  const own: Tool = { path: process.execPath, version: process.versions.node }
  const requirement = readRequirement(tree)
  const others = requirement ? await Promise.all(findPrograms('node').map(file => readTool(file))) : []
  const tools = [own, ...others.filter(tool => tool !== undefined)].filter(
    (tool, index, all) => all.findIndex(other => other.version === tool.version) === index,
  )
  return chooseTool('Node.js', tools, requirement, { sameLine: 1, install: 'install that version and put it on the PATH of the platform' })
}

function readRequirement(tree: SourceTree): Requirement | undefined {
  const { engines, volta } = tree.readJson('package.json') as Record<string, Record<string, unknown> | undefined>
  if (typeof engines?.['node'] === 'string') return { range: engines['node'], from: 'engines of package.json' }
  for (const file of ['.nvmrc', '.node-version']) {
    const range = tree.read(file)?.split(/\r?\n/)[0]?.trim()
    if (range) return { range, from: file }
  }
  return typeof volta?.['node'] === 'string' ? { range: volta['node'], from: 'volta of package.json' } : undefined
}

function needsManager({ scripts, runtimeCount, developmentCount }: Manifest): boolean {
  return runtimeCount + developmentCount > 0 || ['heroku-prebuild', 'heroku-postbuild', 'build'].some(name => scripts[name] !== undefined)
}

type Manager = Tool & { readonly name: 'npm' | 'pnpm' | 'yarn'; readonly lock: string | undefined }

async function findManager(tree: SourceTree, env: NodeJS.ProcessEnv): Promise<Manager> {
  const lock = tree.first(...LOCK_FILES)
  if (lock?.startsWith('bun')) {
    throw new BuildFailure(
      `This app is locked with Bun (${lock}), which is not supported in embedded mode yet`,
      'lock it with npm, pnpm or Yarn instead',
    )
  }
  const name = lock === 'pnpm-lock.yaml' ? 'pnpm' : lock === 'yarn.lock' ? 'yarn' : 'npm'
  const [file] = findPrograms(name)
  const tool = file === undefined ? undefined : await readTool(file, ['--version'], env)
  if (!tool) {
    throw new BuildFailure(
      `This app needs ${name} (${lock ?? 'package.json'}), found none on this machine`,
      `install ${name} and put it on the PATH of the platform`,
    )
  }
  return { ...tool, name, lock }
}

async function installAndBuild(context: BuildContext, manifest: Manifest, manager: Manager, tool: Tool): Promise<void> {
  const { tree, cachePath } = context
  const env: NodeJS.ProcessEnv = {
    NODE_ENV: 'production',
    ...context.env,
    npm_config_cache: path.join(cachePath, 'npm'),
    npm_config_update_notifier: 'false',
    npm_config_fund: 'false',
    npm_config_audit: 'false',
    npm_config_yes: 'false',
    // npm warns of settings that only pnpm knows.
    ...(manager.name === 'pnpm' ? { npm_config_store_dir: path.join(cachePath, 'pnpm') } : {}),
    YARN_CACHE_FOLDER: path.join(cachePath, 'yarn'),
  }
  const run = (...args: string[]) => runStep([manager.path, ...args], { cwd: tree.root, env, shown: [manager.name, ...args].join(' ') })
  const { scripts, runtimeCount, developmentCount } = manifest
  if (tree.has('node_modules')) warn('node_modules is in the repository: add it to .gitignore, it is installed on each build')
  if (scripts['heroku-prebuild'] !== undefined) await run('run', 'heroku-prebuild')
  if (runtimeCount + developmentCount > 0) {
    say(`Installing dependencies with ${manager.name} ${manager.version}`)
    await install(context, manifest, manager, tool, run)
  }
  const script = ['heroku-postbuild', 'build'].find(name => scripts[name] !== undefined)
  if (script !== undefined) {
    say('Building')
    await run('run', script)
  }
  if (developmentCount > 0) {
    say('Removing development dependencies')
    await prune(manager, run)
  }
}

async function install(
  { tree, cachePath }: BuildContext,
  manifest: Manifest,
  manager: Manager,
  tool: Tool,
  run: (...args: string[]) => Promise<void>,
): Promise<void> {
  if (!manager.lock) warn('there is no lock file: commit package-lock.json, so that each build installs the same')
  const isSafe = manager.lock !== undefined && isInstalledFromLockAlone(manifest)
  const cache = new DependencyCache(cachePath, tree, {
    files: ['package.json', manager.lock ?? 'package-lock.json', '.npmrc', '.yarnrc.yml'],
    texts: [manager.name, manager.version, tool.version],
  })
  if (isSafe && (await cache.restore(tree.path('node_modules')))) return detail('using the dependencies of an earlier build')
  const arguments_ = {
    npm: manager.lock
      ? ['ci', '--include=dev', '--prefer-offline']
      : ['install', '--no-save', '--no-package-lock', '--include=dev', '--prefer-offline'],
    pnpm: ['install', '--frozen-lockfile', '--prod=false', '--prefer-offline'],
    yarn: manager.version.startsWith('1.')
      ? ['install', '--frozen-lockfile', '--production=false', '--prefer-offline']
      : ['install', '--immutable'],
  }
  await run(...arguments_[manager.name])
  if (isSafe) await cache.save(tree.path('node_modules'))
}

/** An install script, a workspace or a `file:` dependency may take anything of the tree into node_modules. */
function isInstalledFromLockAlone({ scripts, text }: Manifest): boolean {
  const hooked = ['preinstall', 'install', 'postinstall', 'prepare', 'preprepare', 'postprepare'].some(name => scripts[name] !== undefined)
  return !hooked && !/"(?:file|link|portal|workspace):|"workspaces"|"\.{1,2}\//.test(text)
}

async function prune(manager: Manager, run: (...args: string[]) => Promise<void>): Promise<void> {
  if (manager.name === 'npm') await run('prune', '--omit=dev')
  else if (manager.name === 'pnpm') await run('prune', '--prod')
  else if (manager.version.startsWith('1.'))
    await run('install', '--production', '--ignore-scripts', '--prefer-offline', '--frozen-lockfile')
  else detail('left in place: this Yarn cannot remove them')
}

async function start(tree: SourceTree, { scripts }: Manifest, tool: Tool, hasProcfile: boolean): Promise<Built> {
  const searchPath = ['$(DRYCC_ROOT)/node_modules/.bin', path.dirname(tool.path)]
  const base = { env: { NODE_ENV: 'production' }, path: searchPath }
  const script = scripts['start']
  if (script !== undefined) {
    // Without npm in between the process starts sooner and hears TERM itself; npm is only needed for what it adds.
    const needsNpm = scripts['prestart'] !== undefined || scripts['poststart'] !== undefined || /\bnpm_\w|\$npm/.test(script)
    return { ...base, processes: { web: needsNpm ? 'npm start' : script } }
  }
  if (tree.has('server.js')) return { ...base, processes: { web: 'node server.js' } }
  if (hasProcfile) return { ...base, processes: {} }
  const site = siteOf(tree, ['dist', 'build', 'out', 'public', ''])
  if (site) {
    const built = await staticSite(tree, { ...site, isSinglePage: site.isSinglePage || site.folder !== '' })
    return { ...built, path: searchPath }
  }
  throw new BuildFailure(
    'Cannot tell how this app starts',
    'add a "start" script to package.json, or a Procfile with a line such as web: node index.js',
  )
}
