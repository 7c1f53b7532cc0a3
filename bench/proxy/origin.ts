import { createServer, type Socket } from 'node:net'

// An app as cheap as one can be: it answers `/N` with N bytes and reads bodies by their Content-Length. It never is what a run measures.
const answers = new Map<string, Buffer>()

const server = createServer({ noDelay: true }, socket => {
  let text = ''
  let skip = 0
  socket.on('error', () => {})
  socket.on('data', (chunk: Buffer) => {
    let from = 0
    if (skip > 0) {
      from = Math.min(skip, chunk.length)
      skip -= from
      if (skip === 0) send(socket, '/2')
      if (from === chunk.length) return
    }
    text += chunk.toString('latin1', from)
    for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
      const head = text.slice(0, end)
      text = text.slice(end + 4)
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0)
      const here = Math.min(length, text.length)
      text = text.slice(here)
      skip = length - here
      if (skip === 0) send(socket, head.slice(head.indexOf(' ') + 1, head.indexOf(' HTTP')))
    }
  })
})

function send(socket: Socket, target: string): void {
  let answer = answers.get(target)
  if (answer === undefined) {
    const size = Number(target.slice(1)) || 2
    answer = Buffer.concat([
      Buffer.from(`HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${size}\r\n\r\n`),
      Buffer.alloc(size, 'x'),
    ])
    answers.set(target, answer)
  }
  socket.write(answer)
}

server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  process.send?.({ port: address !== null && typeof address === 'object' ? address.port : 0 })
})
process.on('disconnect', () => process.exit(0))
