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

const screen = new Screen()
const stopping = Promise.withResolvers<string>()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopping.resolve(signal))

process.exit(await run())

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
  })
  try {
    if (flags.sample && home.read('sample') === undefined) await firstSample(platform, home)
    screen.done()
    tell(platform, flags, performance.now() - startedAt)
    await stopping.promise
    screen.print()
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
  screen.step('Deploying the sample app: git push')
  const { api, account, token, apiHost, ports } = platform
  const pushed = deploySample({ api, account, token, apiHost, httpPort: ports['http-port'] })
  const outcome = await Promise.race([pushed.catch((error: Error) => error), stopping.promise.then(() => undefined)])
  if (outcome === undefined) return
  if (outcome instanceof Error) {
    screen.failed()
    screen.print(`\n${outcome.message}\n`)
    return
  }
  home.write('sample', 'deployed\n')
}

function tell(platform: Platform, flags: Flags, tookMs: number): void {
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
  const password = platform.isNewAccount ? `password ${screen.style('bold', account.password)}` : 'password'
  screen.print(`${label('Admin')}user ${account.username}, ${password}  ${dim(`kept in ${join(flags.home, 'admin.json')}`)}`)
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
