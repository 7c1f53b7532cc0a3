import type { Socket } from 'node:net'

/** How a direct write went. */
export const WRITTEN = 0
/** The kernel has not taken all of it; `written` of the writer follows. */
export const WAITS = 1
/** It cannot be tried on this socket now: use the socket's own `write`. */
export const NOT_TRIED = 2
/** It is taken, and so much that no more should follow it before `written` of the writer. */
export const FULL = 3

/** Hears of a write that had to wait. */
export interface DirectListener {
  /** @param failed whether the connection broke first */
  directWritten(failed: boolean): void
}

/** What a write that has to wait hangs on; one that the kernel takes at once leaves it as it was. */
interface WriteRequest {
  oncomplete?: (status: number) => void
  /** Keeps bytes in memory that the kernel has yet to read. */
  buffer?: Uint8Array
}

/** One that says how its write ended where nobody was to be called: 0, or an error below; null before that. */
export interface TellingRequest extends WriteRequest {
  writeStatus: number | null
}

interface Handle {
  onread?: unknown
  writeLatin1String(request: WriteRequest, text: string): number
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number
}

/** What Node does not document, see {@link writeDirect}. */
interface Internals {
  readonly WriteWrap: new () => WriteRequest
  readonly streamBaseState: Int32Array
  readonly kLastWriteWasAsync: number
  readonly kReadBytesOrError: number
}

const internals = findInternals()
let request: WriteRequest | undefined = internals && new internals.WriteWrap()

/**
 * Writes past the queue of a plain socket, straight to its handle. Nearly every write of a router is taken by the kernel at once, and then what
 * `socket.write()` does around it, a request object and the state of a stream, is for nothing: a twelfth of all the time of a request.
 *
 * The handle's methods and `streamBaseState` are not documented. They are looked for at the start; where this Node has none of the kind, and
 * while bytes wait in the socket's own queue, nothing is tried and the caller takes `socket.write()`.
 *
 * @param data latin1 text, or bytes that stay as they are until the write is done
 */
export function writeDirect(socket: Socket, data: string | Uint8Array, listener: DirectListener): number {
  const { _handle: handle } = socket as unknown as { _handle: Handle | null }
  if (internals === undefined || handle === null || handle === undefined || socket.writableLength > 0 || socket.connecting) return NOT_TRIED
  const used = request as WriteRequest
  const error = typeof data === 'string' ? handle.writeLatin1String(used, data) : handle.writeBuffer(used, data)
  if (error !== 0) {
    destroyAfterReading(socket, error)
    return WRITTEN
  }
  if (internals.streamBaseState[internals.kLastWriteWasAsync] === 0) return WRITTEN
  request = new internals.WriteWrap()
  if (typeof data !== 'string') used.buffer = data
  used.oncomplete = status => {
    if (status < 0) destroyAfterReading(socket, status)
    listener.directWritten(status < 0)
  }
  return WAITS
}

/**
 * Lets the loop read what came before the connection broke: an app that answers (413) and closes with the rest of the body unread resets it,
 * and its answer waits here to be read. The first turn ends the reads under way, the second follows a look of its own.
 */
export function destroyAfterReading(socket: Socket, error: number): void {
  setImmediate(() =>
    setImmediate(() => {
      if (!socket.destroyed) socket.destroy(new Error(`Cannot write: error ${error}`))
    }),
  )
}

/**
 * Lets the handle of a socket made with `onread` call `receive` itself for what it has read; ends and errors go to the socket as before. Where
 * this Node has no such handle nothing happens, and the socket's own `onread` is called.
 */
export function readDirect(socket: Socket, receive: (length: number) => void): void {
  const { _handle: handle } = socket as unknown as { _handle: Handle | null }
  const own = handle?.onread
  if (internals === undefined || handle === null || typeof own !== 'function') return
  const { streamBaseState, kReadBytesOrError } = internals
  handle.onread = (bytes: unknown) => {
    const length = streamBaseState[kReadBytesOrError] as number
    if (length > 0) receive(length)
    else own.call(handle, bytes)
  }
}

/** A request whose write counts as done; `undefined` where this Node has none that tells. */
export function newTellingRequest(): TellingRequest | undefined {
  if (internals === undefined) return undefined
  const made = new internals.WriteWrap() as TellingRequest
  if (made.writeStatus !== null) return undefined
  made.writeStatus = 0
  return made
}

function findInternals(): Internals | undefined {
  try {
    const { binding } = process as unknown as { binding?: (name: string) => Partial<Internals> }
    const { WriteWrap, streamBaseState, kLastWriteWasAsync, kReadBytesOrError } = binding?.('stream_wrap') ?? {}
    if (typeof WriteWrap !== 'function' || !(streamBaseState instanceof Int32Array)) return undefined
    if (typeof kLastWriteWasAsync !== 'number' || typeof kReadBytesOrError !== 'number') return undefined
    return { WriteWrap, streamBaseState, kLastWriteWasAsync, kReadBytesOrError }
  } catch {
    return undefined
  }
}
