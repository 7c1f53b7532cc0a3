import { mkdir, open, symlink } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { extract as extractTar, type Header } from 'tar-stream'
import { startGroup } from '../process-group.ts'
import { gitEnvironment } from '../receive/git.ts'
import { BuildError } from './build-error.ts'

/** What a source tree may be. */
export interface SourceLimits {
  readonly sourceBytesMax: number
  readonly sourceFileCountMax: number
}

/** Which commit, and where its objects are: those of a push wait in its quarantine. */
export interface SourceOrigin {
  readonly repository: string
  readonly quarantine: string
  readonly sha: string
}

/** What was found in passing. */
export interface SourceReport {
  readonly fileCount: number
  readonly bytes: number
  readonly warnings: readonly string[]
}

/**
 * Writes the tree of a commit into an empty folder, streaming: `git archive` (so `.gitattributes` with `export-ignore` holds), each path checked.
 *
 * @throws {BuildError} for a tree over the limits, a path that leads out of the folder or one of a kind that no program needs
 */
export async function extractSource(
  { repository, quarantine, sha }: SourceOrigin,
  directory: string,
  limits: SourceLimits,
  signal: AbortSignal,
): Promise<SourceReport> {
  const objects = path.join(repository, 'objects')
  const archive = startGroup(['git', '-c', 'safe.directory=*', '--git-dir', repository, 'archive', '--format=tar', sha], {
    env: {
      ...gitEnvironment(),
      ...(quarantine ? { GIT_OBJECT_DIRECTORY: quarantine, GIT_ALTERNATE_OBJECT_DIRECTORIES: objects } : {}),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stderr = ''
  archive.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    if (stderr.length < 4096) stderr += text
  })
  const tree = new Tree(directory, limits)
  const extract = extractTar()
  try {
    const reading = pipeline(archive.child.stdout!, extract as unknown as NodeJS.WritableStream, { signal })
    reading.catch(() => {})
    for await (const entry of extract) {
      await tree.add(entry.header, entry as unknown as AsyncIterable<Buffer>)
      entry.resume()
    }
    await reading
    const { code } = await archive.exited
    if (code !== 0) throw new Error(`git archive failed with code ${code}: ${stderr.trim()}`)
    return await tree.finish()
  } finally {
    extract.destroy()
    await archive.stop(500)
  }
}

class Tree {
  readonly #root: string
  readonly #limits: SourceLimits
  readonly #folders = new Set<string>()
  readonly #links: { readonly at: string; readonly target: string }[] = []
  readonly #biggest: { readonly name: string; readonly size: number }[] = []
  readonly #warnings: string[] = []
  #fileCount = 0
  #bytes = 0

  constructor(root: string, limits: SourceLimits) {
    this.#root = root
    this.#limits = limits
  }

  async add(header: Header, content: AsyncIterable<Buffer>): Promise<void> {
    const name = header.name.replace(/\/+$/, '')
    if (name === '' || name === '.') return
    this.#check(name, header.size)
    const at = path.join(this.#root, name)
    if (header.type === 'directory') {
      await this.#makeFolder(at)
    } else if (header.type === 'symlink') {
      this.#links.push({ at, target: header.linkname })
    } else if (header.type === 'file') {
      await this.#makeFolder(path.dirname(at))
      await this.#writeFile(name, at, header, content)
    } else {
      throw new BuildError(`"${name}" is neither a file nor a folder nor a link`, 'remove it from the repository')
    }
  }

  /** Links come last: while files are written there is none that could lead them elsewhere. */
  async finish(): Promise<SourceReport> {
    for (const { at, target } of this.#links) {
      const name = path.relative(this.#root, at)
      const leadsTo = path.resolve(path.dirname(at), target)
      const inside = !path.isAbsolute(target) && (leadsTo === this.#root || leadsTo.startsWith(this.#root + path.sep))
      if (!inside)
        throw new BuildError(
          `The link "${name}" leads out of the app, to "${target}"`,
          'link only to files of the repository, by a relative path',
        )
      await this.#makeFolder(path.dirname(at))
      await symlink(target, at)
    }
    return { fileCount: this.#fileCount, bytes: this.#bytes, warnings: this.#warnings }
  }

  #check(name: string, size: number): void {
    const parts = name.split('/')
    if (path.isAbsolute(name) || name.includes('\0') || parts.some(part => part === '..' || part.toLowerCase() === '.git')) {
      throw new BuildError(`The path "${name}" leads out of the app`, 'remove it from the repository')
    }
    if (name === '.gitmodules') {
      this.#warnings.push('submodules are not fetched: commit their files, or install them as dependencies')
    }
    this.#fileCount++
    this.#bytes += size
    this.#biggest.push({ name, size })
    if (this.#biggest.length > 200) this.#keepBiggest()
    const { sourceBytesMax, sourceFileCountMax } = this.#limits
    if (this.#fileCount > sourceFileCountMax) {
      throw new BuildError(
        `The app has more than ${sourceFileCountMax} files`,
        'remove what can be installed or generated, such as node_modules',
      )
    }
    if (this.#bytes > sourceBytesMax) {
      this.#keepBiggest()
      const list = this.#biggest.map(file => `  ${(file.size / 1024 ** 2).toFixed(1).padStart(8)} MB  ${file.name}`).join('\n')
      throw new BuildError(
        `The app is larger than ${Math.round(sourceBytesMax / 1024 ** 2)} MB`,
        `remove large files from the repository; the largest so far are\n${list}`,
      )
    }
  }

  #keepBiggest(): void {
    this.#biggest.sort((a, b) => b.size - a.size).splice(10)
  }

  async #writeFile(name: string, at: string, { mode, size }: Header, content: AsyncIterable<Buffer>): Promise<void> {
    let start = ''
    // "wx" fails where something stands already: a tree that names one path twice is forged.
    await using file = await open(at, 'wx', mode & 0o111 ? 0o755 : 0o644)
    for await (const chunk of content) {
      if (start === '') start = chunk.subarray(0, 64).toString('latin1')
      await file.writeFile(chunk)
    }
    if (size < 1024 && start.startsWith('version https://git-lfs.github.com/spec/')) {
      this.#warnings.push(`"${name}" is a pointer of Git LFS: its content is not fetched`)
    }
  }

  async #makeFolder(at: string): Promise<void> {
    if (this.#folders.has(at)) return
    await mkdir(at, { recursive: true })
    this.#folders.add(at)
  }
}
