import type { RecentRequest } from '../kernel/contract.ts'

/** What only a worker knows, asked for the operator's pages. */
export type Question =
  | { readonly about: 'requests'; readonly app?: string; readonly namespace?: string }
  /** By their keys. */
  | { readonly about: 'endpoints'; readonly endpoints: readonly string[] }

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
  readonly endpoints: readonly EndpointView[]
}
