import { connect, Socket, type TcpNetConnectOpts } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import type { Endpoint } from '../table/route.ts'
import { readDirect } from './direct.ts'

/** Takes what a socket read; the bytes are valid only during the call, as every socket of the process reads into the same memory. */
export interface Receiver {
  received(bytes: Buffer, at: number, end: number): void
}

const READ_BYTES = 64 * 1024
/**
 * The one memory that all sockets read into, what TLS sockets have decrypted among it: no allocation per read, and it stays in the processor's cache. It never reaches a
 * `write()`: a write that the kernel takes only in part keeps a reference, and the next read of another tenant's socket would change what
 * is sent. Every byte leaves it as a copy (see writer.ts), which slow-readers.test.ts proves.
 */
const READ_MEMORY = Buffer.allocUnsafeSlow(READ_BYTES)

/** What the undocumented half of {@link adoptSocket} needs of a socket of this Node version. */
interface Adoptable {
  _handle: { useUserBuffer?: unknown } | null
  _server?: unknown
}

/**
 * Turns an accepted socket of a `pauseOnConnect` server into one that reads into the shared memory.
 *
 * Node offers `onread` for outgoing sockets only, so the handle moves to a socket made with it. The `handle` option is not documented:
 * where this Node has no such handle the socket is read by `data` events, which is slower and otherwise the same.
 */
export function adoptSocket(raw: Socket, create: (socket: Socket) => Receiver): void {
  const inner = raw as unknown as Adoptable
  const handle = inner._handle
  if (handle === null || typeof handle.useUserBuffer !== 'function') {
    readSocket(raw, create(raw))
    return
  }
  const reader = readerOf()
  const options = { handle, allowHalfOpen: true, onread: { buffer: READ_MEMORY, callback: reader.receive } }
  const socket = new Socket(options as unknown as ConstructorParameters<typeof Socket>[0])
  // The first socket must neither close the handle nor be counted by its server.
  inner._handle = null
  ;(socket as unknown as Adoptable)._server = inner._server
  inner._server = null
  reader.receiver = create(socket)
  readDirect(socket, reader.receive)
  socket.resume()
}

/**
 * Lets a TLS socket that has been accepted decrypt into the shared memory. Node offers `onread` for those that it opens only: what it would
 * have set is set here, and where it is not found the socket is read by `data` events.
 */
export function readSecureSocket(socket: Socket, receiver: Receiver): void {
  const { _handle: handle } = socket as unknown as { _handle: { useUserBuffer?: (memory: Buffer) => void } | null }
  userBuffer ??= findUserBuffer(socket)
  if (userBuffer === undefined || typeof handle?.useUserBuffer !== 'function') {
    readSocket(socket, receiver)
    return
  }
  const { receive } = readerOf(receiver)
  const [buffer, callback] = userBuffer
  const own = socket as unknown as Record<symbol, unknown>
  own[buffer] = READ_MEMORY
  own[callback] = receive
  handle.useUserBuffer(READ_MEMORY)
  readDirect(socket, receive)
}

type UserBuffer = readonly [buffer: symbol, callback: symbol]

/** The same for all sockets of a process. */
let userBuffer: UserBuffer | undefined

function findUserBuffer(socket: Socket): UserBuffer | undefined {
  const symbols = Object.getOwnPropertySymbols(socket)
  const [buffer, callback] = ['kBuffer', 'kBufferCb'].map(name => symbols.find(symbol => symbol.description === name))
  return buffer && callback && [buffer, callback]
}

/** Reads a socket by `data` events, for which each read gets memory of its own. */
export function readSocket(socket: Socket, receiver: Receiver): void {
  socket.on('data', (chunk: Buffer) => receiver.received(chunk, 0, chunk.length))
}

/** Opens a connection to an endpoint. In the clear it reads into the shared memory; over TLS it is ready with `secureConnect`. */
export function connectSocket(to: Endpoint, create: (socket: Socket) => Receiver): void {
  if (to.tls !== undefined) {
    const { name, verify } = to.tls
    const reader = readerOf()
    const options: ConnectionOptions & Pick<TcpNetConnectOpts, 'allowHalfOpen' | 'onread'> = {
      host: to.address,
      port: to.port,
      servername: name,
      rejectUnauthorized: verify,
      secureContext: to.tls.context(),
      ALPNProtocols: [to.http2 === true ? 'h2' : 'http/1.1'],
      allowHalfOpen: true,
      onread: { buffer: READ_MEMORY, callback: reader.receive },
    }
    const socket = connectTls(options)
    socket.setNoDelay(true)
    socket.setKeepAlive(true, 60_000)
    reader.receiver = create(socket)
    readDirect(socket, reader.receive)
    return
  }
  const reader = readerOf()
  const socket = connect({
    host: to.address,
    port: to.port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: 60_000,
    allowHalfOpen: true,
    onread: { buffer: READ_MEMORY, callback: reader.receive },
  })
  reader.receiver = create(socket)
  readDirect(socket, reader.receive)
}

/** The receiver of a socket is known only when the socket is. */
interface Reader {
  receiver: Receiver | undefined
  /** Returns true, as to stop is the receiver's own business. */
  readonly receive: (length: number) => boolean
}

function readerOf(receiver?: Receiver): Reader {
  const reader: Reader = {
    receiver,
    receive: length => {
      reader.receiver?.received(READ_MEMORY, 0, length)
      return true
    },
  }
  return reader
}
