import { headValue } from '../http1/fields.ts'
import { type ErrorCode, errorReply, type Reply } from '../serve/errors.ts'
import type { Exchange, RequestSink, Startable } from '../serve/exchange.ts'
import type { Phases } from '../serve/phases.ts'
import { reply } from '../serve/reply.ts'
import type { Verdict } from './gate.ts'

/** What becomes of a request that may come in. @returns who takes it on, when it was not answered */
export type Prepare = () => Startable | undefined

/**
 * Lets in who has credentials of an app (`x-basic-auth`), and asks others for them. Where they cannot be checked, as there is no such Secret
 * or the checks are overrun, nobody comes in.
 *
 * @param secret the key of the app's
 */
export function authenticate(exchange: Exchange, secret: string, phases: Phases, prepare: Prepare): RequestSink | undefined {
  const { head, table, route } = exchange
  const credentials = table.credentials(secret)
  if (credentials === undefined) return refused(exchange, 'busy', phases)
  // Two of them are two readings.
  const isOne = head.raw.match(/\r\nauthorization:/gi)?.length === 1
  const waiting = new Waiting(exchange, phases, prepare)
  const app = `${route?.namespace}/${route?.service}`
  const verdict = isOne ? phases.gate.check(app, credentials, headValue(head.raw, 'authorization'), waiting.answer) : 'no'
  if (verdict === 'yes') {
    const sink = prepare()
    sink?.start()
    return sink
  }
  return verdict === 'later' ? waiting : refused(exchange, verdict, phases)
}

function refused(exchange: Exchange, verdict: Exclude<Verdict, 'yes' | 'later'>, phases: Phases): undefined {
  reply(exchange, verdict === 'no' ? challenge(exchange) : errorReply('R19'), phases)
}

function challenge({ route }: Exchange): Reply {
  const realm = (route?.app ?? '').replace(/[^\w ./-]/g, '')
  return errorReply('R14', `WWW-Authenticate: Basic realm="${realm}", charset="UTF-8"\r\n`)
}

/** A request whose credentials are being checked: its body stays where it is, its client may go meanwhile. */
class Waiting implements RequestSink {
  readonly #exchange: Exchange
  readonly #phases: Phases
  readonly #prepare: Prepare
  #next: Startable | undefined
  #clientEnded = false
  #over = false

  constructor(exchange: Exchange, phases: Phases, prepare: Prepare) {
    this.#exchange = exchange
    this.#phases = phases
    this.#prepare = prepare
  }

  readonly answer = (isRight: boolean | undefined): void => {
    if (this.#over) return
    try {
      if (isRight !== true) {
        this.#over = true
        refused(this.#exchange, isRight === false ? 'no' : 'busy', this.#phases)
        return
      }
      this.#next = this.#prepare()
      this.#over = this.#next === undefined
      this.#next?.start()
      if (this.#clientEnded) this.#next?.clientEnded()
    } catch (error) {
      this.#over = true
      this.#phases.crashed(error)
      reply(this.#exchange, errorReply('R50'), this.#phases)
    }
  }

  requestPayload(bytes: Buffer, start: number, end: number): void {
    this.#next?.requestPayload(bytes, start, end)
  }

  requestFlush(): boolean {
    return this.#next?.requestFlush() ?? true
  }

  requestCompleted(trailers: string): void {
    this.#next?.requestCompleted(trailers)
  }

  requestLost(code: ErrorCode, answerable: boolean): void {
    if (this.#next !== undefined || this.#over) {
      this.#next?.requestLost(code, answerable)
      return
    }
    this.#over = true
    if (answerable) reply(this.#exchange, errorReply(code), this.#phases)
    else {
      this.#exchange.code = code
      this.#exchange.status = 499
      this.#phases.record(this.#exchange)
    }
  }

  clientReady(): void {
    this.#next?.clientReady()
  }

  clientEnded(): void {
    this.#clientEnded = true
    this.#next?.clientEnded()
  }
}
