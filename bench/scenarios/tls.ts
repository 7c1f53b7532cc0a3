import { join } from 'node:path'
import { Children } from '../children.ts'
import type { BenchTable } from '../main.ts'
import { makeCertificate } from '../proxy/certificate.ts'
import type { LoadOrder, TlsVersion } from '../proxy/load.ts'
import { HAPROXY, isAvailable, NGINX, OURS, type Peer, type RunningPeer } from '../proxy/peers.ts'
import { measure, median, ratio } from '../round.ts'
import { usageOf } from '../usage.ts'

export const name = 'tls'

const ROUND_COUNT = 5
const ROUND_MS = 1000
/** V8 compiles what it is asked often, and few handshakes go into a second. */
const WARM_UP_MS = 3000
const HELD_COUNT = 2000
const GET = { requests: ['GET /100 HTTP/1.1\r\nHost: app-0.test\r\nUser-Agent: bench\r\n\r\n'], bodyBytes: 100 }
const GET_ONCE = { requests: ['GET /100 HTTP/1.1\r\nHost: app-0.test\r\nConnection: close\r\n\r\n'], bodyBytes: 100 }

interface Column {
  readonly title: string
  order(port: number, durationMs: number): LoadOrder
}

const COLUMNS: readonly Column[] = [
  {
    title: 'GET 100 B, keep-alive',
    order: (port, durationMs) => ({ kind: 'keep-alive', port, tls: 'TLSv1.3', durationMs, connections: 32, ...GET }),
  },
  handshakes('TLS 1.3: full handshake and GET', 'TLSv1.3', false),
  handshakes('TLS 1.3: resumed and GET', 'TLSv1.3', true),
  handshakes('TLS 1.2: full handshake and GET', 'TLSv1.2', false),
  handshakes('TLS 1.2: resumed and GET', 'TLSv1.2', true),
]

function handshakes(title: string, tls: TlsVersion, resume: boolean): Column {
  return { title, order: (port, durationMs) => ({ kind: 'connect', port, tls, resume, durationMs, connections: 8, ...GET_ONCE }) }
}

/** What TLS costs with a P-256 certificate and X25519: of each version apart, as a session resumed by TLS 1.2 exchanges no keys. */
export async function run(): Promise<BenchTable> {
  using children = new Children()
  const { folder } = children
  const tls = makeCertificate(folder)
  const origin = await children.fork(join(import.meta.dirname, '../proxy/origin.ts'), {}, 'load')
  const load = await children.fork(join(import.meta.dirname, '../proxy/load.ts'), {}, 'load')
  const peers = [OURS, NGINX, HAPROXY]
  const runs: { peer: Peer; running: RunningPeer; cpu: number[][]; kilobytes: number }[] = []
  for (const peer of tls ? peers.filter(isAvailable) : []) {
    const running = await peer.start(children, { originPort: origin.port, folder, ...(tls && { tls }) })
    runs.push({ peer, running, cpu: COLUMNS.map(() => []), kilobytes: 0 })
  }
  for (let round = -1; round < ROUND_COUNT; round++) {
    for (const [index, column] of COLUMNS.entries()) {
      for (const { running, cpu } of runs) {
        const cost = await measure(running, load, column.order(running.httpsPort, round < 0 ? WARM_UP_MS : ROUND_MS))
        if (round >= 0) cpu[index]?.push(cost.cpuMicroseconds)
      }
    }
  }
  for (const run of runs) {
    const before = usageOf(run.running.child.pid).residentBytes
    await measure(run.running, load, { kind: 'hold', port: run.running.httpsPort, tls: 'TLSv1.3', connections: HELD_COUNT, ...GET })
    run.kilobytes = (usageOf(run.running.child.pid).residentBytes - before) / 1024 / HELD_COUNT
    await load.ask({ kind: 'release' } satisfies LoadOrder)
  }
  const ours = runs[0]?.cpu ?? []
  return {
    title: `TLS: µs of a proxy’s own CPU time, medians of ${ROUND_COUNT} interleaved rounds. In brackets: how often ours does the same in that time`,
    columns: ['', ...COLUMNS.map(column => column.title), `KB each of ${HELD_COUNT} idle connections`],
    rows: peers.map(peer => {
      const run = runs.find(candidate => candidate.peer === peer)
      if (!run) return [peer.name, tls ? 'not installed' : 'needs openssl', ...COLUMNS.map(() => '')]
      const cells = run.cpu.map((values, index) => `${median(values).toFixed(1)} (${ratio(ours[index] ?? [], values).toFixed(2)})`)
      return [peer.name, ...cells, run.kilobytes.toFixed(1)]
    }),
  }
}
