import { connect } from 'node:net'

/** What the load generator is told. */
export interface LoadOrder {
  readonly port: number
  readonly connections: number
  readonly durationMs: number
  /** One whole request, as latin1. */
  readonly request: string
  /** Bytes of one whole answer's body. */
  readonly bodyBytes: number
}

/** What it found. */
export interface LoadResult {
  readonly requests: number
  readonly errors: number
}

// Each connection sends a request, counts the bytes of its answer, and sends the next.
process.on('message', (order: LoadOrder) => {
  void run(order).then(result => process.send?.(result))
})
process.on('disconnect', () => process.exit(0))
process.send?.({ port: 0 })

async function run({ port, connections, durationMs, request, bodyBytes }: LoadOrder): Promise<LoadResult> {
  let requests = 0
  let errors = 0
  const bytes = Buffer.from(request, 'latin1')
  const until = performance.now() + durationMs
  await Promise.all(
    Array.from(
      { length: connections },
      () =>
        new Promise<void>(resolve => {
          let answerBytes = 0
          let seen = 0
          const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => socket.write(bytes))
          socket.on('data', (chunk: Buffer) => {
            if (answerBytes === 0) {
              // Every answer of a run is alike, so its head is measured once.
              const end = chunk.indexOf('\r\n\r\n')
              if (end < 0 || !chunk.subarray(0, 12).equals(OK)) {
                errors++
                socket.destroy()
                return
              }
              answerBytes = end + 4 + bodyBytes
            }
            seen += chunk.length
            if (seen < answerBytes) return
            seen -= answerBytes
            requests++
            if (performance.now() < until) socket.write(bytes)
            else socket.destroy()
          })
          socket.on('error', () => errors++)
          socket.on('close', () => resolve())
        }),
    ),
  )
  return { requests, errors }
}

const OK = Buffer.from('HTTP/1.1 200')
