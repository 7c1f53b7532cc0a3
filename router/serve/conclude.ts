import type { Exchange } from './exchange.ts'
import type { Phases } from './phases.ts'

/** Records an exchange whose answer was made whole: when its last byte is on its way, or the client has gone before. */
export function conclude(exchange: Exchange, phases: Phases): void {
  const { downstream } = exchange
  if (!downstream.lags) {
    phases.record(exchange)
    downstream.settle()
    return
  }
  downstream.onceOut(lost => {
    if (lost !== undefined) exchange.code = lost
    phases.record(exchange)
  })
}
