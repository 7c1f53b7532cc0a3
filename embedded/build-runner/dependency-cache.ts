import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import path from 'node:path'
import { copyTree } from '../images/copy-tree.ts'
import type { SourceTree } from './source-tree.ts'

/** The sets of installed dependencies that an app may go back and forth between. */
const KEPT_COUNT = 2

/**
 * Installed dependencies by what they were installed from. The copy costs a fraction of the installation, and needs no network.
 *
 * @param inputs files of the tree and other texts that decide what is installed
 */
export class DependencyCache {
  readonly #directory: string
  readonly #entry: string

  constructor(cachePath: string, tree: SourceTree, inputs: { files: readonly string[]; texts: readonly string[] }) {
    const hash = createHash('sha256')
    for (const name of inputs.files) hash.update(JSON.stringify([name, tree.read(name) ?? null]))
    hash.update(JSON.stringify([...inputs.texts, process.platform, process.arch]))
    this.#directory = path.join(cachePath, 'dependencies')
    this.#entry = path.join(this.#directory, hash.digest('hex'))
  }

  /** Puts the dependencies at `target`. @returns false when they have to be installed */
  async restore(target: string): Promise<boolean> {
    const found = await stat(this.#entry).catch(() => undefined)
    if (!found) return false
    await rm(target, { recursive: true, force: true })
    await copyTree(this.#entry, target)
    const now = new Date()
    await utimes(this.#entry, now, now)
    return true
  }

  /** Keeps what was installed, and drops what has not been used for longest. */
  async save(source: string): Promise<void> {
    if (!(await stat(source).catch(() => undefined))) return
    await mkdir(this.#directory, { recursive: true })
    const temporary = await mkdtemp(path.join(this.#directory, '.new-'))
    await copyTree(source, path.join(temporary, 'tree'))
    const now = new Date()
    await utimes(path.join(temporary, 'tree'), now, now)
    await rename(path.join(temporary, 'tree'), this.#entry).catch(() => {})
    await rm(temporary, { recursive: true, force: true })
    await this.#prune()
  }

  async #prune(): Promise<void> {
    const names = (await readdir(this.#directory)).map(name => path.join(this.#directory, name))
    const entries = await Promise.all(names.map(async name => ({ name, usedAt: (await stat(name)).mtimeMs })))
    entries.sort((a, b) => b.usedAt - a.usedAt)
    await Promise.all(entries.slice(KEPT_COUNT).map(({ name }) => rm(name, { recursive: true, force: true })))
  }
}
