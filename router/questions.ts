import type { RecentRequest } from '../kernel/contract.ts'

/** What only a worker knows, asked for the operator's pages. */
export type Question =
  | { readonly about: 'requests'; readonly app?: string; readonly namespace?: string }
  | ({ readonly about: 'why' } & WhyQuestion)

/** A request that might come. */
export interface WhyQuestion {
  readonly host: string
  /** With its query. */
  readonly path: string
  readonly method: string
  /** The client's address, where it matters. */
  readonly from: string | undefined
  readonly isSecure: boolean
}

/** What would become of it, and why. */
export interface Explanation {
  readonly host: string
  /** `forward`, the status that the router would answer with, or `unknown`. */
  readonly outcome: string
  readonly code?: string
  /** Of a redirect. */
  readonly location?: string
  readonly reason: string
  /** By which the host was found. */
  readonly pattern?: string
  readonly app?: string
  readonly service?: string
  /** What stands between client and app, in the order in which it is asked. */
  readonly conditions: readonly string[]
  readonly endpoints?: readonly (EndpointView & { readonly isServing?: false; readonly isTerminating?: true })[]
  /** The names on the certificate that a client is shown; absent: the self-signed one. */
  readonly certificate?: readonly string[]
  /** The end of the OCSP response that is shown with it; absent: none is. */
  readonly stapledUntil?: string
  readonly tableVersion: number
}

/** How one worker sees an endpoint of an app. */
export interface EndpointView {
  readonly endpoint: string
  /** Exchanges under way. */
  readonly active: number
  /** Connections kept for reuse. */
  readonly idle: number
  /** More than {@link active} while it is new and spared. */
  readonly load: number
  /** Whether it is passed over for its failures while others serve. */
  readonly isEjected: boolean
}

/** The answer of one worker, by the subject of the question. */
export interface Answers {
  readonly requests: readonly RecentRequest[]
  readonly why: Explanation
}
