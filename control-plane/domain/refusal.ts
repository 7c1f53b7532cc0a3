/** What the API answers with a status of 4xx or 5xx: `{"field": ["message"]}`, `{"detail": "message"}` or a bare JSON string. */
export type RefusalBody = string | Readonly<Record<string, unknown>>

/** A request that cannot be granted; `status` and `body` reach the client as they are. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly status: number
  readonly body: RefusalBody
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, body: RefusalBody, options: ErrorOptions & { headers?: Record<string, string> } = {}) {
    super(typeof body === 'string' ? body : JSON.stringify(body), options)
    this.status = status
    this.body = body
    this.headers = options.headers ?? {}
  }
}

/** 400 for one field, in the shape whose messages clients compare: `{"id": ["…"]}`. */
export function invalid(field: string, ...messages: string[]): Refusal {
  return new Refusal(400, { [field]: messages })
}

/** 400 with one sentence that belongs to no field. */
export function refused(detail: string): Refusal {
  return new Refusal(400, { detail })
}

/** 403; clients show a text of their own. */
export function forbidden(): Refusal {
  return new Refusal(403, { detail: 'You do not have permission to perform this action.' })
}

/** 404 of an object look-up: a bare JSON string, which clients print with its quotes. */
export function missing(kind: 'App' | 'Build' | 'Certificate' | 'Domain' | 'Key' | 'Page' | 'Release' | 'Service' | 'User'): Refusal {
  return new Refusal(404, `No ${kind} matches the given query.`)
}

/** 409: the request is good, the moment or the state is not. */
export function conflict(detail: string): Refusal {
  return new Refusal(409, { detail })
}

/** 422: the request names something that is not there. */
export function unprocessable(detail: string): Refusal {
  return new Refusal(422, { detail })
}

/** 503: Kubernetes did not do what was asked. */
export function unavailable(detail: string, cause?: unknown): Refusal {
  return new Refusal(503, { detail }, { cause })
}
