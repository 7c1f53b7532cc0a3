import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { contentOf, partsOf, readDer } from '../../router/tls/der.ts'

/** What it answers to a question about a serial number; a function may answer as it likes, or never. */
export type Behaviour = (serial: string, response: ServerResponse, request: Buffer) => Buffer | undefined

/** A responder of tests, on loopback. */
export interface Responder {
  readonly url: string
  /** The serial numbers that were asked for, in their order. */
  readonly asked: readonly string[]
  /** What came with each question. */
  readonly heads: readonly IncomingMessage[]
  /** How it answers from now on. */
  behave(behaviour: Behaviour): void
  stop(): Promise<void>
}

export async function startResponder(first: Behaviour): Promise<Responder> {
  let behaviour = first
  const asked: string[] = []
  const heads: IncomingMessage[] = []
  const server = createServer(async (request, response) => {
    const path = new URL(request.url ?? '', 'http://responder.test').pathname
    const chunks: Buffer[] = []
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    const bytes =
      request.method === 'POST' ? Buffer.concat(chunks) : Buffer.from(decodeURIComponent(path.slice(path.lastIndexOf('/') + 1)), 'base64')
    // OCSPRequest, TBSRequest, the list, Request, CertID.
    let id = readDer(bytes)
    for (let depth = 0; depth < 4; depth++) id = partsOf(id)[0]!
    const serial = contentOf(partsOf(id).at(-1), 0x02).toString('hex')
    asked.push(serial)
    heads.push(request)
    const answer = behaviour(serial, response, bytes)
    if (answer) response.setHeader('content-type', 'application/ocsp-response').end(answer)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/ocsp`,
    asked,
    heads,
    behave: next => {
      behaviour = next
    },
    stop: () => {
      server.closeAllConnections()
      return new Promise(resolve => server.close(() => resolve()))
    },
  }
}
