import { type Server, Socket } from 'node:net'
import { writeDirect } from '../http1/direct.ts'

/** What is needed of the handle of an accepted connection. */
interface Handle {
  readonly isStreamBase: boolean
  readonly useUserBuffer: unknown
  getpeername(out: { address?: string; port?: number }): number
  setNoDelay(on: boolean): number
  setKeepAlive(on: boolean, seconds: number): number
  close(closed?: () => void): void
}

interface Listening {
  _handle: (Partial<Pick<Handle, 'setNoDelay' | 'setKeepAlive'>> & { onconnection?: unknown }) | null
}

type OnConnection = (this: unknown, error: unknown, client: unknown) => void

/** A `Socket` by its prototype, without what a constructor would have made of it. */
const Unmade = function Unmade() {} as unknown as new () => object
Unmade.prototype = Object.create(Socket.prototype)

/**
 * An accepted connection that does nothing but carry TLS: `new TLSSocket(carrier as Socket, …)` takes its handle. A socket of Node is a stream
 * as well, with the state of one for each side, its timers and its turns at the end; none of it is used below a TLS socket, and it costs a
 * handshake 20 µs and an idle connection 4 KB.
 *
 * A TLS socket asks of what it wraps its handle, whether anything is buffered (never), and to hear of its end; it has it closed.
 */
export class Carrier extends Unmade {
  readonly allowHalfOpen = false
  readonly connecting = false
  readonly remoteAddress: string
  readonly remotePort: number
  _handle: Handle | null
  readonly #closed: (() => void)[] = []

  private constructor(handle: Handle, remoteAddress: string, remotePort: number) {
    super()
    this._handle = handle
    this.remoteAddress = remoteAddress
    this.remotePort = remotePort
  }

  /**
   * @param keepAliveSeconds absent: it has its options already
   * @returns `undefined` when the client has gone again; then the handle is closed
   */
  static of(handle: Handle, keepAliveSeconds: number | undefined): Carrier | undefined {
    const peer: { address?: string; port?: number } = {}
    if (handle.getpeername(peer) !== 0 || peer.address === undefined) {
      handle.close()
      return undefined
    }
    if (keepAliveSeconds !== undefined) {
      handle.setNoDelay(true)
      handle.setKeepAlive(true, keepAliveSeconds)
    }
    return new Carrier(handle, peer.address, peer.port ?? 0)
  }

  get destroyed(): boolean {
    return this._handle === null
  }

  get readableLength(): number {
    return 0
  }

  get writableLength(): number {
    return 0
  }

  /** There is `close` alone: whatever else befalls the connection the TLS socket hears itself. */
  on(event: string, listener: () => void): this {
    if (event === 'close') this.#closed.push(listener)
    return this
  }

  /** In the clear, before TLS has sent anything; what the kernel does not take at once is lost. */
  write(bytes: Uint8Array): boolean {
    writeDirect(this as unknown as Socket, bytes, { directWritten: () => {} })
    return true
  }

  once(event: string, listener: () => void): this {
    return this.on(event, listener)
  }

  destroy(): this {
    const handle = this._handle
    if (handle === null) return this
    this._handle = null
    handle.close(() => {
      for (const listener of this.#closed) listener()
    })
    return this
  }
}

/** Who takes connections before Node makes sockets of them. */
export interface Interceptor {
  /** Asked for each connection; those that are not wanted go the usual way. */
  wants(): boolean
  take(carrier: Carrier): void
}

/**
 * Gives connections that a listening server accepts to somebody else. The handles are not documented: where this Node has none of the kind,
 * all go the usual way.
 */
export function interceptConnections(server: Server, keepAliveSeconds: number, { wants, take }: Interceptor): void {
  const { _handle: listening } = server as unknown as Listening
  const own = listening?.onconnection
  if (listening === null || listening === undefined || typeof own !== 'function') return
  const ofEach = areInherited(listening, keepAliveSeconds) ? undefined : keepAliveSeconds
  listening.onconnection = function (this: unknown, error: unknown, client: unknown) {
    if (error || !isHandle(client) || !wants()) {
      ;(own as OnConnection).call(this, error, client)
      return
    }
    const carrier = Carrier.of(client, ofEach)
    if (carrier !== undefined) take(carrier)
  }
}

/** On Linux a connection begins with the options of its listener, which saves five system calls for each. */
function areInherited(listening: NonNullable<Listening['_handle']>, keepAliveSeconds: number): boolean {
  return process.platform === 'linux' && listening.setNoDelay?.(true) === 0 && listening.setKeepAlive?.(true, keepAliveSeconds) === 0
}

function isHandle(client: unknown): client is Handle {
  const { isStreamBase, useUserBuffer, getpeername, setNoDelay, setKeepAlive, close } = (client ?? {}) as Partial<Handle>
  if (isStreamBase !== true || typeof useUserBuffer !== 'function' || typeof getpeername !== 'function' || typeof close !== 'function')
    return false
  return typeof setNoDelay === 'function' && typeof setKeepAlive === 'function'
}
