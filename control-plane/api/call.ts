import type { App } from '../domain/app.ts'
import type { Fields } from '../domain/fields.ts'
import type { User } from '../domain/user.ts'
import type { Reply } from './reply.ts'

/** One request, as a handler sees it. */
export interface Call {
  /** The parts of the path that the route names, decoded. */
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  /** The whole address as the client wrote it. */
  readonly url: string
  /** The body's JSON object; `{}` where there was none. */
  readonly body: Fields
  /** The client's address, as the router tells it. */
  readonly address: string
  /** Fires when the client hangs up; for streams only, since work that was asked for goes on without him. */
  readonly gone: AbortSignal
}

/** A request of somebody who is known. */
export interface UserCall extends Call {
  readonly user: User
  /** The hash of the token that he came with. */
  readonly tokenHash: string
}

/** A request about an app that its sender may use. */
export interface AppCall extends UserCall {
  readonly app: App
}

export type Handler<C extends Call = Call> = (call: C) => Promise<Reply> | Reply

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** The handlers of one path; every other method is answered with 405. */
export type Handlers<C extends Call = Call> = Readonly<Partial<Record<Method, Handler<C>>>>
