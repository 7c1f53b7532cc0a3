import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, rmdir, stat, utimes, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { copyTree } from './copy-tree.ts'
import { parseReference } from './reference.ts'
import { canonicalJson, digestTree } from './tree.ts'

/** How a container of an image runs when the pod does not say otherwise. */
export interface ImageConfig {
  readonly entrypoint?: readonly string[]
  readonly command?: readonly string[]
  /** `$(DRYCC_ROOT)` in a value stands for the absolute folder of the container's private copy of the tree. */
  readonly env?: Readonly<Record<string, string>>
  /** Where the tree would lie in a real container; mounts below it are possible. `/app` where absent. */
  readonly workingDir?: string
  readonly exposedPorts?: readonly number[]
  /** Command lines by process type, as a Procfile has them. */
  readonly processes?: Readonly<Record<string, string>>
}

/** An image of the store; `root` is its tree, to be read only. */
export interface Image {
  /** `sha256:` and 64 hexadecimal digits. */
  readonly digest: string
  /** The folder that holds `config.json` and `root/`. */
  readonly dir: string
  readonly root: string
  readonly config: ImageConfig
}

export interface ImageTag {
  readonly repository: string
  readonly tag: string
  readonly digest: string
  readonly taggedAt: number
}

export interface ImageStore {
  /**
   * Takes a tree in and returns its digest; the same tree and configuration again is no new image. What lies in the store is whole or not there.
   *
   * @param options.move takes the folder itself away instead of copying it
   * @throws {TreeError} for a tree that no image may hold
   */
  put(treeDir: string, config: ImageConfig, options?: { move?: boolean }): Promise<{ digest: string }>
  /** Points a tag at an image of the store. @throws {RangeError} for a malformed name or an image that is not there */
  tag(repository: string, tag: string, digest: string): Promise<void>
  /** Removes a tag; the image itself goes with {@link collect}. */
  untag(repository: string, tag: string): Promise<void>
  /** The image that a reference names; a digest rules over a tag. @throws {RangeError} for a malformed reference */
  resolve(reference: string): Promise<Image | undefined>
  /** Every tag; `taggedAt` is in milliseconds since 1970. */
  tags(): Promise<ImageTag[]>
  /** Removes all tags of a repository and those of its images that nothing else names. */
  removeRepository(repository: string, inUse: ReadonlySet<string>): Promise<void>
  /**
   * Removes images that have no tag and are not in use, and what an interrupted put left. A tag keeps its image, as a rollback may need it;
   * an image younger than `minAgeMs` (1 h) stays, as its tag may be on its way.
   *
   * @returns the digests that went
   */
  collect(inUse: ReadonlySet<string>, options?: { minAgeMs?: number }): Promise<string[]>
}

const DIGEST = /^sha256:([0-9a-f]{64})$/
const COLLECT_MIN_AGE_MS = 3_600_000

/**
 * Opens the store of images as folders, `sha256/<hex>/{config.json,root/}` and `tags/<repository>/<tag>`; makes it where there is none.
 * Several processes may use one store at once: every change is one rename.
 */
export function openImageStore(dir: string): ImageStore {
  const images = join(dir, 'sha256')
  const tagsDir = join(dir, 'tags')
  const scratch = join(dir, 'tmp')
  for (const folder of [images, tagsDir, scratch]) mkdirSync(folder, { recursive: true, mode: 0o700 })

  const folderOf = (digest: string) => {
    const hex = DIGEST.exec(digest)?.[1]
    if (!hex) throw new RangeError(`Cannot read digest "${digest}": write it as sha256: and 64 hexadecimal digits`)
    return join(images, hex)
  }
  const tagFile = (repository: string, tag: string) => {
    const reference = parseReference(`${repository}:${tag}`)
    return join(tagsDir, reference.repository, reference.tag!)
  }
  const open = async (digest: string): Promise<Image | undefined> => {
    const folder = folderOf(digest)
    const config = await readIfThere(join(folder, 'config.json'))
    return config === undefined ? undefined : { digest, dir: folder, root: join(folder, 'root'), config: JSON.parse(config) as ImageConfig }
  }

  const put: ImageStore['put'] = async (treeDir, config, options = {}) => {
    const work = join(scratch, randomUUID())
    await mkdir(work, { mode: 0o700 })
    try {
      await take(treeDir, join(work, 'root'), options.move ?? false)
      const digest = `sha256:${await digestTree(join(work, 'root'), config)}`
      await writeFile(join(work, 'config.json'), canonicalJson(config))
      await rename(work, folderOf(digest)).catch(async error => {
        // Somebody has put the same image already: then it is young again, so that nobody collects it before its tag is there.
        if (!isCode(error, 'ENOTEMPTY', 'EEXIST')) throw error
        const now = new Date()
        await utimes(folderOf(digest), now, now)
      })
      return { digest }
    } finally {
      await rm(work, { recursive: true, force: true })
    }
  }

  const tag: ImageStore['tag'] = async (repository, name, digest) => {
    const file = tagFile(repository, name)
    if (!(await open(digest))) throw new RangeError(`Cannot tag "${repository}:${name}": the store has no image ${digest}`)
    const work = join(scratch, randomUUID())
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    await writeFile(work, `${digest}\n`)
    await rename(work, file)
  }

  const untag: ImageStore['untag'] = async (repository, name) => {
    const file = tagFile(repository, name)
    await rm(file, { force: true })
    await removeEmptyFolders(dirname(file), tagsDir)
  }

  const resolve: ImageStore['resolve'] = async text => {
    const { repository, tag: name, digest } = parseReference(text)
    if (digest) return await open(digest)
    const found = await readIfThere(tagFile(repository, name!))
    return found === undefined ? undefined : await open(found.trim())
  }

  const tags: ImageStore['tags'] = async () => {
    const files = await readdir(tagsDir, { recursive: true, withFileTypes: true })
    const found = files
      .filter(file => file.isFile())
      .map(async file => {
        const path = join(file.parentPath, file.name)
        const [digest, found] = await Promise.all([readIfThere(path), stat(path).catch(() => undefined)])
        if (digest === undefined || !found) return []
        return [{ repository: relative(tagsDir, file.parentPath), tag: file.name, digest: digest.trim(), taggedAt: found.mtimeMs }]
      })
    return (await Promise.all(found)).flat()
  }

  const removeRepository: ImageStore['removeRepository'] = async (repository, inUse) => {
    const all = await tags()
    const mine = all.filter(entry => entry.repository === repository)
    for (const entry of mine) await untag(repository, entry.tag)
    const needed = new Set([...inUse, ...all.filter(entry => entry.repository !== repository).map(entry => entry.digest)])
    for (const { digest } of mine) if (!needed.has(digest)) await discard(folderOf(digest))
  }

  const collect: ImageStore['collect'] = async (inUse, options = {}) => {
    const before = Date.now() - (options.minAgeMs ?? COLLECT_MIN_AGE_MS)
    const tagged = new Set((await tags()).map(entry => entry.digest))
    const removed: string[] = []
    for (const hex of await readdir(images)) {
      const digest = `sha256:${hex}`
      if (tagged.has(digest) || inUse.has(digest) || !(await isOlder(join(images, hex), before))) continue
      await discard(join(images, hex))
      removed.push(digest)
    }
    for (const name of await readdir(scratch)) {
      if (await isOlder(join(scratch, name), before)) await rm(join(scratch, name), { recursive: true, force: true })
    }
    return removed
  }

  /** Out of the way by one rename first, so that nobody resolves half an image. */
  const discard = async (folder: string) => {
    const work = join(scratch, randomUUID())
    try {
      await rename(folder, work)
    } catch (error) {
      if (isCode(error, 'ENOENT')) return
      throw error
    }
    await rm(work, { recursive: true, force: true })
  }

  return { put, tag, untag, resolve, tags, removeRepository, collect }
}

async function take(from: string, to: string, move: boolean): Promise<void> {
  if (!move) return await copyTree(from, to)
  try {
    await rename(from, to)
  } catch (error) {
    if (!isCode(error, 'EXDEV')) throw error
    await copyTree(from, to)
    await rm(from, { recursive: true, force: true })
  }
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (isCode(error, 'ENOENT', 'ENOTDIR', 'EISDIR')) return undefined
    throw error
  }
}

async function isOlder(path: string, time: number): Promise<boolean> {
  try {
    return (await stat(path)).mtimeMs < time
  } catch (error) {
    if (isCode(error, 'ENOENT')) return false
    throw error
  }
}

async function removeEmptyFolders(folder: string, top: string): Promise<void> {
  for (let at = folder; at !== top; at = dirname(at)) {
    try {
      await rmdir(at)
    } catch (error) {
      if (isCode(error, 'ENOENT')) continue
      return
    }
  }
}

function isCode(error: unknown, ...codes: string[]): boolean {
  return codes.includes((error as NodeJS.ErrnoException).code ?? '')
}
