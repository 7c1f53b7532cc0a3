/** What a client may ask of a repository: to store commits in it, or to have them. */
export type GitService = 'git-receive-pack' | 'git-upload-pack'

/** What a client's command line means to us. */
export type SshCommand =
  | { readonly kind: 'git'; readonly service: GitService; readonly app: string }
  | { readonly kind: 'ping' }
  | { readonly kind: 'refused'; readonly reason: string }

/** As the control plane accepts app names: they become a namespace, a host name and, here, a folder. */
const APP_NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

/**
 * Reads the command of an SSH `exec` request, as git, `ssh host ping` or anything else sends it. Nothing of it ever reaches a shell.
 */
export function parseSshCommand(line: string): SshCommand {
  if (line.trim() === 'ping') return { kind: 'ping' }
  const [, verb, rest] = /^git[- ](receive-pack|upload-pack)(?:\s+(.*))?$/s.exec(line.trim()) ?? []
  if (!verb) return { kind: 'refused', reason: 'This server takes git push, git fetch and git clone only' }
  const app = parseRepository(unquote(rest ?? ''))
  if (app === undefined) return { kind: 'refused', reason: `Cannot read the repository's name: write it as <app>.git` }
  return { kind: 'git', service: `git-${verb as 'receive-pack' | 'upload-pack'}`, app }
}

/** The app that a path such as `/shop.git` names, or `undefined` where it can be none. */
export function parseRepository(path: string): string | undefined {
  const name = path
    .replace(/^\/+/, '')
    .replace(/\/+$/, '')
    .replace(/\.git$/, '')
  return APP_NAME.test(name) ? name : undefined
}

/** git quotes for a shell: the whole in single quotes. Escapes inside cannot occur in a name that is an app's. */
function unquote(word: string): string {
  const [, single, double] = /^(?:'([^']*)'|"([^"]*)")$/.exec(word.trim()) ?? []
  return single ?? double ?? word.trim()
}

/** A protocol version a client may ask for (`GIT_PROTOCOL`, `Git-Protocol`), or `undefined` for anything that is none. */
export function parseProtocol(value: string | undefined): string | undefined {
  return value !== undefined && /^version=[0-9](?::version=[0-9])*$/.test(value) ? value : undefined
}
