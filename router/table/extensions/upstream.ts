import type { Annotations } from '../annotations.ts'
import { parseInteger, parseSize, parseTimeout } from '../values.ts'

/** What an app asks for the way between the router and its endpoints; each absent where it does not say. */
export interface UpstreamWishes {
  /** The share of requests that may be sent a second time. */
  readonly retryPercent?: number
  /** From the last byte of a request to the first of its answer. */
  readonly firstByteTimeoutMs?: number
  /** From the beginning of a request to the end of its answer. */
  readonly requestTimeoutMs?: number
  /** Up to how many bytes of a body are gathered before an endpoint is asked for. */
  readonly requestBufferBytes?: number
}

/** Reads the extensions of the upstream side: `x-retry-budget`, `x-timeout-first-byte`, `x-timeout-request`, `x-request-buffering`. */
export function readUpstream(annotations: Annotations, lastGood: UpstreamWishes = {}): UpstreamWishes {
  const retryPercent = annotations.one('x-retry-budget', undefined, parsePercent, lastGood.retryPercent)
  const firstByteTimeoutMs = annotations.one('x-timeout-first-byte', undefined, parseTimeout, lastGood.firstByteTimeoutMs)
  const requestTimeoutMs = annotations.one('x-timeout-request', undefined, parseTimeout, lastGood.requestTimeoutMs)
  const buffering = annotations.one('x-request-buffering', undefined, parseBuffering, lastGood.requestBufferBytes)
  return {
    ...(buffering && { requestBufferBytes: buffering }),
    ...(retryPercent !== undefined && { retryPercent }),
    ...(firstByteTimeoutMs !== undefined && { firstByteTimeoutMs }),
    ...(requestTimeoutMs !== undefined && { requestTimeoutMs }),
  }
}

// One app must not be able to hold what a worker has for all.
const BUFFER_BYTES_MAX = 16 * 1024 * 1024

/** Reads a size, or `off` for none. @throws {RangeError} */
function parseBuffering(text: string): number {
  const bytes = text === 'off' ? 0 : parseSize(text, 1)
  if (bytes > BUFFER_BYTES_MAX) throw new RangeError(`Cannot gather ${text} of a request: write up to 16m, or off`)
  return bytes
}

/** Reads a share: `20%`, or `off` for none. @throws {RangeError} */
function parsePercent(text: string): number {
  if (text === 'off') return 0
  if (!text.endsWith('%')) throw new RangeError(`Cannot read share "${text}": write it as 20% or off`)
  return parseInteger(text.slice(0, -1), 0, 100)
}
