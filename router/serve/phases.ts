import type { Gate } from '../edge/gate.ts'
import type { RateLimiter } from '../edge/rate-limit.ts'
import type { Pool } from '../http1/pool.ts'
import type { RouteTable } from '../table/route.ts'
import type { EncoderCount } from './encoder.ts'
import type { Exchange } from './exchange.ts'
import type { Limits } from './limits.ts'
import type { BufferedBytes } from './request-buffer.ts'

/** What the phases of an exchange share in one worker. */
export interface Phases {
  readonly limits: Limits
  readonly pool: Pool
  readonly encoders: EncoderCount
  readonly rates: RateLimiter
  readonly buffered: BufferedBytes
  readonly gate: Gate
  /** How many processes share what an app may have. */
  readonly workers: number
  /** The table of this moment. */
  table(): RouteTable
  /** Where clients reach https. */
  httpsPort(): number
  /** The last phase: the access line and the numbers. */
  record(exchange: Exchange): void
  /** A fault of ours, with what it threw. */
  crashed(error: unknown): void
}
