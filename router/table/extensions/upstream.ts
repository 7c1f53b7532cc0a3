import type { Annotations } from '../annotations.ts'
import { parseInteger, parseTimeout } from '../values.ts'

/** What an app asks for the way between the router and its endpoints; each absent where it does not say. */
export interface UpstreamWishes {
  /** The share of requests that may be sent a second time. */
  readonly retryPercent?: number
  /** From the last byte of a request to the first of its answer. */
  readonly firstByteTimeoutMs?: number
  /** From the beginning of a request to the end of its answer. */
  readonly requestTimeoutMs?: number
}

/** Reads the extensions of the upstream side: `x-retry-budget`, `x-timeout-first-byte`, `x-timeout-request`. */
export function readUpstream(annotations: Annotations, lastGood: UpstreamWishes = {}): UpstreamWishes {
  const retryPercent = annotations.one('x-retry-budget', undefined, parsePercent, lastGood.retryPercent)
  const firstByteTimeoutMs = annotations.one('x-timeout-first-byte', undefined, parseTimeout, lastGood.firstByteTimeoutMs)
  const requestTimeoutMs = annotations.one('x-timeout-request', undefined, parseTimeout, lastGood.requestTimeoutMs)
  return {
    ...(retryPercent !== undefined && { retryPercent }),
    ...(firstByteTimeoutMs !== undefined && { firstByteTimeoutMs }),
    ...(requestTimeoutMs !== undefined && { requestTimeoutMs }),
  }
}

/** Reads a share: `20%`, or `off` for none. @throws {RangeError} */
function parsePercent(text: string): number {
  if (text === 'off') return 0
  if (!text.endsWith('%')) throw new RangeError(`Cannot read share "${text}": write it as 20% or off`)
  return parseInteger(text.slice(0, -1), 0, 100)
}
