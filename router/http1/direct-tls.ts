import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { type DirectListener, destroyAfterReading, FULL, NOT_TRIED, newTellingRequest, type TellingRequest, WRITTEN } from './direct.ts'

/** From so much on a write tells when it is done, as the socket's own queue does when it holds so much. */
const TOLD_BYTES_MIN = 64 * 1024
/** Text up to this is laid out here, as a handle would else get memory for each. */
const TEXT_BYTES_MAX = 16 * 1024
const textMemory = Buffer.allocUnsafeSlow(TEXT_BYTES_MAX)
/** The beginning of it by length: a view costs as much to make as all else of a short write. */
const textViews: Uint8Array[] = []

/** What a TLS socket of this Node is made of. */
interface Inner {
  readonly _handle: Handle | null
  readonly secureConnecting: boolean
}

/** What a subclass of Writable may replace. */
interface Inherited {
  _write(chunk: unknown, encoding: string, done: Done): void
  _writev(chunks: unknown, done: Done): void
  _final(done: Done): void
}

interface Handle {
  writeLatin1String(request: TellingRequest, text: string): number
  writeBuffer(request: TellingRequest, bytes: Uint8Array): number
}

type Done = (error?: Error | null) => void

const DIRECT = Symbol('direct')
type HeldSocket = Socket & { readonly [DIRECT]: DirectTls }
const own = TLSSocket.prototype as unknown as Inherited

/**
 * Writes past the queue of a TLS socket, straight to its handle: encrypted at once, so that whoever gave the bytes has his memory back.
 *
 * A TLS handle takes one write at a time, which never ends before the turn of the loop does. So the socket's own queue, and its end, are held
 * back while a direct write is under way, and what comes meanwhile goes to that queue. Nobody is called when a write has ended, which is a
 * good part of what it costs, unless somebody waits for it: it stands in the request.
 */
export class DirectTls {
  readonly #socket: Socket
  readonly #listener: DirectListener
  /** Of the write under way, or the last; its status is null until that has ended. */
  #request: TellingRequest
  /** What the socket's own queue would have done meanwhile: a write, or the end. */
  #held: (() => void) | undefined
  #listenerWaits = false

  private constructor(socket: Socket, listener: DirectListener, request: TellingRequest) {
    this.#socket = socket
    this.#listener = listener
    this.#request = request
    // One function for all sockets: there are many of them, and each keeps what is its own.
    Object.assign(socket, { [DIRECT]: this, _write: writeHeld, _writev: writevHeld, _final: finalHeld })
  }

  /** For a TLS socket before anything was written to it; `undefined` where a request of this Node does not tell how its write ended. */
  static of(socket: Socket, listener: DirectListener): DirectTls | undefined {
    const request = newTellingRequest()
    return request && new DirectTls(socket, listener, request)
  }

  /** @param data latin1 text, or bytes that may change as soon as this returns, not of length 0 */
  write(data: string | Uint8Array): number {
    const socket = this.#socket
    const request = this.#request
    const { _handle: handle, secureConnecting } = socket as unknown as Inner
    if (request.writeStatus === null || handle === null || secureConnecting || socket.writableLength > 0) return NOT_TRIED
    // The write before this one failed, and nobody was told.
    if (request.writeStatus !== 0) {
      destroyAfterReading(socket, request.writeStatus)
      return WRITTEN
    }
    request.writeStatus = null
    let error: number
    if (typeof data !== 'string') error = handle.writeBuffer(request, data)
    else if (data.length > TEXT_BYTES_MAX) error = handle.writeLatin1String(request, data)
    else error = handle.writeBuffer(request, octetsOf(data))
    if (error !== 0) request.writeStatus = error
    if (request.writeStatus !== null) {
      if (request.writeStatus !== 0) destroyAfterReading(socket, request.writeStatus)
      return WRITTEN
    }
    if (data.length < TOLD_BYTES_MIN) return WRITTEN
    this.#listenerWaits = true
    request.oncomplete = status => this.#ended(status)
    return FULL
  }

  /** Does it now, or when the write under way has ended. */
  whenDone(work: () => void): void {
    if (this.#request.writeStatus !== null) {
      work()
      return
    }
    this.#held = work
    this.#request.oncomplete = status => this.#ended(status)
  }

  #ended(status: number): void {
    // The handle lets go of the old one only after this call.
    this.#request = newTellingRequest() as TellingRequest
    if (status < 0) destroyAfterReading(this.#socket, status)
    const held = this.#held
    this.#held = undefined
    held?.()
    if (!this.#listenerWaits) return
    this.#listenerWaits = false
    this.#listener.directWritten(status < 0)
  }
}

function writeHeld(this: HeldSocket, chunk: unknown, encoding: string, done: Done): void {
  this[DIRECT].whenDone(() => own._write.call(this, chunk, encoding, done))
}

function writevHeld(this: HeldSocket, chunks: unknown, done: Done): void {
  this[DIRECT].whenDone(() => own._writev.call(this, chunks, done))
}

function finalHeld(this: HeldSocket, done: Done): void {
  this[DIRECT].whenDone(() => own._final.call(this, done))
}

/** Good until the next text. */
function octetsOf(text: string): Uint8Array {
  const { length } = text
  textMemory.write(text, 0, 'latin1')
  return (textViews[length] ??= textMemory.subarray(0, length))
}
