import { once } from 'node:events'
import { join, relative } from 'node:path'
import { createLog } from '../kernel/log.ts'
import { deploySample } from './first-run.ts'
import { FlagError, type Flags, parseFlags, USAGE } from './flags.ts'
import { Home, HomeError } from './home.ts'
import { PortError } from './ports.ts'
import { RoleLog } from './role-log.ts'
import { Screen } from './screen.ts'
import { requireTools, ToolError } from './tools.ts'
import { type Platform, startPlatform } from './up.ts'

/** One Ctrl-C may arrive twice, from the terminal and through npm. */
const ONE_KEYSTROKE_MS = 500

const screen = new Screen()
let stoppingSince = 0
const stopping = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop(signal))
// setup.mjs was killed: nobody could stop this any more.
if (process.channel) process.on('disconnect', () => stop('SIGTERM'))
// The terminal or the reader of a pipe may go at any time; stopping in good order matters more than telling of it.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

process.exit(await run())

/** A second Ctrl-C does not wait: the roles see that this process has gone, and end by themselves. */
function stop(signal: NodeJS.Signals): void {
  if (signal === 'SIGINT' && stopping.signal.aborted && performance.now() - stoppingSince > ONE_KEYSTROKE_MS) process.exit(130)
  if (!stopping.signal.aborted) stoppingSince = performance.now()
  stopping.abort(signal)
}

/** @returns the exit code */
async function run(): Promise<number> {
  try {
    const flags = parseFlags(process.argv.slice(2), process.env)
    if (flags.help) {
      screen.print(USAGE)
      return 0
    }
    requireTools()
    return await supervise(flags, Home.open(flags.home))
  } catch (error) {
    screen.failed()
    if (stopping.signal.aborted) return 0
    const isOurs = error instanceof FlagError || error instanceof HomeError || error instanceof PortError || error instanceof ToolError
    process.stderr.write(`${isOurs ? error.message : `Cannot start: ${(error as Error).message}`}\n`)
    return 1
  }
}

async function supervise(flags: Flags, home: Home): Promise<number> {
  const startedAt = performance.now()
  const output = new RoleLog(join(home.folder('logs'), 'supervisor.log'))
  const log = createLog({ role: 'supervisor', write: line => void output.write(line) })
  screen.print()
  const platform = await startPlatform({
    home,
    log,
    ports: { 'http-port': flags.httpPort, 'https-port': flags.httpsPort, 'git-port': flags.gitPort, 'kube-port': flags.kubePort },
    onStep: text => screen.step(text),
    signal: stopping.signal,
  })
  try {
    if (flags.sample && home.read('sample') === undefined) await firstSample(platform, home)
    if (!stopping.signal.aborted) {
      screen.done()
      tell(platform, flags, home.read('told') === undefined, performance.now() - startedAt)
      home.write('told', 'the administrator’s password\n')
      if (!stopping.signal.aborted) await once(stopping.signal, 'abort')
      screen.print()
    }
    screen.step('Stopping')
  } finally {
    await platform.stop()
    screen.done()
    await output.close()
    home.close()
  }
  return 0
}

async function firstSample(platform: Platform, home: Home): Promise<void> {
  const { api, account, token, apiHost, ports } = platform
  if (token === undefined) return
  screen.step('Deploying the sample app: git push')
  try {
    await deploySample({ api, account, token, apiHost, httpPort: ports['http-port'], signal: stopping.signal })
    home.write('sample', 'deployed\n')
  } catch (error) {
    screen.failed()
    if (!stopping.signal.aborted) screen.print(`\n${(error as Error).message}\n`)
  }
}

function tell(platform: Platform, flags: Flags, isFirst: boolean, tookMs: number): void {
  const { ports, apiHost, account } = platform
  const dim = (text: string) => screen.style('dim', text)
  const url = (text: string) => screen.style('cyan', text)
  const command = (text: string) => `    ${screen.style('bold', text)}`
  const label = (text: string) => `  ${text.padEnd(12)}`
  const http = (host: string) => url(`http://${host}${ports['http-port'] === 80 ? '' : `:${ports['http-port']}`}/`)
  const https = (host: string) => url(`https://${host}${ports['https-port'] === 443 ? '' : `:${ports['https-port']}`}/`)
  const bin = relative(process.cwd(), join(import.meta.dirname, '../cli/bin')) || '.'
  const hello = `hello.${platform.platformDomain}`

  screen.print()
  screen.print(`  ${screen.style('bold', 'Drycc Workflow is up')} ${dim(`in ${(tookMs / 1000).toFixed(1)} s, state in ${flags.home}`)}`)
  screen.print()
  if (flags.sample) {
    screen.print(`${label('Sample app')}${http(hello)}`)
    screen.print(`${label('')}${https(hello)}  ${dim(`trust ${platform.authorityFile}`)}`)
  }
  screen.print(`${label('API')}${http(apiHost)}`)
  screen.print(`${label('Kubernetes')}KUBECONFIG=${platform.kubeconfig} kubectl get pods -A`)
  const password = isFirst ? `password ${screen.style('bold', account.password)}` : 'password'
  const where = platform.token === undefined ? 'as changed by you' : `kept in ${join(flags.home, 'admin.json')}`
  screen.print(`${label('Admin')}user ${account.username}, ${password}  ${dim(where)}`)
  screen.print()
  screen.print('  Push your own app, in the folder of its git repository:')
  screen.print()
  screen.print(command(`export PATH="$PATH:${join(process.cwd(), bin)}"`))
  screen.print(command(`drycc login http://${apiHost}:${ports['http-port']} --username ${account.username}`))
  screen.print(command('drycc create shop'))
  screen.print(command('git push drycc HEAD:main'))
  screen.print()
  screen.print(`  ${dim('Stop with Ctrl-C; everything is kept, and the next start goes on from here.')}`)
}
