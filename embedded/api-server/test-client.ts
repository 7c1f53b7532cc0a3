import type { IncomingMessage } from 'node:http'
import https from 'node:https'
import type { ApiServer } from './server.ts'

/** An answer, whole. */
export interface TestAnswer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests walk answers freely
  readonly body: any
}

/** Speaks HTTP with a server under test; for tests only. */
export class TestClient {
  readonly #server: Pick<ApiServer, 'url' | 'credentials'>
  readonly #agent: https.Agent

  constructor(server: Pick<ApiServer, 'url' | 'credentials'>) {
    this.#server = server
    this.#agent = new https.Agent({ keepAlive: true, ca: server.credentials.authority.certificate })
  }

  /** @param body sent as it is when text or bytes, else as JSON */
  async send(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<TestAnswer> {
    const answer = await this.open(method, path, body, headers)
    let text = ''
    for await (const piece of answer.setEncoding('utf8')) text += piece
    return { status: answer.statusCode ?? 0, headers: answer.headers, text, body: parse(text) }
  }

  /** The answer's head; its body is left to be read. */
  open(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<IncomingMessage> {
    const { url, credentials } = this.#server
    const content = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body)
    return new Promise((resolve, reject) => {
      const request = https.request(url + path, {
        method,
        agent: this.#agent,
        headers: {
          authorization: `Bearer ${credentials.token}`,
          // Told by us: node:http sends the body of a DELETE without its length, which is then taken for the next request.
          ...(content !== undefined && { 'content-type': 'application/json' }),
          ...(content !== undefined && !('transfer-encoding' in headers) && { 'content-length': String(Buffer.byteLength(content)) }),
          ...headers,
        },
      })
      request.once('response', resolve)
      request.once('error', reject)
      request.end(content)
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}

/** The value of a JSON text; nothing of any other text, such as the many lines of a watch. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The events of a watch, one at a time. */
// biome-ignore lint/suspicious/noExplicitAny: see above
export async function* watchEvents(answer: IncomingMessage): AsyncGenerator<any> {
  let rest = ''
  for await (const piece of answer.setEncoding('utf8')) {
    const lines = (rest + piece).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) yield JSON.parse(line)
  }
}
