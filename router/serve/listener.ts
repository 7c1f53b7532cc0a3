import { type AddressInfo, type BoundSocket, createServer as createNetServer, type Server as NetServer, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket, type TlsOptions, type Server as TlsServer } from 'node:tls'
import { adoptSocket, type Receiver, readSocket } from '../http1/sockets.ts'
import type { Wheel } from '../http1/wheel.ts'
import { plainAddress, type RouterSettings } from '../table/route.ts'
import { Preface } from './preface.ts'
import type { ProxyHeader } from './proxy-protocol.ts'
import { readProxyHeader } from './proxy-protocol.ts'

// Keep-alive probes find the clients that vanished from under a WebSocket or an idle connection.
const ACCEPTED = { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 }

const ALPN = ['h2', 'http/1.1', 'http/1.0']
const ALPN_WITHOUT_HTTP2 = ALPN.slice(1)

/** Connections that wait in the kernel for their turn; the system has a limit of its own (`net.core.somaxconn`). */
const BACKLOG = 4096

/** Where to listen: an address with a port (0: any), or a socket that is bound already. */
export type ListenAt = { readonly port: number; readonly host: string } | { readonly fd: number } | BoundSocket

/** Who is at the other end of an accepted connection. */
export interface Peer {
  readonly address: string
  readonly port: number
  /** True when a PROXY header says so. */
  readonly proxied: boolean
}

/** What listeners need of the server. */
export interface ListenerHost {
  readonly wheel: Wheel
  readonly firstByteMs: number
  settings(): RouterSettings
  /** Connections that are accepted and not served yet: in a TLS handshake, or before their PROXY header. */
  arriving: number
  /** Whether one more connection may come; when not, it is closed at once. */
  admit(): boolean
  /** A connection that was arriving has closed. */
  left(): void
  /** A connection was turned away before it was served. */
  turnedAway(): void
}

/** Serves an accepted connection: takes its socket, returns who reads it. */
export type Serve = (socket: Socket, peer: Peer) => Receiver

/** An open port. */
export interface Listener {
  readonly port: number
  /** Stops accepting; connections live on. */
  stop(): void
}

/** Opens a port for plain connections, with the PROXY header in front of each where the settings say so. */
export async function listenPlain(at: ListenAt, owner: ListenerHost, serve: Serve): Promise<Listener> {
  const server = createNetServer({ ...ACCEPTED, pauseOnConnect: true }, raw => {
    const peer = peerOf(raw)
    // It may be gone again by now.
    if (peer === undefined) raw.destroy()
    else if (!owner.admit() || !mayEnter(peer, owner)) {
      owner.turnedAway()
      raw.destroy()
    } else if (owner.settings().proxyProtocol) {
      adoptSocket(raw, socket => {
        const arrived = arrival(socket, owner)
        return new Preface(socket, owner.wheel, owner.firstByteMs, header => {
          arrived()
          return serve(socket, stated(header, peer))
        })
      })
    } else adoptSocket(raw, socket => serve(socket, peer))
  })
  return listen(server, at)
}

/** Opens a port for TLS connections. */
export async function listenTls(
  at: ListenAt,
  tls: TlsOptions,
  owner: ListenerHost,
  serve: Serve,
): Promise<Listener & { readonly tls: TlsServer }> {
  // Connections in their handshake, by their own two ends: TLS wraps the socket and hides it.
  const arrivals = new Map<string, { peer: Peer; arrived: () => void }>()
  const secured = createTlsServer({
    handshakeTimeout: 10_000,
    ...tls,
    // An HTTP/1.0 client that offers its own name would else be turned away.
    ALPNCallback: ({ protocols }) => (owner.settings().http2 ? ALPN : ALPN_WITHOUT_HTTP2).find(protocol => protocols.includes(protocol)),
  })
  secured.on('secureConnection', socket => {
    const arrival = arrivals.get(ends(socket))
    if (arrival === undefined) {
      socket.destroy()
      return
    }
    arrival.arrived()
    // Not before: who ends its side during the handshake has nothing more to wait for.
    socket.allowHalfOpen = true
    readSocket(socket, serve(socket, arrival.peer))
  })
  secured.on('tlsClientError', (_error: Error, socket: TLSSocket) => {
    owner.turnedAway()
    socket.destroy()
  })
  const server = createNetServer({ ...ACCEPTED, allowHalfOpen: false }, raw => {
    raw.on('error', () => {})
    const peer = peerOf(raw)
    // It may be gone again by now.
    if (peer === undefined) raw.destroy()
    else if (!owner.admit() || !mayEnter(peer, owner)) {
      owner.turnedAway()
      raw.destroy()
    } else if (owner.settings().proxyProtocol) readHeader(raw, owner, header => secure(raw, stated(header, peer)))
    else secure(raw, peer)
  })
  const secure = (raw: Socket, peer: Peer) => {
    const key = ends(raw)
    arrivals.set(key, { peer, arrived: arrival(raw, owner) })
    raw.on('close', () => arrivals.delete(key))
    secured.emit('connection', raw)
  }
  const listener = await listen(server, at)
  return { ...listener, tls: secured }
}

async function listen(server: NetServer, at: ListenAt): Promise<Listener> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(at, BACKLOG, () => {
      server.off('error', reject)
      resolve()
    })
  })
  // Too many open files: the kernel keeps the connection waiting, accepting goes on with the next that closes.
  server.on('error', () => {})
  return { port: (server.address() as AddressInfo).port, stop: () => void server.close() }
}

/** Where a PROXY header is required, only those may come in whose word is believed: any other could name any address. */
function mayEnter(peer: Peer, owner: ListenerHost): boolean {
  const settings = owner.settings()
  return !settings.proxyProtocol || settings.trusted.check(peer.address)
}

/** Counts a connection as arriving until what it returns is called, or it closes. */
function arrival(socket: Socket, owner: ListenerHost): () => void {
  let counted = true
  owner.arriving++
  const arrived = () => {
    if (counted) owner.arriving--
    counted = false
  }
  socket.once('close', () => {
    arrived()
    owner.left()
  })
  return arrived
}

function peerOf(socket: Socket): Peer | undefined {
  const { remoteAddress, remotePort } = socket
  return remoteAddress === undefined ? undefined : { address: plainAddress(remoteAddress), port: remotePort ?? 0, proxied: false }
}

function stated(header: ProxyHeader, peer: Peer): Peer {
  return header.address === undefined ? peer : { address: header.address, port: header.port ?? 0, proxied: true }
}

function ends(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress} ${socket.localPort}`
}

/** Reads the PROXY header before TLS begins, and puts back what came behind it. */
function readHeader(raw: Socket, owner: ListenerHost, done: (header: ProxyHeader) => void): void {
  let bytes = Buffer.alloc(0)
  const arrived = arrival(raw, owner)
  const timer = setTimeout(() => raw.destroy(), owner.firstByteMs)
  raw.once('close', () => clearTimeout(timer))
  raw.on('end', () => raw.destroy())
  raw.on('data', function read(chunk: Buffer) {
    bytes = Buffer.concat([bytes, chunk])
    const header = readProxyHeader(bytes)
    if (header === undefined) return
    clearTimeout(timer)
    raw.off('data', read)
    raw.removeAllListeners('end')
    if (header === false) {
      owner.turnedAway()
      raw.destroy()
      return
    }
    arrived()
    raw.pause()
    raw.unshift(bytes.subarray(header.bytes))
    done(header)
  })
}
