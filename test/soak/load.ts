import { createHash, randomBytes } from 'node:crypto'
import { Agent, createServer, type IncomingMessage, request } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'

/** Every kind of client at once, and the app that they talk to. */
export interface Load extends AsyncDisposable {
  readonly appPort: number
  /** Exchanges that ended as they should. */
  readonly count: number
  readonly opened: number
  readonly faults: string[]
  start(): void
  /** Lets what runs end; returns when all connections are closed. */
  stop(): Promise<void>
  fail(fault: string): void
  /** Whether a host is the app's within a few seconds. */
  isServed(host: string): Promise<boolean>
}

const BIG = randomBytes(300_000)
const HOST = 'Host: shop.test\r\n'
const WEBSOCKET = `GET /ws HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`
const FAULTS_MAX = 100

export async function startLoad(port: number): Promise<Load> {
  const app = createServer(serve)
  app.on('upgrade', (_incoming, socket: Socket) => {
    socket.on('error', () => {})
    socket.on('end', () => socket.end())
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    socket.pipe(socket)
  })
  await new Promise<void>(resolve => app.listen(0, '127.0.0.1', resolve))
  const agents = [new Agent({ keepAlive: true, maxSockets: 10 })]
  const faults: string[] = []
  const running = new Set<Promise<void>>()
  const timers: NodeJS.Timeout[] = []
  const sockets = new Set<Socket>()
  const totals = { count: 0, opened: 0 }
  let isStopping = false

  const fail = (fault: string) => void (faults.length < FAULTS_MAX && faults.push(fault))
  const open = () => {
    const socket = connect(port, '127.0.0.1')
    totals.opened++
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    return socket
  }
  /** Starts so many of one kind each second. */
  const each = (perSecond: number, name: string, work: () => Promise<void>) => {
    timers.push(
      setInterval(() => {
        const one = work()
          .then(
            () => void totals.count++,
            error => fail(`${name}: ${(error as Error).message}`),
          )
          .finally(() => running.delete(one))
        running.add(one)
      }, 1000 / perSecond),
    )
  }

  const isServed = async (host: string): Promise<boolean> => {
    for (let attempt = 0; attempt < 20; attempt++) {
      const isAnswered = await ask(port, '/small', false, undefined, false, host).then(
        () => true,
        () => false,
      )
      if (isAnswered) return true
      await new Promise(resolve => setTimeout(resolve, 100))
    }
    return false
  }

  return {
    appPort: (app.address() as AddressInfo).port,
    get count() {
      return totals.count
    },
    get opened() {
      return totals.opened
    },
    faults,
    fail,
    start() {
      each(40, 'a request on a new connection', () => ask(port, '/small', false))
      each(60, 'a request on a kept connection', () => ask(port, '/small', agents[0]!))
      each(10, 'a large answer', () => ask(port, '/big', agents[0]!))
      each(5, 'an event stream', () => ask(port, '/events', false))
      each(5, 'an upload', () =>
        ask(port, '/upload', agents[0]!, randomBytes(1 + Math.floor(Math.random() * 500_000)), Math.random() < 0.5),
      )
      each(2, 'a WebSocket', () => talk(open(), () => isStopping))
      each(10, 'a client that goes', () => leave(open()))
      each(5, 'nonsense', () => nonsense(open()))
      each(5, 'a pipeline', () => pipeline(open()))
      // A new agent now and then: its connections close, others open.
      timers.push(
        setInterval(() => {
          const old = agents[0]!
          agents[0] = new Agent({ keepAlive: true, maxSockets: 10 })
          setTimeout(() => old.destroy(), 5000)
        }, 20_000),
      )
    },
    async stop() {
      isStopping = true
      for (const timer of timers) clearInterval(timer)
      await Promise.all(running)
      for (const agent of agents) agent.destroy()
      for (const socket of sockets) socket.destroy()
    },
    isServed,
    async [Symbol.asyncDispose]() {
      app.close()
      app.closeAllConnections()
    },
  }
}

function serve(incoming: IncomingMessage, response: import('node:http').ServerResponse): void {
  if (incoming.url === '/big') response.end(BIG)
  else if (incoming.url === '/events') {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    let left = 5
    const timer = setInterval(() => {
      response.write(`data: ${left}\n\n`)
      if (--left === 0) response.end()
    }, 100)
    response.on('close', () => clearInterval(timer))
  } else if (incoming.url === '/upload') {
    const hash = createHash('sha1')
    incoming.on('error', () => {})
    incoming.on('data', chunk => hash.update(chunk))
    incoming.on('end', () => response.end(hash.digest('hex')))
  } else response.end('small')
}

/** One exchange; rejects unless the answer is the right one. */
function ask(port: number, path: string, agent: Agent | false, body?: Buffer, isChunked = false, host = 'shop.test'): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { host, ...(body !== undefined && !isChunked && { 'content-length': body.length }) }
    const outgoing = request({ port, host: '127.0.0.1', path, agent, method: body === undefined ? 'GET' : 'PUT', headers, timeout: 20_000 })
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in 20 s')))
    // The agent's connection may have been closed meanwhile; that is the client's to repeat.
    outgoing.on('error', (error: NodeJS.ErrnoException) =>
      outgoing.reusedSocket && error.code === 'ECONNRESET' ? resolve() : reject(error),
    )
    outgoing.on('response', incoming => {
      const parts: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => parts.push(chunk))
      incoming.on('error', reject)
      incoming.on('end', () => {
        const got = Buffer.concat(parts)
        const isRight =
          path === '/big'
            ? got.equals(BIG)
            : path === '/upload'
              ? got.toString() === createHash('sha1').update(body!).digest('hex')
              : path === '/events'
                ? got.toString().split('data:').length === 6
                : got.toString() === 'small'
        if (incoming.statusCode === 200 && isRight) resolve()
        else reject(new Error(`${path}: ${incoming.statusCode}, ${got.length} bytes`))
      })
    })
    outgoing.end(body)
  })
}

/** Opens a WebSocket, talks for a while, closes it. */
async function talk(socket: Socket, isStopping: () => boolean): Promise<void> {
  const reader = readerOf(socket)
  socket.write(WEBSOCKET)
  await reader.until('\r\n\r\n')
  const lines = 3 + Math.floor(Math.random() * 40)
  for (let line = 0; line < lines && !isStopping(); line++) {
    const words = `line ${line} of ${lines}.`
    socket.write(words)
    await reader.until(words)
    await new Promise(resolve => setTimeout(resolve, 250))
  }
  socket.end()
  await reader.ended
}

/** Goes away at any moment: before the head is whole, in the middle of an upload, of an answer, of a WebSocket. */
async function leave(socket: Socket): Promise<void> {
  const reader = readerOf(socket)
  const kind = Math.floor(Math.random() * 5)
  if (kind === 0) socket.write('GET /small HTTP/1.1\r\nHost: sh')
  else if (kind === 1) socket.write(`PUT /upload HTTP/1.1\r\n${HOST}Content-Length: 1000000\r\n\r\n${'x'.repeat(50_000)}`)
  else if (kind === 2) socket.write(`GET /big HTTP/1.1\r\n${HOST}\r\n`)
  else if (kind === 3) socket.write(`GET /events HTTP/1.1\r\n${HOST}\r\n`)
  else socket.write(WEBSOCKET)
  if (kind > 1) await reader.until('\r\n\r\n')
  else await new Promise(resolve => setTimeout(resolve, 30))
  if (Math.random() < 0.5) socket.resetAndDestroy()
  else socket.destroy()
}

/** What is no HTTP gets a 400 and an end. */
async function nonsense(socket: Socket): Promise<void> {
  const reader = readerOf(socket)
  socket.write(
    [
      '\x16\x03\x01\x02\0\x01',
      'GET / HTTP/1.1\nHost: shop.test\n\n',
      `GET / HTTP/1.1\r\n${HOST}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`,
    ][Math.floor(Math.random() * 3)]!,
  )
  await reader.until('HTTP/1.1 400 ')
  await reader.ended
  socket.destroy()
}

async function pipeline(socket: Socket): Promise<void> {
  const reader = readerOf(socket)
  const count = 1 + Math.floor(Math.random() * 100)
  for (let sent = 1; sent < count; sent++) socket.write(`GET /small HTTP/1.1\r\n${HOST}\r\n`)
  socket.write(`GET /small HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`)
  await reader.ended
  const answers = reader.text().split('HTTP/1.1 200 OK').length - 1
  socket.destroy()
  if (answers !== count) throw new Error(`${answers} answers to ${count} requests`)
}

function readerOf(socket: Socket) {
  let text = ''
  let wake = () => {}
  let isOver = false
  socket.setTimeout(20_000, () => socket.destroy())
  const ended = new Promise<void>(resolve => {
    const over = () => {
      isOver = true
      wake()
      resolve()
    }
    socket.on('end', over)
    socket.on('error', over)
    socket.on('close', over)
  })
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
    wake()
  })
  return {
    ended,
    text: () => text,
    async until(part: string): Promise<void> {
      while (!text.includes(part)) {
        if (isOver) throw new Error(`the connection ended before ${JSON.stringify(part.slice(0, 30))}: ${JSON.stringify(text.slice(-80))}`)
        await new Promise<void>(resolve => {
          wake = resolve
        })
      }
    },
  }
}
