import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Child, type Children, freePort, isInstalled } from '../children.ts'
import { nginxAsHephy, nginxWithPool, type PeerPlace, type PeerTls } from './nginx.ts'
import { Router } from './router.ts'

/** What a peer is started with. */
export interface PeerOptions {
  readonly originPort: number
  /** For configurations and what else a peer leaves. */
  readonly folder: string
  readonly accessLogFd?: number
  /** How many hosts lead to the origin, `app-0.test` …; 1 by default. Only nginx with a pool and HAProxy look at it. */
  readonly hostCount?: number
  /** A certificate; only those that serve https look at it. */
  readonly tls?: Omit<PeerTls, 'port'> & { readonly certificate: string; readonly key: string }
}

/** A peer that runs. */
export interface RunningPeer {
  readonly child: Child
  /** 0 without TLS. */
  readonly httpsPort: number
}

/** A proxy in front of the origin: one process (and one worker of it) on one core. */
export interface Peer {
  readonly name: string
  /** Absent: it comes with our packages. */
  readonly program?: readonly [command: string, versionFlag: string]
  start(children: Children, options: PeerOptions): Promise<RunningPeer>
}

export const OURS: Peer = { name: 'ours', start: startOurs }

export const OURS_WITH_LOG: Peer = {
  name: 'ours with the access log',
  start: startOurs,
}

export const NGINX: Peer = {
  name: 'nginx with an upstream pool',
  program: ['nginx', '-v'],
  start: (children, options) => startNginx(children, options, nginxWithPool),
}

const NGINX_AS_HEPHY: Peer = {
  name: 'nginx as Hephy writes it',
  program: ['nginx', '-v'],
  start: (children, options) => startNginx(children, options, nginxAsHephy),
}

export const HAPROXY: Peer = { name: 'HAProxy', program: ['haproxy', '-v'], start: startHaproxy }

export const CADDY: Peer = { name: 'Caddy', program: ['caddy', 'version'], start: startCaddy }

/** Everyone, ours first. */
export const PEERS: readonly Peer[] = [
  OURS,
  OURS_WITH_LOG,
  NGINX,
  HAPROXY,
  NGINX_AS_HEPHY,
  CADDY,
  scriptPeer('net relay, no parsing', 'net-relay.ts'),
  scriptPeer('http-proxy, keep-alive', 'http-proxy.ts', { KEEP_ALIVE: 'yes' }),
  scriptPeer('http-proxy as it comes', 'http-proxy.ts'),
  scriptPeer('httpxy, keep-alive', 'httpxy.ts'),
  scriptPeer('@fastify/http-proxy', 'fastify.ts'),
]

/** Whether a peer can be measured on this machine. */
export function isAvailable({ program }: Peer): boolean {
  return program === undefined || isInstalled(...program)
}

async function startOurs(children: Children, { originPort, accessLogFd, tls }: PeerOptions): Promise<RunningPeer> {
  const router = await Router.start(children, {
    originPort,
    ...(accessLogFd !== undefined && { accessLogFd }),
    ...(tls && { certificate: tls }),
  })
  return { child: router.child, httpsPort: router.httpsPort }
}

function scriptPeer(name: string, file: string, env: Record<string, string> = {}): Peer {
  return {
    name,
    start: async (children, { originPort }) => ({
      child: await children.fork(join(import.meta.dirname, file), { ...env, ORIGIN_PORT: String(originPort) }),
      httpsPort: 0,
    }),
  }
}

type NginxConfig = (place: PeerPlace, tls?: PeerTls) => string

async function startNginx(children: Children, options: PeerOptions, config: NginxConfig): Promise<RunningPeer> {
  const port = await freePort()
  const folder = join(options.folder, `nginx-${port}`)
  mkdirSync(folder)
  const tls = options.tls && { ...options.tls, port: await freePort() }
  const file = join(folder, 'nginx.conf')
  writeFileSync(file, config({ ...options, port, folder }, tls))
  const child = await children.spawn('nginx', ['-p', folder, '-e', 'stderr', '-c', file], port)
  return { child, httpsPort: tls?.port ?? 0 }
}

/** One thread, connections to the app shared by all clients, the headers that an edge must set. */
async function startHaproxy(children: Children, { originPort, folder, tls, hostCount = 1 }: PeerOptions): Promise<RunningPeer> {
  const port = await freePort()
  const httpsPort = tls ? await freePort() : 0
  const file = join(folder, `haproxy-${port}.cfg`)
  if (tls) writeFileSync(`${file}.pem`, `${tls.certificate}\n${tls.key}`, { mode: 0o600 })
  // One backend for all, as each of its own would keep connections of its own.
  writeFileSync(`${file}.map`, Array.from({ length: hostCount }, (_, index) => `app-${index}.test app\n`).join(''))
  const choice = hostCount === 1 ? 'default_backend app' : `use_backend %[req.hdr(host),lower,map(${file}.map)]`
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn 9000
defaults
  mode http
  timeout client 1300s
  timeout server 1300s
  timeout connect 30s
  timeout http-keep-alive 1300s
  timeout tunnel 1300s
  option http-keep-alive
  http-reuse always
  option forwardfor
  unique-id-format %{+X}o%pid-%ci-%cp-%Ts-%rt
  unique-id-header X-Request-Id
frontend edge
  bind 127.0.0.1:${port} backlog 4096
  ${tls ? `bind 127.0.0.1:${httpsPort} backlog 4096 ssl crt ${file}.pem alpn h2,http/1.1` : ''}
  http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
  ${choice}
backend app
  server app 127.0.0.1:${originPort} pool-max-conn 256
`,
  )
  return { child: await children.spawn('haproxy', ['-db', '-f', file], port), httpsPort }
}

async function startCaddy(children: Children, { originPort, folder, tls }: PeerOptions): Promise<RunningPeer> {
  const port = await freePort()
  const httpsPort = tls ? await freePort() : 0
  const file = join(folder, `Caddyfile-${port}`)
  const site = `bind 127.0.0.1
  reverse_proxy 127.0.0.1:${originPort} {
    transport http {
      keepalive_idle_conns_per_host 256
    }
  }`
  writeFileSync(
    file,
    `{
  admin off
  auto_https off
}
http://:${port} {
  ${site}
}
${tls ? `https://*.test:${httpsPort} {\n  tls ${tls.certificateFile} ${tls.keyFile}\n  ${site}\n}` : ''}
`,
  )
  // It keeps its last configuration in its home.
  const env = { HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder, GOMAXPROCS: '1' }
  return { child: await children.spawn('caddy', ['run', '--config', file, '--adapter', 'caddyfile'], port, env), httpsPort }
}
