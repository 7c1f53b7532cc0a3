import { createHash, randomUUID } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { chmod, link, lstat, mkdir, rm, symlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { extract, type Header } from 'tar-stream'
import type { ImageConfig, ImageStore } from './store.ts'
import { isInside, TREE_LIMITS, TreeError } from './tree.ts'

/**
 * Takes a tar archive, plain or gzipped, into the store as an image.
 *
 * @param options.scratch a folder on the store's file system for the unpacked tree
 * @param options.sha256 what the archive's bytes must hash to, 64 hexadecimal digits
 * @throws {TreeError} for an archive with another hash, or with what no image may hold: absolute names, `..`, devices, links that leave the tree
 */
export async function importArchive(
  store: Pick<ImageStore, 'put'>,
  file: string,
  options: { scratch: string; config?: ImageConfig; sha256?: string; limits?: { entries: number; bytes: number } },
): Promise<{ digest: string }> {
  const root = join(options.scratch, `archive-${randomUUID()}`)
  await mkdir(root, { recursive: true, mode: 0o700 })
  try {
    const sha256 = await unpackArchive(createReadStream(file), root, options.limits)
    if (options.sha256 !== undefined && options.sha256 !== sha256)
      throw new TreeError(`Cannot import the archive: its SHA-256 is ${sha256}, expected ${options.sha256}`)
    return await store.put(root, options.config ?? {}, { move: true })
  } finally {
    await rm(root, { recursive: true, force: true })
  }
}

/**
 * Unpacks a tar archive, plain or gzipped, into a folder and nowhere else: no name or link of it can lead outside.
 *
 * @returns SHA-256 of the archive's bytes, in hexadecimal digits
 * @throws {TreeError} at the first entry that may not be
 */
export async function unpackArchive(
  archive: Readable,
  root: string,
  limits: { entries: number; bytes: number } = TREE_LIMITS,
): Promise<string> {
  const hash = createHash('sha256')
  const left = { ...limits }
  const tar = extract()
  const hashed = Readable.from(hashing(archive, hash))
  const first = await peek(hashed)
  const isGzip = first?.[0] === 0x1f && first[1] === 0x8b
  const feeding = isGzip ? pipeline(hashed, createGunzip(), tar) : pipeline(hashed, tar)
  const unpacking = (async () => {
    for await (const entry of tar) {
      if (--left.entries < 0) throw new TreeError('Cannot unpack the archive: it has too many entries')
      if ((left.bytes -= entry.header.size) < 0) throw new TreeError('Cannot unpack the archive: it is too large')
      await unpackEntry(root, entry.header, entry as unknown as Readable)
    }
  })()
  try {
    // Either may fail first, and the other then waits for ever.
    await Promise.all([feeding, unpacking])
  } catch (error) {
    archive.destroy()
    tar.destroy()
    throw error
  }
  return hash.digest('hex')
}

async function unpackEntry(root: string, header: Header, content: Readable): Promise<void> {
  const path = await placeOf(root, header.name)
  const mode = header.mode & 0o777
  switch (header.type) {
    case 'directory':
      if (path === root) break
      await mkdir(path, { recursive: true })
      await chmod(path, mode | 0o700)
      break
    case 'file':
    case 'contiguous-file':
      await rm(path, { force: true })
      await pipeline(content, createWriteStream(path, { flags: 'wx' }))
      await chmod(path, mode)
      return
    case 'symlink': {
      const target = header.linkname
      if (target.startsWith('/') || !isInside(root, resolve(dirname(path), target)))
        throw new TreeError(`Cannot unpack link "${header.name}" to "${target}": it leaves the archive`)
      await rm(path, { force: true })
      await symlink(target, path)
      break
    }
    case 'link': {
      const target = await placeOf(root, header.linkname)
      if (!(await lstat(target).catch(() => undefined))?.isFile())
        throw new TreeError(`Cannot unpack link "${header.name}" to "${header.linkname}": no such file before it`)
      await rm(path, { force: true })
      await link(target, path)
      break
    }
    default:
      throw new TreeError(`Cannot unpack "${header.name}": a ${header.type} may not be in an image`)
  }
  content.resume()
}

/** The absolute place of a name, its folders made; never through a link that an earlier entry laid. */
async function placeOf(root: string, name: string): Promise<string> {
  if (name.startsWith('/') || name.includes('\0') || name.split('/').includes('..'))
    throw new TreeError(`Cannot unpack "${name}": it leaves the archive`)
  const parts = name.split('/').filter(part => part !== '' && part !== '.')
  let folder = root
  for (const part of parts.slice(0, -1)) {
    folder = join(folder, part)
    await mkdir(folder).catch(() => {})
    if (!(await lstat(folder)).isDirectory()) throw new TreeError(`Cannot unpack "${name}": a link or file stands where its folder must be`)
  }
  return join(root, ...parts)
}

async function* hashing(archive: Readable, hash: ReturnType<typeof createHash>): AsyncGenerator<Buffer> {
  for await (const chunk of archive) {
    hash.update(chunk as Buffer)
    yield chunk as Buffer
  }
}

/** The first chunk, put back so that the reader sees it again. */
async function peek(stream: Readable): Promise<Buffer | undefined> {
  await new Promise<void>((done, fail) => {
    stream.once('readable', done)
    stream.once('end', done)
    stream.once('error', fail)
  })
  const chunk = stream.read() as Buffer | null
  if (chunk === null) return undefined
  stream.unshift(chunk)
  return chunk
}
