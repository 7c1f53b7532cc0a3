import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Children, isInstalled, pinned } from '../children.ts'
import type { BenchTable } from '../main.ts'
import { makeCertificate } from '../proxy/certificate.ts'
import { CADDY, HAPROXY, isAvailable, NGINX, OURS, type Peer, type RunningPeer } from '../proxy/peers.ts'
import { median, ratio } from '../round.ts'
import { usageOf } from '../usage.ts'

export const name = 'http2'

const ROUND_COUNT = 5
// What warms a proxy up, and one round: enough that hundredths of a second do not matter, short enough that a disturbance meets all.
const WARM_REQUEST_COUNT = 100_000
const REQUEST_COUNT = 40_000
const CONNECTION_COUNT = 8
const STREAM_COUNT = 16

/** What an HTTP/2 request over TLS costs when a client's connections carry many at once. */
export async function run(): Promise<BenchTable> {
  using children = new Children()
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  try {
    const tls = makeCertificate(folder)
    const missing = tls === undefined ? 'needs openssl' : isInstalled('h2load', '--version') ? undefined : 'needs h2load (nghttp2)'
    const origin = await children.fork(join(import.meta.dirname, '../proxy/origin.ts'), {}, 'load')
    const peers = [OURS, NGINX, HAPROXY, CADDY]
    const runs: { peer: Peer; running: RunningPeer; cpu: number[] }[] = []
    for (const peer of missing === undefined ? peers.filter(isAvailable) : []) {
      const running = await peer.start(children, { originPort: origin.port, folder, ...(tls && { tls }) })
      await load(running.httpsPort, WARM_REQUEST_COUNT)
      runs.push({ peer, running, cpu: [] })
    }
    for (let round = 0; round < ROUND_COUNT; round++) {
      for (const { running, cpu } of runs) {
        const before = usageOf(running.child.pid).cpuMicroseconds
        await load(running.httpsPort, REQUEST_COUNT)
        cpu.push((usageOf(running.child.pid).cpuMicroseconds - before) / REQUEST_COUNT)
      }
    }
    const ours = runs[0]?.cpu ?? []
    return {
      title: `HTTP/2 over TLS: ${CONNECTION_COUNT} connections × ${STREAM_COUNT} streams, answers of 100 B, medians of ${ROUND_COUNT} interleaved rounds`,
      columns: ['', 'µs of CPU a request', 'ours does the same so often in that time'],
      rows: peers.map(peer => {
        const run = runs.find(candidate => candidate.peer === peer)
        if (!run) return [peer.name, missing ?? 'not installed', '']
        return [peer.name, median(run.cpu).toFixed(1), ratio(ours, run.cpu).toFixed(2)]
      }),
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** @throws {Error} when an answer is not 200 */
async function load(port: number, requestCount: number): Promise<void> {
  const counts = ['-n', String(requestCount), '-c', String(CONNECTION_COUNT), '-m', String(STREAM_COUNT)]
  const target = ['--connect-to', `127.0.0.1:${port}`, `https://app-0.test:${port}/100`]
  const [command = 'h2load', ...args] = [...pinned('load'), 'h2load', ...counts, ...target]
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  for await (const chunk of child.stdout) said += chunk
  if (!said.includes(`status codes: ${requestCount} 2xx`)) throw new Error(`Cannot measure: h2load said ${said}`)
}
