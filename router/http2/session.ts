import type { Socket } from 'node:net'
import type { ConnectionHost } from '../http1/connection.ts'
import type { Receiver } from '../http1/sockets.ts'
import type { Timed, Wheel } from '../http1/wheel.ts'
import type { Client } from '../serve/client.ts'
import type { ErrorCode } from '../serve/errors.ts'
import { Calm, CLIENT_EARNS, COST } from './calm.ts'
import { ClientFrames } from './client-frames.ts'
import type { IntakeOwner } from './frame-intake.ts'
import { CODE, type Http2Code, PREFACE, SETTING, WINDOW_DEFAULT, WINDOW_MAX } from './frames.ts'
import { Sender, type SenderOwner } from './sender.ts'
import type { Stream } from './stream.ts'
import type { Turn, TurnMember } from './turn.ts'

/** What a session needs of the server that accepted its connection. */
export interface SessionHost extends Omit<ConnectionHost, 'closed'> {
  readonly turn: Turn
  closed(session: Session): void
}

// What is read next.
const PREFACE_STATE = 0
const OPEN = 1
/** GOAWAY has been sent with an error, or all is done: what still comes is dropped. */
const ENDING = 2
const CLOSED = 3

const STREAM_ID_MAX = 2 ** 31 - 1

/** Resets that are the client's fault. */
const BLAMED = new Set<Http2Code>([CODE.protocolError, CODE.flowControlError, CODE.streamClosed, CODE.enhanceYourCalm])

/**
 * A client's HTTP/2 connection (RFC 9113): its life, its streams, and the times that bound what a client can keep us waiting for. What a turn
 * of the loop brings for the client leaves in one write.
 *
 * An error of one stream resets that stream; one of the connection is told by GOAWAY, and ends it.
 */
export class Session implements Receiver, Timed, TurnMember, SenderOwner, IntakeOwner {
  deadlineAt = Number.POSITIVE_INFINITY
  wheelSlot = -1
  readonly client: Client
  readonly wheel: Wheel
  readonly limits: ConnectionHost['limits']
  readonly sender: Sender
  readonly #socket: Socket
  readonly #host: SessionHost
  readonly #calm: Calm
  readonly #intake: ClientFrames
  readonly #streams: Map<number, Stream>
  #state = PREFACE_STATE
  #prefaceRead = 0
  #goingAway = false
  /** The client has been asked to open no more streams, but may have done so before it heard. */
  #draining = false
  #listed = false
  #inputEnded = false

  constructor(socket: Socket, client: Client, host: SessionHost) {
    this.#socket = socket
    this.client = client
    this.#host = host
    this.wheel = host.wheel
    this.limits = host.limits
    this.#calm = new Calm(host.wheel.now, CLIENT_EARNS)
    this.sender = new Sender(socket, this, this.#calm)
    this.#intake = new ClientFrames(this, host, this.#calm)
    this.#streams = this.#intake.streams
    socket.on('end', () => this.#guard(() => this.#ended()))
    socket.on('drain', () => this.#guard(() => this.#drained()))
    socket.on('error', () => {})
    socket.on('close', () => this.#guard(() => this.#closed()))
    this.#greet()
    host.wheel.arm(this, host.limits.firstByteMs)
  }

  /** Whether frames are acted on. */
  get isOpen(): boolean {
    return this.#state === OPEN
  }

  /** Whether no request is under way. */
  get idle(): boolean {
    return this.#state === OPEN && this.#streams.size === 0 && !this.#intake.isInBlock
  }

  get blocked(): boolean {
    return this.sender.blocked
  }

  /** Whether new streams are refused: one of the two sides has said GOAWAY. */
  get goingAway(): boolean {
    return this.#goingAway
  }

  /** Since when it idles, on the wheel's clock; `Infinity` while it does not. Its deadline was set when it began to. */
  get idleSince(): number {
    if (!this.idle || this.blocked || this.#goingAway || this.#draining || this.#intake.isInHead) return Number.POSITIVE_INFINITY
    return this.deadlineAt - this.#host.settings().defaultTimeoutMs
  }

  /** Makes room for others. */
  shed(): void {
    this.#sayLast()
  }

  get streamCount(): number {
    return this.#streams.size
  }

  received(bytes: Buffer, at: number, end: number): void {
    try {
      let from = at
      if (this.#state === PREFACE_STATE) from = this.#readPreface(bytes, at, end)
      if (this.#state === OPEN) this.#intake.read(bytes, from, end)
      this.#endTurn()
    } catch (error) {
      this.#crash(error)
    }
  }

  /**
   * Asks the client to open its next streams elsewhere, finishes those that run, and closes. What it has opened before it heard is served: which
   * is the last is said when it has acknowledged a PING that stands behind the wish (RFC 9113 §6.8).
   */
  drain(): void {
    if (this.#draining || this.#goingAway || this.#state >= ENDING) return
    if (this.#state === PREFACE_STATE) {
      this.#sayLast()
      return
    }
    this.#draining = true
    this.sender.outbox.goAway(STREAM_ID_MAX, CODE.noError)
    this.sender.outbox.ping()
    if (this.#streams.size === 0) this.wheel.arm(this, this.#restMs)
    this.turn()
  }

  /** The client has acknowledged a PING. */
  acknowledged(): void {
    if (this.#draining) this.#sayLast()
  }

  /** No more streams are opened: it closes when those that run are over. */
  finishUp(): void {
    this.#goingAway = true
    this.turn()
  }

  /** Whether a stream of it is a relay of bytes by now. */
  get upgraded(): boolean {
    for (const stream of this.#streams.values()) if (stream.upgraded) return true
    return false
  }

  /** Ends the relays on both sides. */
  endUpgrade(): void {
    this.#guard(() => {
      for (const stream of [...this.#streams.values()]) stream.endUpgrade()
    })
  }

  destroy(): void {
    this.#state = CLOSED
    this.#socket.destroy()
  }

  expired(): void {
    this.#guard(() => {
      if (this.#state === PREFACE_STATE || this.#state >= ENDING || this.blocked) {
        this.destroy()
        return
      }
      if (this.#intake.isInHead) this.fail(CODE.enhanceYourCalm, 'R44')
      else if (this.#streams.size === 0) this.#sayLast()
      else this.wheel.arm(this, this.#host.settings().defaultTimeoutMs)
    })
  }

  /** Marks that something waits for the end of the turn. */
  turn(): void {
    if (this.#listed) return
    this.#listed = true
    this.#host.turn.add(this)
  }

  /** The turn of the loop is over: what all streams have gathered leaves in one write. */
  turnEnded(): void {
    this.#listed = false
    this.#guard(() => {
      this.sender.flush()
      this.#closeIfDone()
    })
  }

  sendReset(id: number, code: Http2Code): void {
    this.sender.outbox.reset(id, code)
    this.#intake.resets.add(id, 0)
    this.turn()
    // Resets that the client provokes are as cheap for it as its own (CVE-2025-8671).
    if (BLAMED.has(code)) this.#intake.spend(COST.reset)
  }

  sendWindowUpdate(id: number, bytes: number): void {
    this.sender.outbox.windowUpdate(id, bytes)
    this.turn()
  }

  /** Bytes of DATA have gone on, or were dropped: the connection's window grows again. */
  grant(bytes: number): void {
    this.#intake.grant(bytes)
  }

  left(stream: Stream, complete: boolean): void {
    this.#streams.delete(stream.id)
    this.sender.unstall(stream)
    if (complete) this.#calm.completed()
    if (this.#streams.size === 0) {
      // Nobody is there any more, or does not read and has a nearer deadline for that.
      if (this.#state === OPEN && !this.blocked) this.wheel.arm(this, this.#restMs)
      if (this.#goingAway || this.#inputEnded) this.turn()
    }
  }

  /** Bytes wait for a client that must take some in time. */
  heldUp(): void {
    this.wheel.arm(this, this.limits.sendStallMs)
  }

  /** Ends the connection with an error. */
  fail(code: Http2Code, refusal: ErrorCode = 'R40'): void {
    if (this.#state >= ENDING) return
    this.sender.outbox.goAway(this.#intake.lastStream, code)
    this.#state = ENDING
    for (const stream of [...this.#streams.values()]) stream.lost('R47')
    this.#host.refused(refusal, '', this.client, 0)
    this.sender.flush()
    this.#socket.end()
    this.wheel.arm(this, this.limits.lingerMs)
  }

  /** For how long nothing need come. */
  get #restMs(): number {
    return this.#draining && this.#streams.size === 0 ? this.limits.lingerMs : this.#host.settings().defaultTimeoutMs
  }

  /** Says which stream is the last that is served, and closes when those that run are over. */
  #sayLast(): void {
    if (this.#goingAway || this.#state >= ENDING) return
    this.sender.outbox.goAway(this.#intake.lastStream, CODE.noError)
    this.finishUp()
  }

  #readPreface(bytes: Buffer, at: number, end: number): number {
    let from = at
    while (from < end && this.#prefaceRead < PREFACE.length) {
      if (bytes[from++] !== PREFACE[this.#prefaceRead++]) {
        this.fail(CODE.protocolError)
        return end
      }
    }
    if (this.#prefaceRead === PREFACE.length) {
      this.#state = OPEN
      this.wheel.arm(this, this.#host.settings().defaultTimeoutMs)
    }
    return from
  }

  #greet(): void {
    const { limits } = this
    this.sender.outbox.settings([
      [SETTING.maxConcurrentStreams, limits.streamsMax],
      [SETTING.initialWindowSize, limits.streamWindow],
      [SETTING.maxHeaderListSize, Math.min(WINDOW_MAX, this.#intake.listBytesMax)],
      [SETTING.enableConnectProtocol, 1],
      [SETTING.noRfc7540Priorities, 1],
    ])
    this.sendWindowUpdate(0, limits.connectionWindow - WINDOW_DEFAULT)
  }

  /** A turn of reading is over: bodies go on to their apps. */
  #endTurn(): void {
    this.#intake.endTurn()
    if (this.#state === OPEN) this.#timeHead()
    this.turn()
  }

  /** A head has one time from its first byte to its last, however it comes. */
  #timeHead(): void {
    const { reader, isInHead } = this.#intake
    if (isInHead && !reader.headTimed) {
      reader.headTimed = true
      this.wheel.arm(this, this.limits.headMs)
    } else if (!isInHead && !this.blocked) {
      reader.headTimed = false
      this.wheel.arm(this, this.#restMs)
    }
  }

  #drained(): void {
    if (!this.sender.drained()) return
    if (this.#state >= ENDING) {
      this.wheel.arm(this, this.limits.lingerMs)
      return
    }
    this.wheel.arm(this, this.#host.settings().defaultTimeoutMs)
    this.sender.pump()
  }

  #closeIfDone(): void {
    if (this.#state !== OPEN || this.#streams.size > 0 || !(this.#goingAway || this.#inputEnded)) return
    this.#state = ENDING
    this.sender.flush()
    this.#socket.end()
    this.wheel.arm(this, this.blocked ? this.limits.sendStallMs : this.limits.lingerMs)
  }

  /** Over TLS a client has ended its side: it can take nothing but what is under way. */
  #ended(): void {
    this.#inputEnded = true
    for (const stream of [...this.#streams.values()]) {
      // Nobody opens a window any more, whatever waits for one.
      const isStuck = stream.hasQueue && !this.blocked
      if (!stream.remoteEnded || isStuck) stream.lost('R47')
    }
    if (this.#state === PREFACE_STATE) this.destroy()
    else this.turn()
  }

  #closed(): void {
    this.#state = CLOSED
    this.wheel.disarm(this)
    for (const stream of [...this.#streams.values()]) stream.lost('R47')
    this.#host.closed(this)
  }

  /** A fault of ours costs this connection, not the worker. */
  #guard(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#crash(error)
    }
  }

  #crash(error: unknown): void {
    this.#host.failed(error)
    this.destroy()
  }
}
