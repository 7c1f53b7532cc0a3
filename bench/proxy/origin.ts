import { createHash } from 'node:crypto'
import { createServer, type Socket } from 'node:net'

// An app as cheap as one can be: it answers `/N` with N bytes, reads bodies by their Content-Length and echoes WebSocket messages. It never
// is what a run measures. `/stream/N` is made piece by piece, `/slow` reads its body at the pace that its query gives in bytes a second.
const answers = new Map<string, Buffer>()
const PIECE = Buffer.alloc(64 * 1024, 'x')

const server = createServer({ noDelay: true }, socket => {
  let text = ''
  let skip = 0
  let slow = 0
  let target = ''
  let close = false
  const answer = () => {
    if (target.startsWith('/stream/')) stream(socket, Number(target.slice(8)))
    else send(socket, target, close)
  }
  const read = (chunk: Buffer) => {
    let from = 0
    if (skip > 0) {
      from = Math.min(skip, chunk.length)
      skip -= from
      if (slow > 0) {
        socket.pause()
        setTimeout(() => socket.resume(), (from / slow) * 1000)
      }
      if (skip === 0) answer()
      if (from === chunk.length) return
    }
    text += chunk.toString('latin1', from)
    for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
      const head = text.slice(0, end)
      text = text.slice(end + 4)
      target = head.slice(head.indexOf(' ') + 1, head.indexOf(' HTTP'))
      close = head.includes('lose') && /\r\nconnection: close/i.test(head)
      if (target === '/websocket') {
        socket.off('data', read)
        echo(socket, head)
        return
      }
      slow = target.startsWith('/slow?') ? Number(target.slice(6)) : 0
      const length = head.includes('ength') ? Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0) : 0
      const here = Math.min(length, text.length)
      text = text.slice(here)
      skip = length - here
      if (skip === 0) answer()
    }
  }
  socket.on('error', () => {})
  socket.on('data', read)
})

function send(socket: Socket, target: string, close: boolean): void {
  const key = close ? `${target} close` : target
  let answer = answers.get(key)
  if (answer === undefined) {
    const size = Number(target.slice(1)) || 2
    const head = `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${size}\r\n${close ? 'Connection: close\r\n' : ''}\r\n`
    answer = Buffer.concat([Buffer.from(head), Buffer.alloc(size, 'x')])
    answers.set(key, answer)
  }
  if (close) socket.end(answer)
  else socket.write(answer)
}

function stream(socket: Socket, size: number): void {
  let left = size
  socket.write(`HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: ${size}\r\n\r\n`)
  const more = () => {
    while (left > 0) {
      const piece = left < PIECE.length ? PIECE.subarray(0, left) : PIECE
      left -= piece.length
      if (!socket.write(piece)) return
    }
    socket.off('drain', more)
  }
  socket.on('drain', more)
  more()
}

/** Sends each message back, unmasked (RFC 6455 §5.1); messages are short and come whole or in pieces. */
function echo(socket: Socket, head: string): void {
  const key = /\r\nsec-websocket-key: *([^\r]*)/i.exec(head)?.[1] ?? ''
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`)
  let kept = Buffer.alloc(0)
  socket.on('end', () => socket.end())
  socket.on('data', (chunk: Buffer) => {
    const bytes = kept.length === 0 ? chunk : Buffer.concat([kept, chunk])
    let at = 0
    while (at + 2 <= bytes.length) {
      const length = (bytes[at + 1] as number) & 127
      if (at + 6 + length > bytes.length) break
      const frame = Buffer.allocUnsafe(2 + length)
      frame[0] = bytes[at] as number
      frame[1] = length
      for (let index = 0; index < length; index++)
        frame[2 + index] = (bytes[at + 6 + index] as number) ^ (bytes[at + 2 + (index & 3)] as number)
      socket.write(frame)
      at += 6 + length
    }
    kept = Buffer.from(bytes.subarray(at))
  })
}

server.listen(0, '127.0.0.1', 4096, () => {
  const address = server.address()
  process.send?.({ port: address !== null && typeof address === 'object' ? address.port : 0 })
})
process.on('disconnect', () => process.exit(0))
