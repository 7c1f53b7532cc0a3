import type { Readable } from 'node:stream'

/** What a handler answers. A body is sent as JSON unless it is a stream or has a `type` of its own. */
export interface Reply {
  readonly status: number
  readonly body?: unknown
  readonly type?: string
}

/** 200 with a body. */
export function ok(body: unknown): Reply {
  return { status: 200, body }
}

/** 201, with a body where clients read one. */
export function created(body?: unknown): Reply {
  return body === undefined ? { status: 201 } : { status: 201, body }
}

/** 204. */
export function noContent(): Reply {
  return { status: 204 }
}

/** Plain text, whole or as it comes. */
export function plainText(status: number, body: string | Readable): Reply {
  return { status, body, type: 'text/plain; charset=utf-8' }
}
