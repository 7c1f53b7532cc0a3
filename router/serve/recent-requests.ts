import type { RecentRequest } from '../../kernel/contract.ts'
import type { Exchange } from './exchange.ts'

/** How many exchanges are remembered, of one app and in all. */
export interface RecentLimits {
  readonly ofApp: number
  readonly inAll: number
}

// 16,000 entries take about 5 MB of a worker.
const DEFAULT_LIMITS: RecentLimits = { ofApp: 100, inAll: 16_000 }
const FIRST_COUNT = 10
// Of good exchanges so many are kept at once, then one in so many milliseconds: a busy app's last hundred would else be one blink, and would
// push out its failures; while of a page that somebody opens all is to be seen.
const GOOD_AT_ONCE = 50
const GOOD_EVERY_MS = 10
// And of all apps together, as a worker that serves a thousand of them would else write down every exchange, for 10 µs each (npm run bench -- routes).
const ALL_GOOD_AT_ONCE = 1000
const ALL_GOOD_EVERY_MS = 2

const PATH_BYTES = 160
const HOST_BYTES = 64
const CLIENT_BYTES = 46
const TEXT_BYTES = PATH_BYTES + HOST_BYTES + CLIENT_BYTES
// Places in an entry's numbers and words.
const ENDED_AT = 0
const STATUS = 1
const ATTEMPTS = 2
const BYTES = 3
const MS = 4
const UPSTREAM_MS = 5
const PATH_LENGTH = 6
const HOST_LENGTH = 7
const CLIENT_LENGTH = 8
const NUMBER_COUNT = 9
const METHOD = 0
const CODE = 1
const ENDPOINT = 2
const REQUEST_ID = 3
const TRACE_ID = 4
const WORD_COUNT = 5

/**
 * The last exchanges of each app in this worker: every failure, and of the good ones of a busy app a sample. Bytes are copied to buffers that are
 * there already, so an entry costs no allocation and keeps no request's memory alive.
 *
 * When all places are taken, an app that has not been asked for lately gives its ring to one that is.
 */
export class RecentRequests {
  readonly #limits: RecentLimits
  readonly #byApp = new Map<string, Ring>()
  readonly #rings: Ring[] = []
  #places = 0
  #nextGoodAt = Number.NEGATIVE_INFINITY
  #hand = 0

  constructor(limits: Partial<RecentLimits> = {}) {
    this.#limits = { ...DEFAULT_LIMITS, ...limits }
  }

  add(exchange: Exchange): void {
    const { route, endedAt } = exchange
    if (route === undefined) return
    const isGood = exchange.status < 400 && exchange.code === undefined
    if (isGood && this.#nextGoodAt > endedAt) return
    const ring = this.#byApp.get(route.app) ?? this.#ringFor(route.app, route.namespace)
    if (ring === undefined) return
    ring.isUsed = true
    if (isGood) {
      const nextAt = Math.max(ring.nextGoodAt, endedAt - GOOD_AT_ONCE * GOOD_EVERY_MS)
      if (nextAt > endedAt) return
      ring.nextGoodAt = nextAt + GOOD_EVERY_MS
      this.#nextGoodAt = Math.max(this.#nextGoodAt, endedAt - ALL_GOOD_AT_ONCE * ALL_GOOD_EVERY_MS) + ALL_GOOD_EVERY_MS
    }
    if (ring.count === ring.capacity && ring.capacity < this.#limits.ofApp) this.#grow(ring)
    ring.write(exchange)
  }

  /** Those of an app by its label, or of all apps of a namespace; the youngest first. */
  list(wanted: { readonly app?: string; readonly namespace?: string }): RecentRequest[] {
    return this.#rings
      .filter(({ app, namespace }) => app === (wanted.app ?? app) && namespace === (wanted.namespace ?? namespace))
      .flatMap(ring => ring.read())
      .sort((a, b) => (a.time > b.time ? -1 : 1))
  }

  #ringFor(app: string, namespace: string): Ring | undefined {
    const { ofApp, inAll } = this.#limits
    const count = Math.min(FIRST_COUNT, ofApp)
    if (count === 0) return undefined
    let ring: Ring
    if (this.#places + count <= inAll) {
      ring = new Ring(count)
      this.#rings.push(ring)
      this.#places += count
    } else {
      if (this.#rings.length === 0) return undefined
      ring = this.#leastUsed()
      this.#byApp.delete(ring.app)
    }
    ring.begin(app, namespace)
    this.#byApp.set(app, ring)
    return ring
  }

  /** The second-chance clock: it asks each ring but a few times, however many there are. */
  #leastUsed(): Ring {
    for (;;) {
      this.#hand = (this.#hand + 1) % this.#rings.length
      const ring = this.#rings[this.#hand] as Ring
      if (!ring.isUsed) return ring
      ring.isUsed = false
    }
  }

  #grow(ring: Ring): void {
    const more = Math.min(ring.capacity, this.#limits.ofApp - ring.capacity, this.#limits.inAll - this.#places)
    if (more <= 0) return
    ring.grow(ring.capacity + more)
    this.#places += more
  }
}

/** A piece of a longer text keeps all of that. */
function copyOf(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}

/** One app's entries in places that are used again and again. */
class Ring {
  app = ''
  namespace = ''
  isUsed = true
  /** From when on the next good exchange is kept. */
  nextGoodAt = Number.NEGATIVE_INFINITY
  count = 0
  capacity: number
  #next = 0
  #text: Buffer
  #numbers: Float64Array
  #words: string[]

  constructor(capacity: number) {
    this.capacity = capacity
    this.#text = Buffer.allocUnsafeSlow(capacity * TEXT_BYTES)
    this.#numbers = new Float64Array(capacity * NUMBER_COUNT)
    this.#words = new Array<string>(capacity * WORD_COUNT).fill('')
  }

  begin(app: string, namespace: string): void {
    this.app = app
    this.namespace = namespace
    this.isUsed = true
    this.nextGoodAt = Number.NEGATIVE_INFINITY
    this.count = 0
    this.#next = 0
  }

  write(exchange: Exchange): void {
    const { head } = exchange
    const place = this.#next
    this.#next = place + 1 === this.capacity ? 0 : place + 1
    if (this.count < this.capacity) this.count++
    const text = this.#text
    const at = place * TEXT_BYTES
    const queryAt = head.target.indexOf('?')
    const numbers = this.#numbers
    const n = place * NUMBER_COUNT
    const pathBytes = queryAt >= 0 && queryAt < PATH_BYTES ? queryAt : PATH_BYTES
    numbers[n + PATH_LENGTH] = text.write(head.target, at, pathBytes, 'latin1')
    numbers[n + HOST_LENGTH] = text.write(head.host, at + PATH_BYTES, HOST_BYTES, 'latin1')
    numbers[n + CLIENT_LENGTH] = text.write(exchange.origin.address, at + PATH_BYTES + HOST_BYTES, CLIENT_BYTES, 'latin1')
    numbers[n + ENDED_AT] = Date.now()
    numbers[n + STATUS] = exchange.status
    numbers[n + ATTEMPTS] = exchange.attempts
    numbers[n + BYTES] = exchange.bytesSent
    numbers[n + MS] = exchange.endedAt - exchange.startedAt
    numbers[n + UPSTREAM_MS] = exchange.upstreamAnsweredAt === 0 ? -1 : exchange.upstreamAnsweredAt - exchange.upstreamAt
    const words = this.#words
    const w = place * WORD_COUNT
    // So short a piece is a copy, and does not keep the whole head.
    words[w + METHOD] = head.method.length > 12 ? head.method.slice(0, 12) : head.method
    words[w + CODE] = exchange.code ?? ''
    words[w + ENDPOINT] = exchange.endpoint?.key ?? ''
    words[w + REQUEST_ID] = copyOf(exchange.requestId)
    words[w + TRACE_ID] = exchange.traceId
  }

  /** From the youngest on. */
  read(): RecentRequest[] {
    return Array.from({ length: this.count }, (_, age) => this.#entry((this.#next - 1 - age + this.capacity * 2) % this.capacity))
  }

  grow(capacity: number): void {
    // Full, so the oldest stands where the next would: put in order, the new places follow.
    const order = Array.from({ length: this.count }, (_, index) => (this.#next + index) % this.capacity)
    const text = Buffer.allocUnsafeSlow(capacity * TEXT_BYTES)
    const numbers = new Float64Array(capacity * NUMBER_COUNT)
    const words = new Array<string>(capacity * WORD_COUNT).fill('')
    for (const [to, from] of order.entries()) {
      this.#text.copy(text, to * TEXT_BYTES, from * TEXT_BYTES, (from + 1) * TEXT_BYTES)
      numbers.set(this.#numbers.subarray(from * NUMBER_COUNT, (from + 1) * NUMBER_COUNT), to * NUMBER_COUNT)
      for (let word = 0; word < WORD_COUNT; word++) words[to * WORD_COUNT + word] = this.#words[from * WORD_COUNT + word] as string
    }
    this.#text = text
    this.#numbers = numbers
    this.#words = words
    this.#next = this.count
    this.capacity = capacity
  }

  #entry(place: number): RecentRequest {
    const number = (which: number) => this.#numbers[place * NUMBER_COUNT + which] as number
    const word = (which: number) => this.#words[place * WORD_COUNT + which] as string
    const text = (at: number, length: number) => this.#text.toString('latin1', place * TEXT_BYTES + at, place * TEXT_BYTES + at + length)
    const optional = { code: word(CODE), endpoint: word(ENDPOINT), requestId: word(REQUEST_ID), traceId: word(TRACE_ID) }
    return {
      time: new Date(number(ENDED_AT)).toISOString(),
      app: this.app,
      client: text(PATH_BYTES + HOST_BYTES, number(CLIENT_LENGTH)),
      method: word(METHOD),
      host: text(PATH_BYTES, number(HOST_LENGTH)),
      path: text(0, number(PATH_LENGTH)),
      status: number(STATUS),
      attempts: number(ATTEMPTS),
      bytes: number(BYTES),
      seconds: Math.round(number(MS)) / 1000,
      ...(number(UPSTREAM_MS) >= 0 && { upstreamSeconds: Math.round(number(UPSTREAM_MS)) / 1000 }),
      ...(Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== '')) as Partial<typeof optional>),
    }
  }
}
