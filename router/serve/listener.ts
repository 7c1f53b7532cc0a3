import { constants } from 'node:crypto'
import { type AddressInfo, type BoundSocket, createServer as createNetServer, type Server as NetServer, type Socket } from 'node:net'
import { createSecureContext, createServer as createTlsServer, type TLSSocket, type TlsOptions } from 'node:tls'
import { adoptSocket, type Receiver, readSecureSocket } from '../http1/sockets.ts'
import type { Wheel } from '../http1/wheel.ts'
import type { AcmeChallenge } from '../table/extensions/acme.ts'
import { plainAddress, type RouterSettings } from '../table/route.ts'
import { interceptConnections } from '../tls/carrier.ts'
import { meetAuthority } from './authority.ts'
import { type HandshakeHost, Handshakes } from './handshakes.ts'
import type { Place, PlaceKind } from './places.ts'
import { Preface } from './preface.ts'
import type { ProxyHeader } from './proxy-protocol.ts'
import { readProxyHeader } from './proxy-protocol.ts'

// Keep-alive probes find the clients that vanished from under a WebSocket or an idle connection.
const KEEP_ALIVE_SECONDS = 60
const ACCEPTED = { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_SECONDS * 1000 }

/** The preferred first. An HTTP/1.0 client that offers its own name would else be turned away. */
const ALPN = Buffer.from('\x02h2\x08http/1.1\x08http/1.0')
const ALPN_WITHOUT_HTTP2 = ALPN.subarray(3)

/** A fatal alert, unrecognized_name (RFC 6066 §3). */
const UNRECOGNIZED_NAME = Buffer.from([21, 3, 3, 0, 2, 2, 112])

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
export interface ListenerHost extends HandshakeHost {
  readonly wheel: Wheel
  readonly firstByteMs: number
  settings(): RouterSettings
  /** Gives a newcomer its place, which {@link left} gives back. @param client absent: {@link claim} follows @returns `undefined` when there is none */
  admit(kind: PlaceKind, client?: string): Place | undefined
  /** Says whose a place is. @returns false when that client holds its share already */
  claim(place: Place, client: string): boolean
  /** A connection that had a place has closed. */
  left(place: Place): void
  /** There is no place: sends a paused connection of plain HTTP away. */
  refuse(socket: Socket): void
  /** Whether a client may begin another TLS handshake, and a name be asked for by another. */
  mayShake(peer: Peer): boolean
  mayName(serverName: string): boolean
  /** A TLS handshake was completed. */
  shaken(isResumed: boolean): void
  /** The OCSP response for a certificate (DER) in a handshake whose client asks for one; absent: none is shown. */
  staple(certificate: Buffer): Uint8Array | undefined
  /** Finds the challenge of a domain that an authority will look for by TLS; absent: none is looked for. */
  challenges(): ((domain: string) => AcmeChallenge | undefined) | undefined
}

/** Serves an accepted connection: takes its socket, returns who reads it. */
export type Serve = (socket: Socket, peer: Peer) => Receiver

/** An open port. */
export interface Listener {
  readonly port: number
  /** Stops accepting; connections live on. */
  stop(): void
}

/** An open port for TLS. */
export interface TlsListener extends Listener {
  /** Another default certificate, other versions or another key of tickets, for handshakes to come. */
  renew(options: TlsOptions): void
  /** Ends the handshakes under way. */
  cut(): void
}

/** Opens a port for plain connections, with the PROXY header in front of each where the settings say so. */
export async function listenPlain(at: ListenAt, kind: PlaceKind, owner: ListenerHost, serve: Serve): Promise<Listener> {
  const accept = (raw: Socket) => {
    const peer = enter(raw, owner)
    if (peer === undefined) return
    const { proxyProtocol } = owner.settings()
    const place = owner.admit(kind, proxyProtocol ? undefined : peer.address)
    if (place === undefined) {
      if (kind === 'http') adoptSocket(raw, socket => refused(socket, owner))
      else turnAway(raw, owner)
      return
    }
    adoptSocket(raw, socket => {
      socket.once('close', () => owner.left(place))
      if (!proxyProtocol) return serve(socket, peer)
      return new Preface(socket, owner.wheel, owner.firstByteMs, header => {
        const client = header === false ? undefined : stated(header, peer)
        if (client !== undefined && mayClaim(place, client, owner)) return serve(socket, client)
        turnAway(socket, owner)
        return undefined
      })
    })
  }
  const server = createNetServer({ ...ACCEPTED, pauseOnConnect: true }, accept)
  const listener = await listen(server, at)
  // One socket of Node's is made for each, rather than one to accept it and another that reads into the shared memory.
  interceptConnections(server, KEEP_ALIVE_SECONDS, { wants: () => true, take: carrier => accept(carrier as unknown as Socket) })
  return listener
}

/** What it still sends is dropped. */
function refused(socket: Socket, owner: ListenerHost): Receiver {
  owner.refuse(socket)
  return { received: () => {} }
}

/** Opens a port for TLS connections. */
export async function listenTls(at: ListenAt, tls: TlsOptions, owner: ListenerHost, serve: Serve): Promise<TlsListener> {
  // It shakes no hands: Node asks it about OCSP.
  const secured = createTlsServer(tls)
  const handshakes = new Handshakes(owner, (socket, peer) => {
    owner.shaken(socket.isSessionReused())
    // Not before: who ends its side during the handshake has nothing more to wait for.
    socket.allowHalfOpen = true
    readSecureSocket(socket, serve(socket, peer))
  })
  // For clients that ask, within their handshake.
  secured.on('OCSPRequest', (certificate, _issuer, done) => done(null, owner.staple(certificate) as Buffer))
  const options = (options: TlsOptions) => ({
    isServer: true,
    server: secured,
    secureContext: createSecureContext({ ...options, secureOptions: (options.secureOptions ?? 0) | constants.SSL_OP_NO_RENEGOTIATION }),
    ...(options.SNICallback && { SNICallback: withAlerts(options.SNICallback, handshakes, owner) }),
  })
  let current = options(tls)
  const secure = (carrier: Socket, peer: Peer) => {
    const ALPNProtocols = owner.settings().http2 ? ALPN : ALPN_WITHOUT_HTTP2
    if (owner.mayShake(peer)) handshakes.begin(carrier, peer, { ...current, ALPNProtocols })
    else turnAway(carrier, owner)
  }
  const server = createNetServer({ ...ACCEPTED, allowHalfOpen: false }, raw => {
    raw.on('error', () => {})
    const peer = enter(raw, owner)
    if (peer === undefined) return
    const { proxyProtocol } = owner.settings()
    const place = admitted(raw, owner, proxyProtocol ? undefined : peer.address)
    if (place === undefined) return
    if (!proxyProtocol) meet(raw, peer)
    else
      readHeader(raw, owner, header => {
        const client = stated(header, peer)
        if (mayClaim(place, client, owner)) meet(raw, client)
        else turnAway(raw, owner)
      })
  })
  const meet = (raw: Socket, peer: Peer) => {
    const find = owner.challenges()
    if (find === undefined) secure(raw, peer)
    else meetAuthority(raw, owner.handshakeMs, find, () => secure(raw, peer))
  }
  const listener = await listen(server, at)
  interceptConnections(server, KEEP_ALIVE_SECONDS, {
    wants: () => !owner.settings().proxyProtocol && owner.challenges() === undefined,
    take: carrier => {
      const raw = carrier as unknown as Socket
      const peer = enter(raw, owner)
      if (peer !== undefined && admitted(raw, owner, peer.address) !== undefined) secure(raw, peer)
    },
  })
  return {
    ...listener,
    renew: tls => {
      secured.setSecureContext(tls)
      current = options(tls)
    },
    cut: () => handshakes.cut(),
  }
}

type ChooseContext = NonNullable<TlsOptions['SNICallback']>

/** Counts who asks for a name, and tells with an alert who may not have it. */
function withAlerts(choose: ChooseContext, handshakes: Handshakes, owner: ListenerHost): ChooseContext {
  return function (this: TLSSocket | undefined, name, done) {
    if (!owner.mayName(name)) {
      done(new Error('Too many handshakes for this name'))
      return
    }
    choose.call(this, name, (error, context) => {
      // OpenSSL sends no alert for an error of the callback. The handshake has sent nothing yet, so the record may go in the clear.
      if (error !== null && this !== undefined) handshakes.carrierOf(this)?.write(UNRECOGNIZED_NAME)
      done(error, context)
    })
  }
}

/** Gives a connection for TLS its place, or turns it away. */
function admitted(raw: Socket, owner: ListenerHost, client: string | undefined): Place | undefined {
  const place = owner.admit('http', client)
  if (place === undefined) turnAway(raw, owner)
  else raw.once('close', () => owner.left(place))
  return place
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

/**
 * The peer of an accepted connection. Where a PROXY header is required, only those may come in whose word is believed: any other could name
 * any address.
 */
function enter(raw: Socket, owner: ListenerHost): Peer | undefined {
  const peer = peerOf(raw)
  const { proxyProtocol, trusted } = owner.settings()
  // It may be gone again by now.
  if (peer === undefined) raw.destroy()
  else if (!proxyProtocol || trusted.check(peer.address)) return peer
  else turnAway(raw, owner)
  return undefined
}

function turnAway(socket: Socket, owner: ListenerHost): void {
  owner.turnedAway()
  socket.destroy()
}

/** A balancer's own connections (LOCAL, UNKNOWN: health checks) count to nobody's share. */
function mayClaim(place: Place, client: Peer, owner: ListenerHost): boolean {
  return !client.proxied || owner.claim(place, client.address)
}

function peerOf(socket: Socket): Peer | undefined {
  const { remoteAddress, remotePort } = socket
  return remoteAddress === undefined ? undefined : { address: plainAddress(remoteAddress), port: remotePort ?? 0, proxied: false }
}

function stated(header: ProxyHeader, peer: Peer): Peer {
  return header.address === undefined ? peer : { address: header.address, port: header.port ?? 0, proxied: true }
}

/** Reads the PROXY header before TLS begins, and puts back what came behind it. */
function readHeader(raw: Socket, owner: ListenerHost, done: (header: ProxyHeader) => void): void {
  let bytes = Buffer.alloc(0)
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
    raw.pause()
    raw.unshift(bytes.subarray(header.bytes))
    done(header)
  })
}
