import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import type { Limits } from '../../router/serve/limits.ts'
import { type Bed, ok, type RawClient, startApp, startBed, type TestApp, until } from '../../router/serve/testbed.ts'
import { DEFAULT_POLICY, DEFAULT_SETTINGS, type RouterSettings } from '../../router/table/route.ts'
import type { PolicySpec } from '../../router/table/spec.ts'
import { Table } from '../../router/table/table.ts'
import { TLS_POLICIES } from '../../router/tls/policies.ts'

/** Behind every case: a request that must stay one of its own, or never be seen. */
export const LAST = 'GET /last HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n'
export const GET = 'GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n'

// The defaults have none of what differs between the two: networks and other parts that a worker compiles.
const PLAIN_POLICY = DEFAULT_POLICY as unknown as PolicySpec
const HOSTS = ['shop.test', '[2001:db8::1]', '192.0.2.1', 'a_b.test', `${'a.'.repeat(124)}a.com`]
// What the router adds to every request or answer by itself is the business of other tests.
const OWN_FIELDS = /^(?:x-forwarded-(?:for|proto|port)|cdn-loop|x-request-id|x-correlation-id|traceparent|tracestate|x-request-start):/i

/** A router in front of one app, with a table as the primary sends it. */
export interface World extends AsyncDisposable {
  readonly bed: Bed
  readonly app: TestApp
}

export interface WorldOptions {
  readonly policy?: Partial<PolicySpec>
  readonly settings?: Partial<Pick<RouterSettings, 'defaultTimeoutMs' | 'headBytesMax'>>
  readonly limits?: Partial<Limits>
}

/** Starts both. A fault that the router logs as its own fails the test. */
export async function startWorld(
  script: (socket: Socket, index: number, app: TestApp) => void,
  options: WorldOptions = {},
): Promise<World> {
  const faults: string[] = []
  const app = await startApp(script)
  const bed = await startBed({
    ...(options.limits && { limits: options.limits }),
    onError: (message, fields) => void faults.push(`${message} ${String(fields?.['error'])}`),
  })
  bed.table = new Table().apply({
    ...{ version: 1, whole: true, certificates: [], git: null, defaultCertificate: null },
    hosts: HOSTS.map(host => [host, { app: 'shop' }]),
    routes: [
      [
        'shop',
        {
          ...{ app: 'shop', namespace: 'shop', service: 'shop', locations: [], endpoints: [app.endpoint] },
          policy: { ...PLAIN_POLICY, ...options.policy },
        },
      ],
    ],
    settings: {
      ...withoutDefaultService(DEFAULT_SETTINGS),
      ...{ trusted: ['10.0.0.0/8'], gzip: { ...DEFAULT_SETTINGS.gzip, types: [] } },
      ...options.settings,
      tls: {
        policy: 'intermediate',
        ...TLS_POLICIES.intermediate,
        unknownNames: 'default',
        sessionTickets: true,
        sessionTimeoutSeconds: 600,
      },
    },
  })
  return {
    bed,
    app,
    async [Symbol.asyncDispose]() {
      await bed[Symbol.asyncDispose]()
      await app[Symbol.asyncDispose]()
      assert.deepEqual(faults, [])
    },
  }
}

/** An app that answers each whole request with `answer`; it reads them with {@link readMessages}. */
export function answering(answer: (request: Message) => string | undefined) {
  return (socket: Socket, index: number, app: TestApp) => {
    let at = 0
    socket.on('data', () => {
      const text = app.received[index] as string
      const { messages, rest } = readMessages(text.slice(at))
      at = text.length - rest.length
      for (const message of messages) {
        const reply = answer(message)
        if (reply !== undefined && socket.writable) socket.write(reply, 'latin1')
      }
    })
  }
}

/** Answers 200 with the target. */
export const echoing = answering(request => ok(request.line.split(' ')[1] as string))

/** How bytes may arrive: the places where they are cut. */
export function deliveries(length: number): [how: string, cuts: readonly number[]][] {
  const widths = length > 4000 ? [length, 997, 64] : [length, 1]
  const even = widths.map((width): [string, number[]] => [
    width === length ? 'whole' : `${width} at a time`,
    Array.from({ length: Math.ceil(length / width) }, (_, index) => Math.min(length, (index + 1) * width)),
  ])
  return [...even, ...[1, 2].map((seed): [string, number[]] => [`in pieces, seed ${seed}`, randomCuts(length, seed)])]
}

/** Writes bytes in pieces, each in a turn of its own. */
export async function deliver(socket: Socket, bytes: string, cuts: readonly number[]): Promise<void> {
  let from = 0
  for (const to of cuts) {
    if (!socket.writable) return
    socket.write(bytes.slice(from, to), 'latin1')
    from = to
    await new Promise(setImmediate)
  }
}

/** Sends bytes so, ends the client's side, and waits for the router's end. */
export async function exchange(bed: Bed, bytes: string, cuts: readonly number[] = [bytes.length]): Promise<RawClient> {
  const client = bed.send('')
  await deliver(client.socket, bytes, cuts)
  client.end()
  await client.ended
  client.destroy()
  return client
}

/** A message as an unforgiving reader sees it. */
export interface Message {
  /** Request or status line. */
  readonly line: string
  /** Header lines in order, those that the router adds by itself left out. */
  readonly fields: readonly string[]
  readonly body: string
  /** False for an answer that was not complete when the connection ended. */
  readonly whole: boolean
}

/**
 * Reads requests one behind the other; it knows our framing only and throws at any other.
 *
 * @returns the whole ones, and the text of one that is not
 */
export function readMessages(text: string): { messages: Message[]; rest: string } {
  const messages: Message[] = []
  let rest = text
  for (;;) {
    const head = readHead(rest)
    if (head === undefined) return { messages, rest }
    const framed = readBody(rest.slice(head.size), head.framing)
    if (framed === undefined) return { messages, rest }
    messages.push({ line: head.line, fields: head.fields, body: framed.body, whole: true })
    rest = rest.slice(head.size + framed.size)
  }
}

/** Reads what a client got to its requests, by their methods, then the end of the connection: answers, interim ones among them. */
export function readAnswers(text: string, methods: readonly string[]): Message[] {
  const answers: Message[] = []
  let rest = text
  for (let index = 0; rest !== ''; ) {
    const head = readHead(rest)
    if (head === undefined) return [...answers, { line: rest, fields: [], body: '', whole: false }]
    rest = rest.slice(head.size)
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head.line)?.[1])
    assert.ok(status >= 100, `a status line: ${head.line}`)
    const isBodyless = status < 200 || status === 204 || status === 304 || methods[index] === 'HEAD'
    if (status >= 200) index++
    const untilClose = !isBodyless && head.framing === ''
    const framed = isBodyless ? { body: '', size: 0 } : untilClose ? { body: rest, size: rest.length } : readBody(rest, head.framing)
    answers.push({ line: head.line, fields: head.fields, body: framed?.body ?? rest, whole: framed !== undefined })
    rest = framed === undefined ? '' : rest.slice(framed.size)
  }
  return answers
}

/** A message as the cases write it: lines, an empty one, the body. */
export function written({ line, fields, body }: Message): string {
  return `${[line, ...fields].join('\n')}${body === '' ? '' : `\n\n${body}`}`
}

/** Waits until the app's connections are gone. */
export function untilFreed({ app }: World): Promise<void> {
  return until(() => app.open.size === 0, 'the app’s connections to be freed')
}

function readHead(text: string) {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const [line = '', ...lines] = text.slice(0, end).split('\r\n')
  for (const field of [line, ...lines]) assert.match(field, /^[\t\x20-\x7e\x80-\xff]+$/, `a line: ${JSON.stringify(field)}`)
  for (const field of lines) assert.match(field, /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+:/, `a header line: ${JSON.stringify(field)}`)
  const framings = lines.filter(field => /^(?:content-length|transfer-encoding):/i.test(field))
  assert.ok(framings.length <= 1, `one framing: ${framings.join(', ')}`)
  return { line, fields: lines.filter(field => !OWN_FIELDS.test(field)), framing: framings[0] ?? '', size: end + 4 }
}

function readBody(text: string, framing: string): { body: string; size: number } | undefined {
  if (framing === '') return { body: '', size: 0 }
  if (framing !== 'Transfer-Encoding: chunked') {
    const size = Number(/^Content-Length: (0|[1-9][0-9]*)$/.exec(framing)?.[1])
    assert.ok(size >= 0, `our framing: ${framing}`)
    return text.length < size ? undefined : { body: text.slice(0, size), size }
  }
  let body = ''
  for (let at = 0; ; ) {
    const line = /^(0|[1-9a-f][0-9a-f]*)\r\n/.exec(text.slice(at, at + 20))
    if (line === null) {
      assert.doesNotMatch(text.slice(at, at + 20), /\r\n/, 'a chunk of ours')
      return undefined
    }
    const size = Number.parseInt(line[1] as string, 16)
    const end = at + line[0].length + size
    if (size === 0) {
      // Fields behind the last chunk are shown as further lines.
      const stop = text.startsWith('\r\n', end) ? end : text.indexOf('\r\n\r\n', end) + 2
      if (stop < end) return undefined
      return { body: body + text.slice(end, stop).replace(/([^\r]*)\r\n/g, '\n$1'), size: stop + 2 }
    }
    if (text.length < end + 2) return undefined
    assert.equal(text.slice(end, end + 2), '\r\n')
    body += text.slice(end - size, end)
    at = end + 2
  }
}

function randomCuts(length: number, seed: number): number[] {
  const cuts: number[] = []
  let state = seed
  for (let at = 0; at < length; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    at = Math.min(length, at + 1 + ((state >>> 8) % Math.max(2, Math.ceil(length / 6))))
    cuts.push(at)
  }
  return cuts
}

function withoutDefaultService({ defaultService: _defaultService, ...settings }: RouterSettings): Omit<RouterSettings, 'defaultService'> {
  return settings
}
