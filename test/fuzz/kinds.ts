import assert from 'node:assert/strict'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Bed, startApp, startBed, type TestApp, testRoute } from '../../router/serve/testbed.ts'
import { endpoint } from '../../router/table/route.ts'
import { answerBytes, requestBytes } from './messages.ts'
import type { Random } from './random.ts'
import { type Answer, readAnswer, readAnswerByNode, readRequests, readRequestsByNode } from './readings.ts'

/** What a case was: `taken` was read as messages and compared, `refused` was not. */
export type Outcome = 'taken' | 'refused'

/** One way to look for two readings of the same bytes. */
export interface Kind extends AsyncDisposable {
  /** @throws {AssertionError} with the bytes in it, when two readers disagree */
  check(random: Random): Promise<Outcome>
}

/** All kinds by name, each made when it is needed. */
export const KINDS: Readonly<Record<string, () => Promise<Kind>>> = {
  requests: async () => ({ check: checkRequests, async [Symbol.asyncDispose]() {} }),
  answers: async () => ({ check: checkAnswers, async [Symbol.asyncDispose]() {} }),
  forwarded: startForwarded,
  returned: startReturned,
}

/** What our parser takes of a client, in whatever pieces, llhttp reads as the same requests. */
async function checkRequests(random: Random): Promise<Outcome> {
  // Node's server throws away what stands behind a request for an upgrade in the same piece; the name changes no boundary.
  const bytes = Buffer.from(
    requestBytes(random)
      .toString('latin1')
      .replace(/upgrade:/gi, 'updated:'),
    'latin1',
  )
  const whole = readRequests(bytes, [bytes.length])
  assert.deepEqual(readRequests(bytes, random.cuts(bytes.length)), whole, `in pieces: ${quoted(bytes)}`)
  if (whole.messages.length === 0) return 'refused'
  assert.deepEqual(await readRequestsByNode(bytes.subarray(0, whole.end)), whole.messages, quoted(bytes))
  return 'taken'
}

/** The same of an app. */
async function checkAnswers(random: Random): Promise<Outcome> {
  const bytes = answerBytes(random)
  const method = random.pick(['GET', 'GET', 'HEAD', 'POST'])
  const ours = readAnswer(bytes, [bytes.length], method)
  assert.deepEqual(readAnswer(bytes, random.cuts(bytes.length), method), ours, `in pieces: ${quoted(bytes)}`)
  if (!ours.whole) return 'refused'
  const { interims, status, body, whole } = ours
  assert.deepEqual(
    await readAnswerByNode(bytes.subarray(0, ours.end), method),
    { interims, status, body, whole },
    `${method} ${quoted(bytes)}`,
  )
  return 'taken'
}

/** What a router passes on to an app that is llhttp is what our parser read, message by message, with nothing between them. */
async function startForwarded(): Promise<Kind> {
  let seen: string[] = []
  const app = createServer({ insecureHTTPParser: false, keepAliveTimeout: 60_000 }, (incoming, response) => {
    let payload = ''
    incoming.on('data', (chunk: Buffer) => {
      payload += chunk.toString('latin1')
    })
    incoming.on('end', () => {
      seen.push(`${incoming.method} ${incoming.url} ${incoming.headers.host} ${JSON.stringify(payload)}${faultOf(incoming)}`)
      response.end('ok')
    })
    incoming.on('error', () => {})
  })
  app.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // A body that was broken off ends with its connection.
    if (error.code !== 'ECONNRESET' && error.code !== 'HPE_INVALID_EOF_STATE') seen.push(`refused: ${error.code}`)
    socket.destroy()
  })
  await new Promise<void>(resolve => app.listen(0, '127.0.0.1', resolve))
  const bed = await startAnyHostBed(endpoint('127.0.0.1', (app.address() as AddressInfo).port))
  return {
    async check(random) {
      const bytes = requestBytes(random)
      const ours = readRequests(bytes, [bytes.length])
      if (ours.foreign) return 'refused'
      seen = []
      await exchange(bed, bytes, random)
      assert.deepEqual(seen, ours.messages, quoted(bytes))
      return ours.messages.length > 0 ? 'taken' : 'refused'
    },
    async [Symbol.asyncDispose]() {
      await bed[Symbol.asyncDispose]()
      app.close()
      app.closeAllConnections()
    },
  }
}

/** What a client that is llhttp reads of a router is what our parser read of the app: the same answer, a cut one, or a 502. */
async function startReturned(): Promise<Kind> {
  let answer: { bytes: Buffer; cuts: number[]; ends: boolean } = { bytes: Buffer.alloc(0), cuts: [], ends: true }
  const app: TestApp = await startApp((socket, index, self) => {
    socket.on('data', async () => {
      if (!(self.received[index] as string).endsWith('\r\n\r\n')) return
      self.received[index] = ''
      const { bytes, cuts, ends } = answer
      for (let from = 0, turn = 0; turn < cuts.length && socket.writable; from = cuts[turn++] as number) {
        socket.write(bytes.subarray(from, cuts[turn]))
        await new Promise(setImmediate)
      }
      if (ends) socket.end()
    })
  })
  const bed = await startAnyHostBed(app.endpoint)
  return {
    async check(random) {
      const bytes = answerBytes(random)
      const method = random.pick(['GET', 'GET', 'HEAD'])
      const ours = readAnswer(bytes, [bytes.length], method)
      // Kept open only where the end says nothing, so that some connections are used again.
      const ends = !ours.whole || ours.end === bytes.length || random.once(2)
      answer = { bytes, cuts: bytes.length < 300 ? random.cuts(bytes.length) : [bytes.length], ends }
      const text = await exchange(bed, Buffer.from(`${method} / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n`), undefined)
      const theirs = await readAnswerByNode(Buffer.from(text, 'latin1'), method)
      const context = `${method} ${quoted(bytes)} became ${quoted(Buffer.from(text, 'latin1'))}`
      assert.deepEqual(theirs, { ...expected(ours, method, theirs.body), interims: theirs.interims }, context)
      if (ours.whole)
        assert.deepEqual(
          theirs.interims,
          ours.interims.filter(status => status !== 100),
          context,
        )
      return ours.whole ? 'taken' : 'refused'
    },
    async [Symbol.asyncDispose]() {
      await bed[Symbol.asyncDispose]()
      await app[Symbol.asyncDispose]()
    },
  }
}

function expected(ours: Answer, method: string, body: string): Omit<Answer, 'end' | 'refused'> {
  const { status, whole } = ours
  if (whole) return { interims: [], status, body: ours.body, whole }
  if (status === 0) return { interims: [], status: 502, body: method === 'HEAD' ? '' : body, whole: true }
  // As much of it as there was, but never as if it were all.
  return { interims: [], status, body: ours.body, whole: false }
}

async function startAnyHostBed(app: ReturnType<typeof endpoint>): Promise<Bed> {
  const bed = await startBed({
    policy: { bodyBytesMax: 0 },
    onError: (message, fields) => assert.fail(`${message} ${JSON.stringify(fields)}`),
  })
  const route = testRoute('any', [app], { bodyBytesMax: 0 })
  bed.table = { ...bed.table, match: () => route }
  return bed
}

/** Sends, whole or in pieces, then ends the client's side: all that came back. */
async function exchange(bed: Bed, bytes: Buffer, random: Random | undefined): Promise<string> {
  const client = bed.send('')
  let from = 0
  for (const to of random === undefined || random.once(2) || bytes.length > 1000 ? [bytes.length] : random.cuts(bytes.length)) {
    if (client.socket.writable) client.socket.write(bytes.subarray(from, to))
    from = to
    await new Promise(setImmediate)
  }
  if (random !== undefined) client.end()
  await client.ended
  client.destroy()
  return client.text
}

/** What a forwarded request must never be, whatever came. */
function faultOf({ rawHeaders, headers }: IncomingMessage): string {
  const names = rawHeaders.filter((_, index) => index % 2 === 0).map(name => name.toLowerCase())
  const count = (name: string) => names.filter(other => other === name).length
  if (count('host') !== 1) return ' host lines'
  if (count('content-length') + count('transfer-encoding') > 1) return ' two framings'
  if (['te', 'keep-alive', 'proxy-connection', 'http2-settings'].some(name => count(name) > 0)) return ' a hop-by-hop field'
  if (count('trailer') > 0 && count('transfer-encoding') === 0) return ' a Trailer without a place for it'
  if (names.some(name => /[_.]/.test(name))) return ' a name with two readings'
  if (count('connection') > 0 && headers.connection !== 'upgrade') return ' a Connection of the client'
  return /(?:^|[ ,])h2/i.test(headers.upgrade ?? '') ? ' h2c' : ''
}

function quoted(bytes: Buffer): string {
  return JSON.stringify(bytes.toString('latin1'))
}
