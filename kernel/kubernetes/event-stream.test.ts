import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { EventStream, type RequestController } from './event-stream.ts'

suite('EventStream', () => {
  test('gives lines to whoever waits and to whoever comes late, in their order', async () => {
    const { stream, server } = start()
    const first = stream.next()
    await server.begun
    server.send('1\n2\n')
    assert.deepEqual(await first, { value: 1, done: false })
    server.send('3\n4')
    assert.deepEqual([(await stream.next()).value, (await stream.next()).value], [2, 3])
    const last = stream.next()
    server.end()
    assert.deepEqual(await last, { value: undefined, done: true })
    assert.deepEqual(await stream.next(), { value: undefined, done: true })
  })

  test('lets the server wait while nobody reads, and no longer', async () => {
    const { stream, server } = start()
    const first = stream.next()
    await server.begun
    for (let line = 0; line < 65; line++) server.send(`${line}\n`)
    await first
    assert.equal(server.paused, false)
    server.send('65\n')
    assert.equal(server.paused, true)
    for (let line = 1; line < 65; line++) await stream.next()
    assert.equal(server.paused, true)
    await stream.next()
    assert.equal(server.paused, false)
  })

  test('gives what came whole before it tells why there is no more', async () => {
    const { stream, server } = start()
    const first = stream.next()
    await server.begun
    server.send('1\n2\n3')
    server.fail(new Error('reset'))
    assert.deepEqual([(await first).value, (await stream.next()).value], [1, 2])
    await assert.rejects(stream.next(), /reset/)
  })

  test('ends the request when a line cannot be read', async () => {
    const { stream, server } = start()
    const first = stream.next()
    await server.begun
    server.send('{\n2\n')
    await assert.rejects(first, SyntaxError)
    assert.ok(server.aborted)
    await assert.rejects(stream.next(), SyntaxError)
  })

  test('sends it again once when the kept connection was dead', async () => {
    const { stream, server } = start()
    const first = stream.next()
    await server.begun
    server.fail(new Error('dead'))
    assert.equal(server.requests, 2)
    server.fail(new Error('dead'))
    await assert.rejects(first, /dead/)
    assert.equal(server.requests, 2)
  })

  test('tells what another answer than 2xx means', async () => {
    const { stream, server } = start()
    const first = stream.next()
    await server.begun
    server.send('too ', 410)
    server.send('old\n', 410)
    server.end()
    await assert.rejects(first, /410 server: too old/)
  })

  test('asks for nothing when its signal has fired, and for no answer when it fires before', async () => {
    const stop = new AbortController()
    const { stream, server } = start(stop.signal)
    const first = stream.next()
    stop.abort(new Error('enough'))
    await assert.rejects(first, /enough/)
    await server.begun
    assert.ok(server.aborted)
    const late = start(stop.signal)
    await assert.rejects(late.stream.next(), /enough/)
    assert.equal(late.server.requests, 0)
  })

  test('tells what keeps a request from being sent', async () => {
    const stream = new EventStream({ ...RULES, send: () => Promise.reject(new Error('no token')) })
    await assert.rejects(stream.next(), /no token/)
  })
})

const RULES = {
  parse: JSON.parse,
  isDead: (error: unknown) => (error as Error).message === 'dead',
  refusal: (status: number, headers: object, body: string) => new Error(`${status} ${Object.keys(headers)}: ${body}`),
}

function start(signal?: AbortSignal) {
  const server = new Server()
  return { server, stream: new EventStream<unknown>({ ...RULES, send: handler => server.take(handler), signal }) }
}

/** What stands behind undici. */
class Server implements RequestController {
  aborted = false
  paused = false
  requests = 0
  #handler: EventStream<unknown> | undefined
  readonly #begun = Promise.withResolvers<void>()
  readonly begun = this.#begun.promise

  async take(handler: EventStream<unknown>): Promise<void> {
    this.requests++
    this.#handler = handler
    handler.onRequestStart(this)
    this.#begun.resolve()
  }

  send(text: string, status = 200): void {
    this.#handler?.onResponseStart(this, status, { server: 'test' })
    this.#handler?.onResponseData(this, Buffer.from(text))
  }

  end(): void {
    this.#handler?.onResponseEnd()
  }

  fail(error: Error): void {
    this.#handler?.onResponseError(this, error)
  }

  abort(): void {
    this.aborted = true
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
  }
}
