import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Pool } from '../http1/pool.ts'
import { connectSocket, type Receiver } from '../http1/sockets.ts'
import type { Timed } from '../http1/wheel.ts'
import type { ErrorCode } from '../serve/errors.ts'
import type { Endpoint } from '../table/route.ts'
import { AppFrames } from './app-frames.ts'
import { APP_EARNS, Calm } from './calm.ts'
import type { IntakeOwner } from './frame-intake.ts'
import { CODE, type Http2Code, SETTING, WINDOW_DEFAULT } from './frames.ts'
import type { Http2Limits } from './limits.ts'
import { Sender, type SenderOwner } from './sender.ts'
import { Turn, type TurnMember } from './turn.ts'
import type { UpstreamHead } from './upstream-head.ts'
import type { UpstreamSessions } from './upstream-sessions.ts'
import type { UpstreamStream } from './upstream-stream.ts'

/** The socket, or the app's SETTINGS, are still to come: no request is sent before. */
const CONNECTING = 0
const OPEN = 1
/** GOAWAY has been sent, or all is done: what still comes is dropped. */
const ENDING = 2
const CLOSED = 3

const STREAM_ID_MAX = 2 ** 31 - 1
/** The alert of an app that has found no protocol of ours among its own (RFC 7301 §3.2). */
const NO_HTTP2 = /NO_APPLICATION_PROTOCOL/

/**
 * A connection to an endpoint that speaks HTTP/2: in the clear, known beforehand (RFC 9113 §3.3), or over TLS, where it must agree to (§3.2).
 * Many streams at once.
 *
 * An app is a tenant, as little trusted as a client: its frames, header lists and windows are bounded in the same way. An error of one stream
 * resets that stream; one of the connection fails the streams of this session only.
 */
export class UpstreamSession implements Receiver, Timed, TurnMember, SenderOwner, IntakeOwner {
  deadlineAt = Number.POSITIVE_INFINITY
  wheelSlot = -1
  readonly sender: Sender
  readonly streamWindow: number
  readonly secure: boolean
  /** Whether an exchange was completed on it. */
  served = false
  readonly #socket: Socket
  readonly #sessions: UpstreamSessions
  readonly #pool: Pool
  readonly #limits: Http2Limits
  readonly #calm: Calm
  readonly #intake: AppFrames
  readonly #streams: Map<number, UpstreamStream>
  readonly #waiting = new Set<UpstreamStream>()
  #state = CONNECTING
  /** Whether the endpoint was reached, though TLS is not ready yet. */
  #reached = false
  #heard = false
  #goingAway = false
  #listed = false
  #receivedAt: number

  private constructor(socket: Socket, secure: boolean, sessions: UpstreamSessions, pool: Pool) {
    this.#socket = socket
    this.secure = secure
    this.#sessions = sessions
    this.#pool = pool
    this.#limits = pool.limits
    this.streamWindow = pool.limits.upstreamStreamWindow
    this.#receivedAt = pool.wheel.now
    this.#calm = new Calm(pool.wheel.now, APP_EARNS)
    this.sender = new Sender(socket, this, this.#calm)
    this.#intake = new AppFrames(this, pool, this.#calm)
    this.#streams = this.#intake.streams
    if (secure) {
      socket.once('connect', () => {
        this.#reached = true
      })
    }
    socket.once(secure ? 'secureConnect' : 'connect', () => this.#guard(() => this.#greet()))
    socket.on('drain', () => this.#guard(() => this.#drained()))
    socket.on('end', () => this.#guard(() => this.#lost()))
    socket.on('error', error => this.#guard(() => this.#lost(error)))
    socket.on('close', () => this.#guard(() => this.#lost()))
  }

  static open(endpoint: Endpoint, sessions: UpstreamSessions, pool: Pool): UpstreamSession {
    let session: UpstreamSession | undefined
    pool.counts.opened++
    connectSocket(endpoint, socket => {
      session = new UpstreamSession(socket, endpoint.tls !== undefined, sessions, pool)
      return session
    })
    return session as unknown as UpstreamSession
  }

  get hasRoom(): boolean {
    if (this.#goingAway || this.#state > OPEN) return false
    if (this.#state === CONNECTING) return this.#waiting.size < this.#sessions.streamsMax
    return this.#streams.size < this.#streamsMax && this.#intake.nextId < STREAM_ID_MAX
  }

  get isIdle(): boolean {
    return this.#state === OPEN && this.#streams.size === 0
  }

  /** Whether frames are acted on: the first come before streams are opened. */
  get isOpen(): boolean {
    return this.#state <= OPEN
  }

  get isClosed(): boolean {
    return this.#state > OPEN
  }

  get blocked(): boolean {
    return this.sender.blocked
  }

  /** Takes a stream: at once, or when the app has said its SETTINGS. */
  add(stream: UpstreamStream): void {
    if (this.#state === CONNECTING) {
      this.#waiting.add(stream)
      stream.wait(this)
      this.#sessions.update(this)
    } else {
      if (this.served) this.#pool.counts.reused++
      stream.take(this)
    }
  }

  /** Takes no more streams, and closes when those that run are over. */
  drain(): void {
    this.finishUp()
    this.#closeIfDone()
  }

  /** Takes no more streams: it closes at the end of the turn in which the last is over. */
  finishUp(): void {
    this.#goingAway = true
    this.#sessions.update(this)
    this.turn()
  }

  /** Nothing was heard of it for so long: no stream is opened on what may be dead. */
  suspect(silentMs: number): void {
    if (this.#pool.wheel.now - this.#receivedAt >= silentMs - this.#pool.limits.tickMs) this.drain()
  }

  received(bytes: Buffer, at: number, end: number): void {
    try {
      this.#heard = true
      this.#receivedAt = this.#pool.wheel.now
      if (this.#state <= OPEN) this.#intake.read(bytes, at, end)
      this.#intake.endTurn()
      this.turn()
    } catch (error) {
      this.#crash(error)
    }
  }

  /** It has idled for as long as it may, or does not end. */
  expired(): void {
    this.#guard(() => {
      if (this.isIdle) this.drain()
      else if (this.#state === ENDING) this.#destroy()
    })
  }

  // What streams send

  /** Marks that something waits for the end of the turn. */
  turn(): void {
    if (this.#listed || this.#state === CLOSED) return
    this.#listed = true
    turn.add(this)
  }

  turnEnded(): void {
    this.#listed = false
    this.#guard(() => {
      this.sender.flush()
      this.#closeIfDone()
    })
  }

  /** Opens a stream: from here on it has an id. */
  open(stream: UpstreamStream, head: UpstreamHead, ends: boolean): void {
    const id = this.#intake.nextId
    this.#intake.nextId += 2
    if (this.#streams.size === 0) this.#pool.wheel.disarm(this)
    this.#streams.set(id, stream)
    stream.opened(id, head, this.sender.peer.initialWindow, this.streamWindow)
    this.sender.head(id, 0, head.lines, -1, ends)
    this.#sessions.update(this)
    this.turn()
  }

  sendReset(stream: UpstreamStream, code: Http2Code): void {
    if (this.#state !== OPEN) return
    this.sender.outbox.reset(stream.id, code)
    this.#intake.resets.add(stream.id, stream.receiveWindow)
    this.turn()
  }

  sendWindowUpdate(id: number, bytes: number): void {
    this.sender.outbox.windowUpdate(id, bytes)
    this.turn()
  }

  /** An exchange was completed. */
  completed(): void {
    this.served = true
    this.#calm.completed()
  }

  /** A stream is over, or waits no longer. */
  left(stream: UpstreamStream): void {
    this.sender.unstall(stream.writer)
    if (this.#state === CONNECTING) {
      this.#waiting.delete(stream)
      if (this.#waiting.size === 0) this.#destroy()
      else this.#sessions.update(this)
      return
    }
    if (this.#streams.get(stream.id) === stream) this.#streams.delete(stream.id)
    if (this.#state !== OPEN) return
    this.#sessions.update(this)
    this.#restIfIdle()
  }

  get #streamsMax(): number {
    return Math.min(this.sender.peer.streamsMax, this.#limits.upstreamStreamsMax)
  }

  #greet(): void {
    if (this.#state !== CONNECTING) return
    if (this.secure && (this.#socket as TLSSocket).alpnProtocol !== 'h2') {
      this.#lose('R25')
      return
    }
    this.sender.outbox.preface()
    this.sender.outbox.settings([
      [SETTING.enablePush, 0],
      [SETTING.initialWindowSize, this.streamWindow],
      [SETTING.maxHeaderListSize, this.#pool.limits.responseHeadBytesMax],
      [SETTING.noRfc7540Priorities, 1],
    ])
    this.sendWindowUpdate(0, this.#limits.upstreamConnectionWindow - WINDOW_DEFAULT)
  }

  /** The app's SETTINGS were taken. */
  configured(first: boolean): void {
    if (first) this.#opened()
    else this.#sessions.update(this)
  }

  acknowledged(): void {
    // Apps are asked for none.
  }

  heldUp(): void {
    // Each stream has a time of its own for the app's silence.
  }

  /** The app's SETTINGS are here: those that wait begin, as many as it takes. */
  #opened(): void {
    this.#state = OPEN
    this.#sessions.streamsMax = Math.max(1, this.#streamsMax)
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    const begin = waiting.slice(0, this.#streamsMax)
    for (const stream of begin) if (this.#state === OPEN) stream.take(this)
    // One that takes nothing is of no use to anybody.
    if (this.#streamsMax === 0) this.drain()
    else this.#sessions.update(this)
    for (const stream of waiting.slice(begin.length)) this.#sessions.move(stream)
    this.#restIfIdle()
  }

  #drained(): void {
    if (this.sender.drained() && this.#state === OPEN) this.sender.pump()
  }

  /** Serves nobody: rests for as long as a connection is kept, or closes. */
  #restIfIdle(): void {
    if (!this.isIdle) return
    if (this.#goingAway || this.#sessions.retired) this.drain()
    else this.#pool.wheel.arm(this, this.#pool.limits.idleUpstreamMs)
  }

  /** The app has broken the protocol. */
  fail(code: Http2Code, told: ErrorCode = 'R34'): void {
    if (this.#state > OPEN) return
    this.sender.outbox.goAway(0, code)
    this.#end()
    this.#failAll(told)
  }

  #closeIfDone(): void {
    if (this.#state !== OPEN || this.#streams.size > 0 || !this.#goingAway) return
    this.sender.outbox.goAway(0, CODE.noError)
    this.#end()
  }

  #end(): void {
    this.#state = ENDING
    this.sender.flush()
    this.#pool.wheel.arm(this, this.#pool.limits.lingerMs)
    this.#socket.destroySoon()
    this.#sessions.update(this)
  }

  /** The connection is gone, or the app has ended its side: nothing more comes. */
  #lost(error?: Error): void {
    if (this.#state !== CLOSED) this.#lose(this.#state === CONNECTING ? this.#unopenedCode(error) : 'R33')
  }

  #unopenedCode(error: Error | undefined): ErrorCode {
    if (this.#heard) return 'R34'
    if (!this.#reached) return 'R30'
    return NO_HTTP2.test((error as NodeJS.ErrnoException | undefined)?.code ?? '') ? 'R25' : 'R38'
  }

  #lose(told: ErrorCode): void {
    this.#destroy()
    this.#failAll(told)
  }

  #failAll(told: ErrorCode): void {
    const streams = [...this.#waiting, ...this.#streams.values()]
    this.#waiting.clear()
    this.#streams.clear()
    for (const stream of streams) stream.lost(told)
  }

  #destroy(): void {
    this.#state = CLOSED
    this.#pool.wheel.disarm(this)
    this.#socket.destroy()
    this.#sessions.update(this)
  }

  #guard(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#crash(error)
    }
  }

  /** A fault of ours costs the exchanges of this session, not the worker. */
  #crash(error: unknown): void {
    this.#destroy()
    const streams = [...this.#waiting, ...this.#streams.values()]
    this.#waiting.clear()
    this.#streams.clear()
    for (const stream of streams) stream.crash(error)
  }
}

/** One end of the turn for all sessions of the process. */
const turn = new Turn()
