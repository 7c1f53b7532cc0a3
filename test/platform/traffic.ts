import { Agent, type IncomingMessage, request } from 'node:http'
import { request as requestTls } from 'node:https'
import { text } from 'node:stream/consumers'

export interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** One GET over a connection of its own to a port of this machine, for a name. */
export function httpGet(port: number, host: string, path = '/', agent?: Agent): Promise<Answer> {
  return answerTo(request({ host: '127.0.0.1', port, path, headers: { host }, agent: agent ?? false, timeout: 30_000 }))
}

/** The same over TLS, the certificate checked against the name. */
export function httpsGet(port: number, host: string, ca: string, path = '/'): Promise<Answer> {
  return answerTo(requestTls({ host: '127.0.0.1', port, path, servername: host, ca, headers: { host }, agent: false, timeout: 30_000 }))
}

/** Keeps asking, a fixed number of times a second, and remembers every answer that is not 200. */
export class Load {
  readonly failures: string[] = []
  count = 0
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 32 })
  readonly #timer: NodeJS.Timeout
  readonly #open = new Set<Promise<void>>()

  constructor(port: number, host: string, perSecond: number) {
    this.#timer = setInterval(() => {
      const asking = this.#ask(port, host).finally(() => this.#open.delete(asking))
      this.#open.add(asking)
    }, 1000 / perSecond)
  }

  /** Resolves when so many were asked, however quick that was which is tried meanwhile. */
  async reaches(count: number): Promise<void> {
    while (this.count < count) await new Promise(resolve => setTimeout(resolve, 10))
  }

  async end(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all(this.#open)
    this.#agent.destroy()
  }

  async #ask(port: number, host: string): Promise<void> {
    this.count++
    const startedAt = new Date().toISOString()
    try {
      const { status, body } = await httpGet(port, host, '/', this.#agent)
      if (status !== 200) this.failures.push(`${startedAt} ${status} ${body.slice(0, 200)}`)
    } catch (error) {
      this.failures.push(`${startedAt} ${(error as Error).message}`)
    }
  }
}

function answerTo(asked: ReturnType<typeof request>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    asked.on('error', reject)
    asked.on('timeout', () => asked.destroy(new Error('no answer in 30 s')))
    asked.on('response', response => {
      text(response).then(body => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }), reject)
    })
    asked.end()
  })
}
