import { createHash } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { readdir, readlink, stat } from 'node:fs/promises'
import { dirname, isAbsolute, join, relative, resolve } from 'node:path'

/** What a tree of files may hold; past a limit it is refused. */
export const TREE_LIMITS = { entries: 500_000, bytes: 8 * 1024 ** 3 } as const

/** A tree that an image may not hold; the message names the entry. */
export class TreeError extends Error {
  override readonly name = 'TreeError'
}

interface Entry {
  readonly path: string
  readonly line: (root: string) => Promise<string>
}

/** Files read at once: enough to keep a disk busy, few enough for any limit of open files. */
const CONCURRENCY = 16

/**
 * Hashes a tree of files together with its image's configuration. Two trees have one digest when they have the same names, contents,
 * permission bits and link targets, whatever their times, owners and the order on disk.
 *
 * @returns 64 hexadecimal digits of SHA-256
 * @throws {TreeError} for a device, socket or FIFO, a link that leaves the tree, or a tree past {@link TREE_LIMITS}
 */
export async function digestTree(root: string, config: unknown, limits: { entries: number; bytes: number } = TREE_LIMITS): Promise<string> {
  const entries: Entry[] = []
  await walk(root, '', entries, { ...limits })
  const hash = createHash('sha256').update(`config ${canonicalJson(config)}\n`)
  for (let first = 0; first < entries.length; first += CONCURRENCY) {
    const lines = await Promise.all(entries.slice(first, first + CONCURRENCY).map(entry => entry.line(root)))
    for (const line of lines) hash.update(line)
  }
  return hash.digest('hex')
}

async function walk(root: string, folder: string, entries: Entry[], left: { entries: number; bytes: number }): Promise<void> {
  const children = await readdir(join(root, folder), { withFileTypes: true })
  children.sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const child of children) {
    const path = folder ? `${folder}/${child.name}` : child.name
    if (--left.entries < 0) throw new TreeError(`Cannot take the tree: it has too many files`)
    if (child.isSymbolicLink()) {
      const target = await readlink(join(root, path))
      checkLink(root, path, target)
      entries.push({ path, line: async () => record('link', path, 0, target) })
    } else if (child.isDirectory()) {
      const { mode } = await stat(join(root, path))
      entries.push({ path, line: async () => record('folder', path, mode, '') })
      await walk(root, path, entries, left)
    } else if (child.isFile()) {
      const { mode, size } = await stat(join(root, path))
      if ((left.bytes -= size) < 0) throw new TreeError(`Cannot take the tree: it is too large`)
      entries.push({ path, line: async () => record('file', path, mode, await hashFile(join(root, path))) })
    } else throw new TreeError(`Cannot take "${path}": an image holds files, folders and links only`)
  }
}

/**
 * Refuses a link that would lead elsewhere once the tree has moved. An absolute one that names something outside stays: toolchains link
 * their interpreters so (`python3 -m venv` does), and the processes see the same file system anyway.
 */
function checkLink(root: string, path: string, target: string): void {
  const base = resolve(root)
  if (isAbsolute(target)) {
    if (isInside(base, resolve(target)) || !existsSync(target))
      throw new TreeError(`Cannot take link "${path}" to "${target}": it would lead nowhere; make it relative`)
  } else if (!isInside(base, resolve(base, dirname(path), target)))
    throw new TreeError(`Cannot take link "${path}" to "${target}": it leaves the tree`)
}

/** True for a folder itself and whatever lies in it. */
export function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path)
  return way !== '..' && !way.startsWith('../') && !isAbsolute(way)
}

/** NUL ends each field: no name holds one, so no two trees have one listing. */
function record(kind: string, path: string, mode: number, content: string): string {
  return `${kind}\0${path}\0${(mode & 0o777).toString(8)}\0${content}\0\n`
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

/** JSON with the keys of every object in order, so that equal values are equal texts. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    inner && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}
