import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Holding } from './verdict.ts'

/** A router as an operator starts it, over a folder of manifests. */
export interface RouterProcess extends AsyncDisposable {
  readonly port: number
  /** What it logged as errors, and an end that nobody asked for. */
  readonly faults: string[]
  /** Makes or changes an app's Service and its one endpoint. */
  write(name: string, annotations: Readonly<Record<string, string>>, appPort: number): Promise<void>
  remove(name: string): Promise<void>
  measure(): Promise<Holding>
  /** Waits until no more descriptors than so many are open, 15 s at most. */
  untilFileCount(count: number): Promise<Holding>
}

export async function startRouterProcess(workers: number): Promise<RouterProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'soak-'))
  const faults: string[] = []
  const ports = Object.fromEntries(['HTTP', 'HTTPS', 'GIT', 'HEALTH', 'ADMIN'].map(name => [`ROUTER_${name}_PORT`, '0']))
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../router/main.ts')], {
    env: {
      ...{ PATH: process.env['PATH'], NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'], ...ports, ROUTER_MANIFESTS: folder },
      ...{ ROUTER_BIND: '127.0.0.1', ROUTER_WORKERS: String(workers), ROUTER_ACCESS_LOG: 'off' },
    },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding('utf8')
    let text = ''
    stream.on('data', (chunk: string) => {
      const lines = (text + chunk).split('\n')
      text = lines.pop() ?? ''
      faults.push(...lines.filter(line => line.includes('"level":"error"')).map(line => `the router logs ${line}`))
    })
  }
  let isStopping = false
  const ended = new Promise<void>(resolve =>
    child.once('exit', code => {
      if (!isStopping) faults.push(`the router ended with code ${code}`)
      resolve()
    }),
  )
  const port = await new Promise<number>((resolve, reject) => {
    child.on('message', (message: { ports?: Record<string, number> }) => message.ports?.['http'] && resolve(message.ports['http']))
    child.once('exit', code => reject(new Error(`The router ended with code ${code}: ${faults.join('\n')}`)))
  })
  const measure = async (): Promise<Holding> => {
    const pids = await family(child.pid!)
    const files = await Promise.all(pids.map(async pid => (await readdir(`/proc/${pid}/fd`)).length))
    const rssMb = await Promise.all(
      pids.map(async pid => Number(/^VmRSS:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024),
    )
    return { fileCount: files.reduce((sum, count) => sum + count, 0), rssMb }
  }
  return {
    port,
    faults,
    measure,
    async write(name, annotations, appPort) {
      const temporary = join(folder, `.${name}.${Math.random()}`)
      await writeFile(temporary, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objectsOf(name, annotations, appPort) }))
      await rename(temporary, join(folder, `${name}.json`))
    },
    remove: name => rm(join(folder, `${name}.json`), { force: true }),
    async untilFileCount(count) {
      const deadline = performance.now() + 15_000
      for (;;) {
        const holding = await measure()
        if (holding.fileCount <= count || performance.now() > deadline) return holding
        await new Promise(resolve => setTimeout(resolve, 250))
      }
    },
    async [Symbol.asyncDispose]() {
      isStopping = true
      child.kill('SIGTERM')
      await ended
      await rm(folder, { recursive: true })
    },
  }
}

/** A process and its children, it first. */
async function family(pid: number): Promise<number[]> {
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim()
  return [pid, ...(children === '' ? [] : children.split(' ').map(Number))]
}

function objectsOf(name: string, annotations: Readonly<Record<string, string>>, appPort: number): object[] {
  const metadata = { name, namespace: name }
  const prefixed = Object.fromEntries(Object.entries(annotations).map(([key, value]) => [`router.drycc.cc/${key}`, value]))
  return [
    {
      ...{ apiVersion: 'v1', kind: 'Service', spec: { ports: [{ name: 'http', port: 80 }] } },
      metadata: { ...metadata, labels: { 'router.drycc.cc/routable': 'true' }, annotations: prefixed },
    },
    {
      ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4' },
      metadata: { ...metadata, labels: { 'kubernetes.io/service-name': name } },
      ...{ ports: [{ name: 'http', port: appPort }], endpoints: [{ addresses: ['127.0.0.1'] }] },
    },
  ]
}
