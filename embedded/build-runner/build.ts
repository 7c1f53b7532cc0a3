import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import type { BuildRequest, BuildResult } from '../../kernel/contract.ts'
import { type ImageConfig, type ImageStore, openImageStore } from '../images/store.ts'
import { digestTree, TreeError } from '../images/tree.ts'
import { detect } from './detect.ts'
import { BuildFailure } from './failure.ts'
import type { BuildContext, Built, Plan } from './language.ts'
import { parseProcfile } from './procfile.ts'
import { SourceTree } from './source-tree.ts'
import { detail, say, warn } from './step.ts'

/** Changes when the same tree would become another image than before. */
const RECIPE_VERSION = 1

/** What an earlier build made of the same inputs. */
interface Memory {
  readonly digest: string
  readonly procfile: Readonly<Record<string, string>>
}

/**
 * Builds the tree of a request in place and puts it into the store of images.
 *
 * @param folders.images the store; @param folders.cache what is kept between builds, one folder an app
 * @throws {BuildFailure} for whatever the app's author can mend
 */
export async function buildImage(request: BuildRequest, folders: { images: string; cache: string }): Promise<BuildResult> {
  const tree = new SourceTree(request.source)
  const cachePath = path.join(folders.cache, request.cacheKey)
  const store = openImageStore(folders.images)
  const procfile = readProcfile(tree)
  const context: BuildContext = {
    tree,
    config: request.env,
    cachePath,
    env: await buildEnvironment(request.env, cachePath),
    hasProcfile: Object.keys(procfile).length > 0,
  }
  const { language, mark, warnings } = detect(tree)
  const plan = await language.plan(context)
  say(`${plan.title} app, by its ${mark}`)
  for (const warning of warnings) warn(warning)
  if (request.env['BUILDPACK_URL']) warn('BUILDPACK_URL is not used in embedded mode')

  const inputs = await digestTree(tree.root, {
    recipe: RECIPE_VERSION,
    toolchain: plan.toolchain,
    env: request.env,
    path: process.env['PATH'],
  })
  const memoryFile = path.join(cachePath, 'built.json')
  const memory = await recall(memoryFile, inputs, store)
  const built = memory ?? (await build(plan, tree, procfile, store))
  if (memory) detail('the same source was built before, its image is used again')
  else await remember(memoryFile, inputs, built)

  const repository = `embedded/${request.app}`
  await store.tag(repository, `git-${request.sha.slice(0, 8)}`, built.digest)
  // The release names the digest. A later build of the same commit, with another config, takes the first tag away but must not take the image.
  await store.tag(repository, built.digest.replace(':', '-'), built.digest)
  detail(`processes: ${Object.keys(built.procfile).join(', ')}`)
  return { image: `${repository}@${built.digest}`, procfile: built.procfile, dockerfile: '', detected: `${plan.title} (${mark})` }
}

function readProcfile(tree: SourceTree): Record<string, string> {
  const text = tree.read('Procfile')
  if (text === undefined) return {}
  const { processes, warnings } = parseProcfile(text)
  for (const warning of warnings) warn(warning)
  return processes
}

async function build(plan: Plan, tree: SourceTree, procfile: Readonly<Record<string, string>>, store: ImageStore): Promise<Memory> {
  const built = await plan.build()
  const hasProcfile = Object.keys(procfile).length > 0
  // A Procfile says what there is; only how `web` starts may be left to the language.
  const { web } = built.processes
  const processes = hasProcfile ? { ...(web === undefined ? {} : { web }), ...procfile } : { ...built.processes }
  if (Object.keys(processes).length === 0) throw new BuildFailure('The Procfile names no process', 'add a line such as web: ./server')
  try {
    const { digest } = await store.put(tree.root, imageConfig(built, processes), { move: true })
    return { digest, procfile: processes }
  } catch (error) {
    if (error instanceof TreeError) throw new BuildFailure(error.message)
    throw error
  }
}

function imageConfig(built: Built, processes: Readonly<Record<string, string>>): ImageConfig {
  const searchPath = [...new Set([...(built.path ?? []), ...(process.env['PATH'] ?? '').split(path.delimiter)])]
  return {
    env: { PATH: searchPath.filter(Boolean).join(path.delimiter), ...built.env },
    workingDir: '/app',
    processes,
  }
}

/**
 * What the steps of a build see: how programs are found and the network is reached, the app's config, and a home that is not the owner's of this
 * machine. Only where package managers fetch from is taken from there.
 */
async function buildEnvironment(config: Readonly<Record<string, string>>, cachePath: string): Promise<NodeJS.ProcessEnv> {
  const home = path.join(cachePath, 'home')
  await mkdir(home, { recursive: true, mode: 0o700 })
  // Not by the variable: it may already name the home of the platform.
  const owner = os.userInfo().homedir
  const settings = Object.entries({
    NPM_CONFIG_USERCONFIG: '.npmrc',
    PIP_CONFIG_FILE: '.config/pip/pip.conf',
    GOENV: '.config/go/env',
  }).flatMap(([name, file]) => (existsSync(path.join(owner, file)) ? [[name, path.join(owner, file)]] : []))
  const { PATH } = process.env
  return { ...process.env, ...Object.fromEntries(settings), CI: '1', NO_COLOR: '1', TERM: 'dumb', ...config, PATH, HOME: home }
}

/** The builds that an app may go back to without building again. */
const MEMORY_COUNT_MAX = 20

async function readMemories(file: string): Promise<Record<string, Memory>> {
  try {
    return JSON.parse(await readFile(file, 'utf8'))
  } catch {
    return {}
  }
}

/** A build of the same inputs, if its image is still there. */
async function recall(file: string, inputs: string, store: ImageStore): Promise<Memory | undefined> {
  const memory = (await readMemories(file))[inputs]
  return memory && (await store.resolve(`embedded/any@${memory.digest}`)) ? memory : undefined
}

async function remember(file: string, inputs: string, memory: Memory): Promise<void> {
  const { [inputs]: _, ...others } = await readMemories(file)
  const kept = Object.entries(others).slice(1 - MEMORY_COUNT_MAX)
  await writeFile(`${file}.new`, JSON.stringify(Object.fromEntries([...kept, [inputs, memory]])))
  await rename(`${file}.new`, file)
}
