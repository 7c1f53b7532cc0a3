import type { Annotations } from '../annotations.ts'
import { parseBoolean, parseInteger } from '../values.ts'

/** How requests are told apart and followed, for the whole router. */
export interface TracingSettings {
  /** Of traces that begin here, so many in a hundred are sampled; absent: none begins here. */
  readonly traceSampledPercent?: number
  /** Whether a trusted peer's X-Request-Id is kept; absent: every request gets a new one. */
  readonly keepRequestIds?: true
}

/**
 * Reads `x-trace-context`, `x-trace-sampled` and `x-request-id-keep` of the router's Deployment.
 *
 * @param lastGood what they said before
 */
export function readTracing(annotations: Annotations, lastGood: TracingSettings = {}): TracingSettings {
  const begins = annotations.one('x-trace-context', false, parseBoolean, lastGood.traceSampledPercent !== undefined)
  const percent = annotations.one('x-trace-sampled', 100, text => parseInteger(text, 0, 100), lastGood.traceSampledPercent)
  const keeps = annotations.one('x-request-id-keep', false, parseBoolean, lastGood.keepRequestIds)
  return { ...(begins && { traceSampledPercent: percent }), ...(keeps && { keepRequestIds: true }) }
}
