import { errorPage } from './error-page.ts'
import { type Reply, reasonOf } from './errors.ts'
import type { Exchange } from './exchange.ts'
import { answerLines, errorLine } from './headers.ts'
import type { Phases } from './phases.ts'

/** Sends an answer of ours and records the exchange. */
export function reply(exchange: Exchange, answer: Reply, phases: Phases): void {
  const { downstream } = exchange
  exchange.status = answer.status
  exchange.code = answer.code
  let { fields, body } = answer
  if (answer.code !== undefined) {
    const page = errorPage(answer.code, exchange)
    fields = page.fields + fields + errorLine(answer.code, exchange.table.settings)
    body = page.body
  }
  exchange.sentFields = fields + answerLines(exchange)
  downstream.respond(answer.status, reasonOf(answer.status), exchange.sentFields, body.length, body.length)
  exchange.headBytes = exchange.bytesSent
  downstream.text(body)
  downstream.finish()
  phases.record(exchange)
  downstream.settle()
}
