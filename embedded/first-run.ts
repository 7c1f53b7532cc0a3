import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type HttpClient, httpClient } from '../kernel/http.ts'
import type { Home } from './home.ts'

/** The administrator's account, as `admin.json` keeps it. */
export interface Administrator {
  readonly username: string
  readonly password: string
}

const SAMPLE_APP = 'hello'
const SAMPLE_FOLDER = join(import.meta.dirname, 'sample')

/** The API as a client sees it: through the router. Names under `localhost` need no resolver here. */
export function platformApi(httpPort: number, apiHost: string): HttpClient {
  return httpClient({ baseUrl: `http://127.0.0.1:${httpPort}`, headers: { host: apiHost }, answerTimeoutMs: 300_000 })
}

/**
 * Makes sure that the administrator exists: the password is made once and kept, and the account is registered where the state has none.
 *
 * @returns the account, and a token for it unless its owner has chosen another password since
 */
export async function ensureAdministrator(home: Home, api: HttpClient): Promise<{ account: Administrator; token: string | undefined }> {
  const kept = home.keep('admin.json', () => JSON.stringify({ username: 'admin', password: randomBytes(12).toString('base64url') }))
  const account = JSON.parse(kept) as Administrator
  const known = await api.json<{ token?: string }>('POST', '/v2/auth/login/', account)
  if (known.status === 200 && known.body.token) return { account, token: known.body.token }
  const made = await api.json('POST', '/v2/auth/register/', { ...account, email: 'admin@localhost.localdomain' })
  if (made.status === 400 && /already exists/.test(JSON.stringify(made.body))) return { account, token: undefined }
  if (made.status !== 201)
    throw new Error(`Cannot register the administrator: the API answered ${made.status} ${JSON.stringify(made.body)}`)
  const { status, body } = await api.json<{ token: string }>('POST', '/v2/auth/login/', account)
  if (status !== 200) throw new Error(`Cannot log the administrator in: the API answered ${status} ${JSON.stringify(body)}`)
  return { account, token: body.token }
}

/**
 * Deploys the sample app as a person would: creates it, and pushes its sources with git through the router.
 *
 * @returns what git printed
 * @throws {Error} with git's last lines when the push fails
 */
export async function deploySample(options: {
  readonly api: HttpClient
  readonly account: Administrator
  readonly token: string
  readonly httpPort: number
  readonly apiHost: string
  readonly signal: AbortSignal
}): Promise<string> {
  const { api, account, token, httpPort, apiHost, signal } = options
  const headers = { authorization: `token ${token}` }
  const { status, body } = await api.json('POST', '/v2/apps/', { id: SAMPLE_APP }, { headers, signal })
  if (status !== 201 && !/already exists/.test(JSON.stringify(body)))
    throw new Error(`Cannot create the sample app: ${JSON.stringify(body)}`)
  const folder = mkdtempSync(join(tmpdir(), 'drycc-sample-'))
  try {
    cpSync(SAMPLE_FOLDER, folder, { recursive: true })
    const git = (...args: string[]) => runGit(folder, args, {}, signal)
    await git('init', '--quiet', '--initial-branch=main')
    await git('add', '--all')
    await git('-c', 'user.name=Drycc Workflow', '-c', 'user.email=drycc@localhost.localdomain', 'commit', '--quiet', '--message=Say hello')
    const basic = Buffer.from(`${account.username}:${token}`).toString('base64')
    // git hears of the header through its environment, so that no other process can read the token in a command line.
    const config = {
      GIT_CONFIG_COUNT: '2',
      GIT_CONFIG_KEY_0: 'http.extraHeader',
      GIT_CONFIG_VALUE_0: `Authorization: Basic ${basic}`,
      GIT_CONFIG_KEY_1: 'http.curloptResolve',
      GIT_CONFIG_VALUE_1: `${apiHost}:${httpPort}:127.0.0.1`,
    }
    return await runGit(folder, ['push', `http://${apiHost}:${httpPort}/git/${SAMPLE_APP}.git`, 'main'], config, signal)
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

async function runGit(
  folder: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<string> {
  const child = spawn('git', args, {
    cwd: folder,
    signal,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], HOME: folder, LANG: 'C', GIT_CONFIG_NOSYSTEM: '1', GIT_TERMINAL_PROMPT: '0', no_proxy: '*', ...env },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (output += chunk))
  const code = await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve))
  if (code !== 0) throw new Error(`git ${args[0]} ended with code ${code}:\n${output.split('\n').slice(-15).join('\n')}`)
  return output
}
