import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { runGit } from './git.ts'

/** The file in a repository that names the app it belongs to, by the unique id of its namespace. */
const OWNER_FILE = 'drycc-app'

/** Bare repositories under one folder, `<app>.git` each, made when first needed and kept between pushes so that those stay small. */
export class Repositories {
  readonly #directory: string
  readonly #opening = new Map<string, Promise<unknown>>()

  constructor(home: string) {
    this.#directory = path.join(home, 'repos')
  }

  pathOf(app: string): string {
    return path.join(this.#directory, `${app}.git`)
  }

  /**
   * Makes the app's repository where there is none.
   *
   * @param owner the unique id of the app, where known: a repository of an earlier app of the same name is thrown away first, or the first push
   *   to the new app would be "Everything up-to-date"
   * @returns its path
   */
  async open(app: string, owner?: string): Promise<string> {
    const before = this.#opening.get(app)
    const opening = (async () => {
      await before?.catch(() => {})
      if (owner !== undefined && (await this.ownerOf(app)) !== owner) await this.#adopt(app, owner)
      else await this.#create(app)
      return this.pathOf(app)
    })()
    this.#opening.set(app, opening)
    try {
      return await opening
    } finally {
      if (this.#opening.get(app) === opening) this.#opening.delete(app)
    }
  }

  /** Apps that have a repository. */
  async list(): Promise<string[]> {
    const names = await readdir(this.#directory).catch(() => [])
    return names.filter(name => /^[^.].*\.git$/.test(name)).map(name => name.slice(0, -'.git'.length))
  }

  /** The id that {@link open} noted, or `undefined`. */
  async ownerOf(app: string): Promise<string | undefined> {
    return readFile(path.join(this.pathOf(app), OWNER_FILE), 'utf8').catch(() => undefined)
  }

  /** Out of sight at once, then deleted. */
  async remove(app: string): Promise<void> {
    const grave = await mkdtemp(path.join(this.#directory, '.gone-')).catch(() => undefined)
    if (!grave) return
    await rename(this.pathOf(app), path.join(grave, 'repository')).catch(ignoreMissing)
    await rm(grave, { recursive: true, force: true })
  }

  /** The branch that deploys beside `main` and `master`, and whether it has been deployed. */
  async head(app: string): Promise<{ ref: string; born: boolean }> {
    const ref = (await readFile(path.join(this.pathOf(app), 'HEAD'), 'utf8')).replace(/^ref: /, '').trim()
    const { code } = await runGit(['--git-dir', this.pathOf(app), 'show-ref', '--verify', '--quiet', ref])
    return { ref, born: code === 0 }
  }

  /** Makes a branch the one that a clone checks out. */
  async setHead(app: string, ref: string): Promise<void> {
    await runGit(['--git-dir', this.pathOf(app), 'symbolic-ref', 'HEAD', ref])
  }

  /** Packs what has become loose; nothing happens in a repository that is in order. */
  async tidy(app: string): Promise<void> {
    await runGit(['--git-dir', this.pathOf(app), 'gc', '--auto', '--quiet'])
  }

  /** Removes what a killed push left behind: objects that were never accepted, half-made repositories. Nothing may be running for the app. */
  async sweep(app: string): Promise<void> {
    const objects = path.join(this.pathOf(app), 'objects')
    const names = await readdir(objects).catch(() => [])
    const stale = names.filter(name => name.startsWith('tmp_objdir-') || name.startsWith('incoming-'))
    await Promise.all(stale.map(name => rm(path.join(objects, name), { recursive: true, force: true })))
  }

  /** At the start of the builder, before any push. */
  async sweepAll(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    const names = await readdir(this.#directory)
    const stale = names.filter(name => name.startsWith('.'))
    await Promise.all(stale.map(name => rm(path.join(this.#directory, name), { recursive: true, force: true })))
    for (const app of await this.list()) await this.sweep(app)
  }

  async #adopt(app: string, owner: string): Promise<void> {
    if ((await this.ownerOf(app)) !== undefined) await this.remove(app)
    await this.#create(app)
    await writeFile(path.join(this.pathOf(app), OWNER_FILE), owner)
  }

  async #create(app: string): Promise<void> {
    const target = this.pathOf(app)
    const present = await readFile(path.join(target, 'HEAD')).catch(() => undefined)
    if (present) return
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    const temporary = await mkdtemp(path.join(this.#directory, '.new-'))
    const { code, stderr } = await runGit(['init', '--quiet', '--bare', '--template=', '--initial-branch=main', temporary])
    if (code !== 0) throw new Error(`Cannot make the repository of "${app}": ${stderr.trim()}`)
    await rename(temporary, target)
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}
