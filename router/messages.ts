import type { Answers, Question } from './questions.ts'
import type { TrafficStats } from './serve/stats.ts'
import type { TableDelta } from './table/spec.ts'
import type { TlsSecrets } from './tls/server-options.ts'
import type { ListenSocket, Ports, WorkerOptions } from './worker.ts'

/**
 * From the process that watches to one that serves, in order: `start` with the first part of the table, `table` with each other part, `listen`,
 * then any number of the others.
 */
export type ToWorker =
  | {
      readonly type: 'start'
      readonly index: number
      readonly options: WorkerOptions
      readonly sockets: readonly ListenSocket[]
      readonly table: TableDelta
    }
  | {
      readonly type: 'table'
      readonly delta: TableDelta
      /** Whether it is to say that it took this one: an answer to each would cost more than the change. */
      readonly isAsked?: true
    }
  | { readonly type: 'listen' }
  | { readonly type: 'tls'; readonly secrets: TlsSecrets }
  | { readonly type: 'deny'; readonly names: readonly string[] }
  | { readonly type: 'stats' }
  | { readonly type: 'ask'; readonly id: number; readonly question: Question }
  | { readonly type: 'reopen' }
  | { readonly type: 'drain'; readonly deadlineMs: number }

/** The answers. `failed` is about the listeners, before the first `listening`; after `drained` the process ends. */
export type FromWorker =
  | { readonly type: 'listening'; readonly ports: Ports }
  | { readonly type: 'failed'; readonly message: string }
  | { readonly type: 'wanted'; readonly name: string }
  | { readonly type: 'applied'; readonly version: number }
  | { readonly type: 'stats'; readonly stats: TrafficStats }
  | { readonly type: 'answer'; readonly id: number; readonly answer: Answers[Question['about']] }
  | { readonly type: 'drained' }
