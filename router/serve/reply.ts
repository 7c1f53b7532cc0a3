import { type Reply, reasonOf } from './errors.ts'
import type { Exchange } from './exchange.ts'
import { answerLines } from './headers.ts'
import type { Phases } from './phases.ts'

/** Sends an answer of ours and records the exchange. */
export function reply(exchange: Exchange, answer: Reply, phases: Phases): void {
  const { downstream } = exchange
  exchange.status = answer.status
  exchange.code = answer.code
  downstream.respond(answer.status, reasonOf(answer.status), answer.fields + answerLines(exchange), answer.body.length, answer.body.length)
  exchange.headBytes = exchange.bytesSent
  downstream.text(answer.body)
  downstream.finish()
  phases.record(exchange)
  downstream.settle()
}
