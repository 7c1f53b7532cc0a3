import { cp, mkdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import type { Built, Language } from '../language.ts'
import type { SourceTree } from '../source-tree.ts'

/** Where the server lies in an app's tree. It serves no name that begins with a dot, so it does not serve itself. */
const SERVER_FOLDER = '.drycc/static-server'

/** sirv and what it needs; the server must run from the image alone. */
const PACKAGES = ['sirv', '@polka/url', 'mrmime', 'totalist']

/** The folder of a site within its tree, and whether unknown paths lead to its index. */
export interface Site {
  readonly folder: string
  readonly isSinglePage: boolean
}

/** Sites of plain files. `static.json` may name the folder as `root`, and `routes` or `"spa": true` make it a single-page app. */
export const staticFiles: Language = {
  name: 'Static files',
  detect: tree => (tree.has('static.json') ? 'static.json' : indexOf(siteOf(tree, ['', 'public', 'dist'])?.folder)),
  async plan({ tree }) {
    const site = siteOf(tree, ['', 'public', 'dist']) ?? { folder: '', isSinglePage: false }
    return {
      title: 'Static files',
      toolchain: [process.execPath, process.versions.node],
      build: async () => ({ ...(await staticSite(tree, site)), path: [path.dirname(process.execPath)] }),
    }
  },
}

function indexOf(folder: string | undefined): string | undefined {
  return folder === undefined ? undefined : path.posix.join(folder, 'index.html')
}

/** Finds the folder that `static.json` names, else the first of these that has an index. */
export function siteOf(tree: SourceTree, folders: readonly string[]): Site | undefined {
  const { root, routes, spa } = tree.readJson('static.json')
  const isSinglePage = spa === true || Object.values((routes ?? {}) as object).includes('index.html')
  const named = typeof root === 'string' ? path.posix.normalize(root).replace(/^(\.?\/)+|\/+$|^\.$/g, '') : undefined
  if (named !== undefined && !named.startsWith('..')) return { folder: named, isSinglePage }
  const folder = folders.find(candidate => tree.has(path.posix.join(candidate, 'index.html')))
  return folder === undefined ? undefined : { folder, isSinglePage }
}

/** Puts a small web server into the tree. */
export async function staticSite(tree: SourceTree, { folder, isSinglePage }: Site): Promise<Built> {
  const target = tree.path(SERVER_FOLDER)
  await mkdir(target, { recursive: true })
  await cp(path.join(import.meta.dirname, '../static-server/server.mjs'), path.join(target, 'server.mjs'))
  const require = createRequire(import.meta.url)
  for (const name of PACKAGES) {
    const from = path.dirname(findManifest(require.resolve(name)))
    await cp(from, path.join(target, 'node_modules', name), { recursive: true, dereference: true })
  }
  const words = [`${SERVER_FOLDER}/server.mjs`, folder || '.', ...(isSinglePage ? ['--single'] : [])]
  return { processes: { web: `node ${words.map(shellWord).join(' ')}` } }
}

function findManifest(file: string): string {
  const folder = path.dirname(file)
  const [, root] = /^(.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+)(?:[\\/]|$)/.exec(folder) ?? []
  return path.join(root ?? folder, 'package.json')
}

/** The folder's name is the app's own; it must stay one word of the command. */
function shellWord(word: string): string {
  return /^[\w./@-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`
}
