import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { Log } from '../log.ts'
import { apiVersion, type KubernetesObject, RESOURCES, type Resource } from './objects.ts'

/** One object of a manifest and the kind that it is. */
export interface Manifest {
  readonly resource: Resource
  readonly object: KubernetesObject
}

/**
 * Reads the objects of one file: any number of YAML documents (or JSON, which is YAML), `List`s opened, `default` for an absent
 * namespace, a Secret's `stringData` encoded into `data` as the API server would.
 *
 * @returns also the kinds that the platform does not know; they are left out
 * @throws {Error} when a document is no YAML, is no object with apiVersion, kind and name, or has a label or annotation that is no text
 */
export function parseManifests(text: string): { manifests: Manifest[]; unknownKinds: string[] } {
  const manifests: Manifest[] = []
  const unknownKinds: string[] = []
  const pending = parseDocuments(text).reverse()
  for (let document = pending.pop(); document !== undefined; document = pending.pop()) {
    const { apiVersion: version, kind, metadata } = document
    if (!version || !kind) throw new Error('Cannot read a document: it needs apiVersion and kind')
    if (kind === 'List' && Array.isArray((document as { items?: unknown }).items)) {
      pending.push(...(document as { items: KubernetesObject[] }).items.toReversed())
      continue
    }
    if (!metadata?.name) throw new Error(`Cannot read a ${kind}: it needs metadata.name`)
    checkTexts(`${kind} ${metadata.name}`, metadata)
    const resource = BY_KIND.get(`${version} ${kind}`)
    if (resource) manifests.push({ resource, object: complete(resource, document) })
    else unknownKinds.push(`${version} ${kind}`)
  }
  return { manifests, unknownKinds }
}

/**
 * The `.yaml`, `.yml` and `.json` files of one folder (not of its subfolders; names that begin with a dot are somebody's work in progress),
 * each remembered by its inode, size and time so that a scan reads only what changed.
 */
export class ManifestFolder {
  readonly #directory: string
  readonly #log: Log
  readonly #files = new Map<string, ManifestFile>()

  constructor(directory: string, log: Log) {
    this.#directory = directory
    this.#log = log
  }

  /**
   * Looks at the files, and reads again what changed. One that cannot be read keeps what it last said, and so does one that was emptied: that
   * is what a writer which truncates first looks like.
   *
   * @param touched names of files that may have changed; absent: look at all
   * @throws {Error} when the folder itself cannot be read
   */
  async scan(touched?: ReadonlySet<string>): Promise<Manifest[]> {
    const names = touched ?? new Set(await readdir(this.#directory))
    if (!touched) for (const name of this.#files.keys()) if (!names.has(name)) this.#files.delete(name)
    const pending = [...names].filter(name => /^[^.].*\.(ya?ml|json)$/.test(name))
    while (pending.length > 0) await Promise.all(pending.splice(-STATS_AT_ONCE).map(name => this.#look(name)))
    return [...this.#files].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, file]) => file.manifests)
  }

  async #look(name: string): Promise<void> {
    const known = this.#files.get(name)
    const signature = await readSignature(join(this.#directory, name))
    const file = signature === undefined ? undefined : known?.signature === signature ? known : await this.#read(name, signature, known)
    if (file === undefined) this.#files.delete(name)
    else this.#files.set(name, file)
  }

  /** @returns `undefined` for one that has gone since it was looked at */
  async #read(name: string, signature: string, known: ManifestFile | undefined): Promise<ManifestFile | undefined> {
    const lastGood = known?.manifests ?? []
    try {
      const text = await readFile(join(this.#directory, name), 'utf8')
      if (text.trim() === '' && lastGood.length > 0) throw new Error('Cannot use an empty file: remove it to remove its objects')
      const { manifests, unknownKinds } = parseManifests(text)
      if (unknownKinds.length > 0) this.#log.warn('manifest kinds ignored', { file: name, kinds: [...new Set(unknownKinds)] })
      return { signature, manifests }
    } catch (error) {
      if (isGone(error)) return undefined
      const fault = error instanceof Error ? error.message : String(error)
      if (fault !== known?.fault) this.#log.error('manifest refused', { file: name, error: fault, kept: lastGood.length })
      return { signature, manifests: lastGood, fault }
    }
  }
}

/** `fault`: why `manifests` are those of an earlier reading. */
interface ManifestFile {
  readonly signature: string
  readonly manifests: readonly Manifest[]
  readonly fault?: string
}

const BY_KIND: ReadonlyMap<string, Resource> = new Map(
  Object.values(RESOURCES).map((resource: Resource) => [`${apiVersion(resource)} ${resource.kind}`, resource]),
)

function parseDocuments(text: string): KubernetesObject[] {
  // JSON.parse is some fifty times faster than the YAML parser, which matters for a benchmark's 10,000 Services in one file.
  if (/^\s*\{/.test(text)) {
    try {
      return [JSON.parse(text)]
    } catch {
      // A flow mapping of YAML begins with a brace too, and so does the first of several JSON documents.
    }
  }
  const documents = parseAllDocuments(text)
  if (!Array.isArray(documents)) return []
  return documents.flatMap(document => {
    if (document.errors[0]) throw document.errors[0]
    const value: unknown = document.toJS()
    if (value === null) return []
    if (typeof value !== 'object' || Array.isArray(value)) throw new Error('Cannot read a document: it is no mapping')
    return [value as KubernetesObject]
  })
}

/** `routable: true` without quotes is no text in YAML: the API server refuses it, and here it would match no selector without a word. */
function checkTexts(object: string, { labels, annotations }: NonNullable<KubernetesObject['metadata']>): void {
  for (const [key, value] of [...Object.entries(labels ?? {}), ...Object.entries(annotations ?? {})])
    if (typeof value !== 'string') throw new Error(`Cannot read ${object}: "${key}" is ${value}, write it in quotes`)
}

function complete(resource: Resource, object: KubernetesObject): KubernetesObject {
  const { stringData, ...rest } = object as KubernetesObject & { stringData?: Record<string, string>; data?: Record<string, string> }
  const { namespace = 'default', ...metadata } = object.metadata ?? {}
  const encoded = Object.entries(stringData ?? {}).map(([key, value]) => [key, Buffer.from(String(value)).toString('base64')])
  return {
    ...rest,
    ...(stringData && { data: { ...rest.data, ...Object.fromEntries(encoded) } }),
    metadata: resource.namespaced ? { ...metadata, namespace } : metadata,
  }
}

/** @returns what equals no other for a file so young that a second write may leave its time as it is; `undefined` for one just gone */
async function readSignature(path: string): Promise<string | undefined> {
  try {
    const { ino, size, mtimeNs, mtimeMs } = await stat(path, { bigint: true })
    return Date.now() - Number(mtimeMs) < CLOCK_TICK_MS ? `young ${crypto.randomUUID()}` : `${ino} ${size} ${mtimeNs}`
  } catch (error) {
    if (isGone(error)) return undefined
    throw error
  }
}

function isGone(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}

const STATS_AT_ONCE = 64

// File times advance with the kernel's tick, 10 ms at most; a network file system may be coarser.
const CLOCK_TICK_MS = 50
