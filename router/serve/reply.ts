import { conclude } from './conclude.ts'
import { errorPage } from './error-page.ts'
import { type Reply, reasonOf } from './errors.ts'
import type { Exchange } from './exchange.ts'
import { grpcErrorFields, isGrpc } from './grpc.ts'
import { answerLines, errorLine } from './headers.ts'
import type { Phases } from './phases.ts'

/** Sends an answer of ours and records the exchange; as gRPC tells it where the client speaks that. */
export function reply(exchange: Exchange, answer: Reply, phases: Phases): void {
  const { downstream } = exchange
  exchange.status = answer.status
  exchange.code = answer.code
  let { fields, body } = answer
  if (answer.code !== undefined && isGrpc(exchange.head)) {
    // The record keeps the status that any other client would have got.
    const told = grpcErrorFields(answer.code) + errorLine(answer.code, exchange.table.settings) + answerLines(exchange)
    exchange.sentFields = told
    downstream.respond(200, 'OK', told, 0, -1)
    exchange.headBytes = exchange.bytesSent
    downstream.finish()
    conclude(exchange, phases)
    return
  }
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
  conclude(exchange, phases)
}
