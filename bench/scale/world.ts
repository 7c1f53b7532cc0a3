import { type ChildProcess, fork } from 'node:child_process'
import { type Agent, createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '../..')

/** A router's settings: any port, loopback alone, no access log. */
export const ROUTER_ENV = {
  ...Object.fromEntries(['HTTP', 'HTTPS', 'GIT', 'HEALTH', 'ADMIN'].map(port => [`ROUTER_${port}_PORT`, '0'])),
  ROUTER_BIND: '127.0.0.1',
  ROUTER_ACCESS_LOG: 'off',
}

/** Starts a script of ours in a process of its own, which must tell its ports. @param flags of Node; with any its output is to be read */
export async function start(children: ChildProcess[], file: string, env: Record<string, string>, flags: readonly string[] = []) {
  const child = fork(join(ROOT, file), {
    env: { ...process.env, ...env },
    execArgv: [...process.execArgv, ...flags],
    stdio: ['ignore', flags.length > 0 ? 'pipe' : 'ignore', 'inherit', 'ipc'],
  })
  children.push(child)
  const ports = await new Promise<Record<string, Record<string, number>>>((resolve, reject) => {
    child.once('message', message => resolve(message as never))
    child.once('exit', code => reject(new Error(`${file} ended with code ${code}`)))
  })
  return { child, ports }
}

/** An app that answers the same to all. */
export async function startApp(body: string): Promise<Server> {
  const app = createServer((_, response) => response.end(body))
  await new Promise<void>(resolve => app.listen(0, '0.0.0.0', resolve))
  return app
}

/** Where a server listens. */
export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}

/** Asks again and again. @throws {Error} after a minute */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  const began = performance.now()
  while (!(await condition())) if (performance.now() - began > 60_000) throw new Error('The change never came')
}

/** Asks a router for a host. */
export function get(port: number, host: string, agent: Agent): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, headers: { host }, agent }, response => {
      let body = ''
      response.setEncoding('latin1')
      response.on('data', chunk => (body += chunk))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
    })
    sent.on('error', reject)
    sent.end()
  })
}

/** For an API server on loopback. */
export function kubeconfig(port: number): string {
  return JSON.stringify({
    'current-context': 'bench',
    clusters: [{ name: 'bench', cluster: { server: `http://127.0.0.1:${port}` } }],
    users: [{ name: 'bench', user: {} }],
    contexts: [{ name: 'bench', context: { cluster: 'bench', user: 'bench', namespace: 'drycc' } }],
  })
}

/** What so great a share of the values is not above. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(Math.ceil(sorted.length * share), sorted.length) - 1] ?? Number.NaN
}

/** To hundredths. */
export function round(value: number): number {
  return Math.round(value * 100) / 100
}
