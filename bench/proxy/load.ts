import { connect, type Socket } from 'node:net'
import { createSecureContext, type SecureContext, connect as tlsConnect } from 'node:tls'

/** What the load generator is told. */
export type LoadOrder =
  /** Closed loops: each connection sends a request, waits for the whole answer, and sends the next. */
  | (Target & Work & { readonly kind: 'keep-alive'; readonly connections: number; readonly durationMs: number })
  /** A new connection for each request, so many at a time. */
  | (Target & Work & { readonly kind: 'connect'; readonly connections: number; readonly durationMs: number })
  /** Each connection sends a WebSocket message, waits for its echo, and sends the next. */
  | (Target & { readonly kind: 'websocket'; readonly connections: number; readonly durationMs: number; readonly messageBytes: number })
  /** An open loop: requests leave when they are due, whether others were answered or not. */
  | (Target & Work & { readonly kind: 'paced'; readonly connections: number; readonly durationMs: number; readonly perSecond: number })
  /** Opens connections, one request each, and keeps them open until the next order. */
  | (Target & Work & { readonly kind: 'hold'; readonly connections: number })
  | { readonly kind: 'release' }
  /** Takes one answer no faster than this. */
  | (Target & Work & { readonly kind: 'download'; readonly bytesPerSecond: number })
  /** Sends one body as fast as it is taken. */
  | (Target & { readonly kind: 'upload'; readonly head: string; readonly bodyBytes: number })

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3'

interface Target {
  readonly port: number
  /** The one version that is spoken; absent: no TLS. */
  readonly tls?: TlsVersion
  /** Whether TLS sessions are resumed; the first connection of the process begins one, and whoever then resumes none has failed. */
  readonly resume?: boolean
}

interface Work {
  /** Whole requests as latin1, taken in turn. */
  readonly requests: readonly string[]
  /** Bytes of one answer's body. */
  readonly bodyBytes: number
}

/** What it found. */
export interface LoadResult {
  readonly requests: number
  readonly errors: number
  readonly seconds: number
  /** Of a paced order: from when a request was due to the end of its answer, in milliseconds. */
  readonly percentiles?: { readonly p50: number; readonly p99: number; readonly p999: number }
}

const held = new Set<Socket>()

process.on('message', (order: LoadOrder) => {
  const began = performance.now()
  void run(order).then(result => process.send?.({ ...result, seconds: (performance.now() - began) / 1000 } satisfies LoadResult))
})
process.on('disconnect', () => process.exit(0))
process.send?.({ port: 0 })

type Found = Omit<LoadResult, 'seconds'>

function run(order: LoadOrder): Promise<Found> {
  switch (order.kind) {
    case 'keep-alive':
      return runLoops(order)
    case 'connect':
      return runConnects(order)
    case 'websocket':
      return runMessages(order)
    case 'paced':
      return runPaced(order)
    case 'hold':
      return hold(order)
    case 'download':
      return download(order)
    case 'upload':
      return upload(order)
    case 'release':
      for (const socket of held) socket.destroy()
      held.clear()
      return Promise.resolve({ requests: 0, errors: 0 })
  }
}

type Order<Kind> = Extract<LoadOrder, { readonly kind: Kind }>

async function runLoops(order: Order<'keep-alive'>): Promise<Found> {
  const found = { requests: 0, errors: 0 }
  const requests = order.requests.map(request => Buffer.from(request, 'latin1'))
  let turn = 0
  const next = () => requests[turn++ % requests.length] as Buffer
  const until = performance.now() + order.durationMs
  await Promise.all(
    Array.from({ length: order.connections }, () =>
      open(order, socket => {
        const reader = new AnswerReader(order.bodyBytes)
        return {
          ready: () => socket.write(next()),
          read: (bytes, end) => {
            const whole = reader.read(bytes, end)
            if (whole < 0) {
              found.errors++
              socket.destroy()
            } else if (whole > 0) {
              found.requests++
              if (performance.now() < until) socket.write(next())
              else socket.destroy()
            }
          },
          failed: () => found.errors++,
        }
      }),
    ),
  )
  return found
}

async function runConnects(order: Order<'connect'>): Promise<Found> {
  const found = { requests: 0, errors: 0 }
  const bytes = Buffer.from(order.requests[0] as string, 'latin1')
  const until = performance.now() + order.durationMs
  const loop = async () => {
    while (performance.now() < until) {
      await open(order, socket => {
        const reader = new AnswerReader(order.bodyBytes)
        let answered = false
        return {
          ready: () => socket.write(bytes),
          read: (chunk, end) => {
            const whole = reader.read(chunk, end)
            if (whole < 0) found.errors++
            if (whole !== 0) {
              answered = true
              found.requests++
              socket.destroy()
            }
          },
          failed: () => {
            if (!answered) found.errors++
          },
        }
      })
    }
  }
  await Promise.all(Array.from({ length: order.connections }, loop))
  return found
}

async function runMessages(order: Order<'websocket'>): Promise<Found> {
  const found = { requests: 0, errors: 0 }
  const { messageBytes } = order
  const message = Buffer.alloc(6 + messageBytes, 'x')
  // One binary frame under a mask of zeros.
  message.set([0x82, 0x80 | messageBytes, 0, 0, 0, 0])
  const until = performance.now() + order.durationMs
  await Promise.all(
    Array.from({ length: order.connections }, () =>
      open(order, socket => {
        let upgraded = false
        let left = 0
        return {
          ready: () => socket.write(UPGRADE),
          read: (bytes, end) => {
            if (!upgraded) {
              if (bytes.toString('latin1', 0, 12) !== 'HTTP/1.1 101' || bytes.toString('latin1', end - 4, end) !== '\r\n\r\n') {
                found.errors++
                socket.destroy()
                return
              }
              upgraded = true
            } else {
              left -= end
              if (left > 0) return
              if (left < 0) found.errors++
              found.requests++
            }
            left = 2 + messageBytes
            if (performance.now() < until) socket.write(message)
            else socket.destroy()
          },
          failed: () => found.errors++,
        }
      }),
    ),
  )
  return found
}

const UPGRADE =
  'GET /websocket HTTP/1.1\r\nHost: app-0.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'

async function runPaced(order: Order<'paced'>): Promise<Found> {
  const found = { requests: 0, errors: 0 }
  const request = Buffer.from(order.requests[0] as string, 'latin1')
  const tookMs: number[] = []
  const free: { socket: Socket; due: number }[] = []
  const waiting: number[] = []
  const sockets: Socket[] = []
  let underWay = 0
  let opened = 0
  let done: () => void = () => {}
  const closed = Array.from({ length: order.connections }, () =>
    open(order, socket => {
      const reader = new AnswerReader(order.bodyBytes)
      const line = { socket, due: 0 }
      sockets.push(socket)
      return {
        ready: () => {
          free.push(line)
          if (++opened === order.connections) done()
        },
        read: (bytes, end) => {
          const whole = reader.read(bytes, end)
          if (whole === 0) return
          if (whole < 0) found.errors++
          tookMs.push(performance.now() - line.due)
          found.requests++
          const due = waiting.shift()
          if (due === undefined) {
            underWay--
            free.push(line)
          } else {
            line.due = due
            socket.write(request)
          }
        },
        failed: () => found.errors++,
      }
    }),
  )
  await new Promise<void>(resolve => {
    done = resolve
  })
  const began = performance.now()
  const gapMs = 1000 / order.perSecond
  let sent = 0
  // The loop spins: a timer would let requests leave a millisecond late, all at once.
  await new Promise<void>(resolve => {
    const spin = () => {
      const now = performance.now()
      if (now - began > order.durationMs) {
        if (underWay === 0 || now - began > order.durationMs + 5000) resolve()
        else setImmediate(spin)
        return
      }
      for (let due = began + sent * gapMs; due <= now; due = began + ++sent * gapMs) {
        const line = free.pop()
        if (line === undefined) waiting.push(due)
        else {
          underWay++
          line.due = due
          line.socket.write(request)
        }
      }
      setImmediate(spin)
    }
    spin()
  })
  for (const socket of sockets) socket.destroy()
  await Promise.all(closed)
  tookMs.sort((a, b) => a - b)
  const at = (share: number) => tookMs[Math.min(tookMs.length - 1, Math.floor(tookMs.length * share))] ?? Number.NaN
  return { ...found, percentiles: { p50: at(0.5), p99: at(0.99), p999: at(0.999) } }
}

async function hold(order: Order<'hold'>): Promise<Found> {
  const found = { requests: 0, errors: 0 }
  const request = Buffer.from(order.requests[0] as string, 'latin1')
  let left = order.connections
  const openOne = () =>
    new Promise<void>(resolve => {
      void open(order, socket => {
        const reader = new AnswerReader(order.bodyBytes)
        held.add(socket)
        return {
          ready: () => socket.write(request),
          read: (bytes, end) => {
            if (reader.read(bytes, end) === 0) return
            found.requests++
            resolve()
          },
          failed: () => {
            found.errors++
            resolve()
          },
        }
      })
    })
  const loop = async () => {
    while (left-- > 0) await openOne()
  }
  await Promise.all(Array.from({ length: 32 }, loop))
  return found
}

async function download(order: Order<'download'>): Promise<Found> {
  const found = { requests: 0, errors: 0 }
  await open(order, socket => {
    const reader = new AnswerReader(order.bodyBytes)
    return {
      ready: () => socket.write(order.requests[0] as string, 'latin1'),
      read: (bytes, end) => {
        const whole = reader.read(bytes, end)
        if (whole === 0) {
          socket.pause()
          setTimeout(() => socket.resume(), (end / order.bytesPerSecond) * 1000)
          return
        }
        if (whole > 0) found.requests++
        else found.errors++
        socket.destroy()
      },
      failed: () => found.errors++,
    }
  })
  return found
}

async function upload(order: Order<'upload'>): Promise<Found> {
  const found = { requests: 0, errors: 0 }
  const piece = Buffer.alloc(256 * 1024, 'x')
  await open(order, socket => {
    let left = order.bodyBytes
    const send = () => {
      while (left > 0) {
        const bytes = left < piece.length ? piece.subarray(0, left) : piece
        left -= bytes.length
        if (!socket.write(bytes)) return
      }
    }
    socket.on('drain', send)
    const reader = new AnswerReader(2)
    return {
      ready: () => {
        socket.write(order.head, 'latin1')
        send()
      },
      read: (bytes, end) => {
        if (reader.read(bytes, end) > 0 && left === 0) found.requests++
        else found.errors++
        socket.destroy()
      },
      failed: () => found.errors++,
    }
  })
  return found
}

interface Handler {
  ready(): void
  /** The bytes are valid only during the call. */
  read(bytes: Buffer, end: number): void
  failed(): void
}

const memory = Buffer.allocUnsafeSlow(256 * 1024)
/** By port and version. */
const sessions = new Map<string, Buffer>()
const contexts = new Map<TlsVersion, SecureContext>()

// Else each peer would take what its own OpenSSL likes best: here a post-quantum exchange of keys, there none, and this or that cipher.
const OFFER = { ecdhCurve: 'X25519:P-256', ciphers: 'TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256', ca: [] }

function contextOf(version: TlsVersion): SecureContext {
  let context = contexts.get(version)
  if (context === undefined) {
    context = createSecureContext({ ...OFFER, minVersion: version, maxVersion: version })
    contexts.set(version, context)
  }
  return context
}

/** Opens a connection; resolves when it has closed. */
function open({ port, tls, resume }: Target, create: (socket: Socket) => Handler): Promise<void> {
  return new Promise(resolve => {
    let handler: Handler | undefined
    const ready = () => handler?.ready()
    let socket: Socket
    if (tls) {
      const key = `${port} ${tls}`
      const session = resume ? sessions.get(key) : undefined
      const options = { port, host: '127.0.0.1', servername: 'app-0.test', rejectUnauthorized: false, secureContext: contextOf(tls) }
      const secured = tlsConnect({ ...options, ...(session && { session }) }, () => {
        const isAsked = secured.getProtocol() === tls && secured.isSessionReused() === (session !== undefined)
        if (!isAsked) handler?.failed()
        ready()
      })
      if (resume && !session) secured.once('session', (begun: Buffer) => sessions.set(key, begun))
      socket = secured
      socket.on('data', (chunk: Buffer) => handler?.read(chunk, chunk.length))
      socket.setNoDelay(true)
    } else {
      const callback = (length: number) => {
        handler?.read(memory, length)
        return true
      }
      socket = connect({ port, host: '127.0.0.1', noDelay: true, onread: { buffer: memory, callback } }, ready)
    }
    handler = create(socket)
    socket.on('error', () => handler?.failed())
    socket.on('close', () => {
      held.delete(socket)
      resolve()
    })
  })
}

/** Finds the end of each answer of a connection. */
class AnswerReader {
  readonly #bodyBytes: number
  #left = 0
  #head = ''

  constructor(bodyBytes: number) {
    this.#bodyBytes = bodyBytes
  }

  /** Returns 1 at the end of an answer, 0 before it, and -1 for what is not the answer that was asked for. */
  read(bytes: Buffer, end: number): number {
    if (this.#left === 0) {
      let headEnd: number
      if (this.#head === '') {
        const start = bytes.toString('latin1', 0, Math.min(end, 1024))
        headEnd = start.indexOf('\r\n\r\n')
        if (!start.startsWith('HTTP/1.1 200')) return -1
        if (headEnd < 0) {
          this.#head = start
          return 0
        }
      } else {
        const before = this.#head.length
        this.#head += bytes.toString('latin1', 0, Math.min(end, 1024))
        headEnd = this.#head.indexOf('\r\n\r\n') - before
        if (headEnd < -3) return this.#head.length > 8192 ? -1 : 0
        this.#head = ''
      }
      this.#left = this.#bodyBytes - (end - headEnd - 4)
    } else this.#left -= end
    return this.#left === 0 ? 1 : this.#left > 0 ? 0 : -1
  }
}
