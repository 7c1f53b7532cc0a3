import { createServer, request as httpRequest, METHODS } from 'node:http'
import type { Socket } from 'node:net'
import { type Duplex, duplexPair } from 'node:stream'
import { BodyReader, UNTIL_CLOSE } from '../../router/http1/body.ts'
import { HEAD_INCOMPLETE, HeadBuffer } from '../../router/http1/head-buffer.ts'
import { parseRequestHead } from '../../router/http1/request-head.ts'
import { parseResponseHead } from '../../router/http1/response-head.ts'

const HEAD_BYTES_MAX = 128 * 1024
const LIMITS = { requestLineBytesMax: 16 * 1024, fieldCountMax: 200 }

/** What a reader made of a client's bytes. */
export interface Requests {
  /** Method, target, host and body of each complete request. */
  readonly messages: readonly string[]
  /** Where the last of them ends. */
  readonly end: number
  readonly refused: boolean
  /** A method that llhttp does not know, so nothing behind it can be compared. */
  readonly foreign: boolean
}

/** What a reader made of an app's bytes as the answer to one request. */
export interface Answer {
  readonly interims: readonly number[]
  /** 0: no final head was taken. */
  readonly status: number
  readonly body: string
  readonly whole: boolean
  /** Where a whole one ends; behind it stand bytes of nobody. */
  readonly end: number
  readonly refused: boolean
}

/** Our reading of requests that come in pieces, as `Connection` does it. */
export function readRequests(bytes: Buffer, cuts: readonly number[]): Requests {
  const messages: string[] = []
  const heads = new HeadBuffer()
  const body = new BodyReader()
  let end = 0
  let line = ''
  let payload = ''
  let keepAlive = true
  let from = 0
  const sink = { payload: (source: Buffer, start: number, stop: number) => void (payload += source.toString('latin1', start, stop)) }
  const outcome = (refused: boolean, foreign = false) => ({ messages, end, refused, foreign })
  for (const to of cuts) {
    for (let at = from; at < to; ) {
      if (line === '') {
        const next = heads.take(bytes, at, to, HEAD_BYTES_MAX)
        if (next === HEAD_INCOMPLETE) break
        if (next < 0) return outcome(true)
        const head = parseRequestHead(heads.text(), LIMITS)
        if (typeof head === 'string') return outcome(true)
        if (!METHODS.includes(head.method)) return outcome(false, true)
        at = next
        line = `${head.method} ${head.target} ${head.host}`
        payload = ''
        keepAlive = head.keepAlive
        body.start(head.length)
      } else {
        at = body.read(bytes, at, to, sink)
        if (at < 0) return outcome(true)
      }
      if (!body.done) continue
      messages.push(`${line} ${JSON.stringify(payload)}`)
      end = at
      line = ''
      if (!keepAlive) return outcome(false)
    }
    from = to
  }
  return outcome(false)
}

/** Our reading of an answer that comes in pieces and is followed by the end of the connection, as `UpstreamConnection` does it. */
export function readAnswer(bytes: Buffer, cuts: readonly number[], method: string): Answer {
  const heads = new HeadBuffer()
  const body = new BodyReader()
  const interims: number[] = []
  let status = 0
  let length = 0
  let payload = ''
  let end = 0
  let from = 0
  const sink = { payload: (source: Buffer, start: number, stop: number) => void (payload += source.toString('latin1', start, stop)) }
  const outcome = (whole: boolean, refused: boolean) => ({ interims, status, body: payload, whole, end: whole ? end : 0, refused })
  for (const to of cuts) {
    for (let at = from; at < to; end = at) {
      if (status === 0) {
        const next = heads.take(bytes, at, to, HEAD_BYTES_MAX)
        if (next === HEAD_INCOMPLETE) break
        if (next < 0) return outcome(false, true)
        const head = parseResponseHead(heads.text(), method)
        if (head === undefined || head.status === 101) return outcome(false, true)
        at = next
        if (head.status < 200) {
          interims.push(head.status)
          if (interims.length > 16) return outcome(false, true)
          continue
        }
        status = head.status
        length = head.length
        body.start(length)
      } else {
        at = body.read(bytes, at, to, sink)
        if (at < 0) return outcome(false, true)
      }
      end = at
      if (body.done) return outcome(true, false)
    }
    from = to
  }
  return outcome(status > 0 && length === UNTIL_CLOSE, false)
}

/** What Node's server (llhttp, strict) reads out of whole messages that are followed by the end of the connection. */
export async function readRequestsByNode(bytes: Buffer): Promise<string[]> {
  const messages: string[] = []
  const [client, socket] = duplexPair()
  const server = createServer(
    { requireHostHeader: false, insecureHTTPParser: false, maxHeaderSize: HEAD_BYTES_MAX },
    (incoming, response) => {
      let payload = ''
      incoming.on('data', (chunk: Buffer) => {
        payload += chunk.toString('latin1')
      })
      incoming.on('end', () => {
        messages.push(
          `${incoming.method} ${originForm(incoming.url ?? '', incoming.method)} ${plainHost(incoming.headers.host)} ${JSON.stringify(payload)}`,
        )
        response.end()
      })
    },
  )
  server.on('checkContinue', (incoming, response) => server.emit('request', incoming, response))
  await new Promise<void>(resolve => {
    server.on('clientError', (error: NodeJS.ErrnoException) => {
      messages.push(`refused: ${error.code}`)
      resolve()
    })
    client.on('error', () => resolve())
    client.on('end', () => setImmediate(resolve))
    client.resume()
    server.emit('connection', socket as unknown as Socket)
    client.end(bytes)
  })
  client.destroy()
  socket.destroy()
  return messages
}

/** What Node's client (llhttp, strict) reads out of an answer that is followed by the end of the connection. */
export async function readAnswerByNode(bytes: Buffer, method: string): Promise<Pick<Answer, 'interims' | 'status' | 'body' | 'whole'>> {
  const [app, socket] = duplexPair()
  const interims: number[] = []
  const answer = { interims, status: 0, body: '', whole: false }
  await new Promise<void>(resolve => {
    const outgoing = httpRequest({
      ...{ method, path: '/', insecureHTTPParser: false, maxHeaderSize: HEAD_BYTES_MAX },
      createConnection: () => socket as Duplex as Socket,
    })
    outgoing.on('information', info => interims.push(info.statusCode))
    outgoing.on('error', () => resolve())
    outgoing.on('close', () => resolve())
    outgoing.on('response', incoming => {
      answer.status = incoming.statusCode ?? 0
      incoming.on('data', (chunk: Buffer) => {
        answer.body += chunk.toString('latin1')
      })
      incoming.on('error', () => {})
      incoming.on('close', () => {
        answer.whole = incoming.complete
        resolve()
      })
    })
    outgoing.end()
    app.resume()
    app.once('data', () => app.end(bytes))
  })
  app.destroy()
  socket.destroy()
  return answer
}

function originForm(url: string, method: string | undefined): string {
  const target = url.replace(/^https?:\/\/[^/?]+/i, '')
  if (target === '' && url !== '') return method === 'OPTIONS' ? '*' : '/'
  return target.startsWith('?') ? `/${target}` : target
}

function plainHost(host = ''): string {
  return host.toLowerCase().replace(/:\d*$/, '').replace(/\.$/, '')
}
