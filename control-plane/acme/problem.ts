/** What an ACME server says when it refuses (RFC 8555 §6.7, RFC 9457). */
export class AcmeProblem extends Error {
  override readonly name = 'AcmeProblem'
  readonly status: number
  /** The last part of `urn:ietf:params:acme:error:…`; '' for an answer without one. */
  readonly type: string
  /** How long the server wants to be left alone, ms; undefined when it does not say. */
  readonly retryAfterMs: number | undefined

  constructor(status: number, type: string, detail: string, retryAfterMs?: number) {
    super(detail)
    this.status = status
    this.type = type
    this.retryAfterMs = retryAfterMs
  }

  /** Whether another attempt with the same request makes sense soon: the fault is the server's or the network's. */
  get isPassing(): boolean {
    return (
      this.status >= 500 || this.status === 429 || this.type === 'badNonce' || this.type === 'serverInternal' || this.type === 'rateLimited'
    )
  }
}

/** Reads a refusal; what is not JSON is told by its status. */
export function problemOf(status: number, body: unknown, retryAfterMs: number | undefined): AcmeProblem {
  const { type, detail, subproblems } = (typeof body === 'object' && body !== null ? body : {}) as {
    type?: unknown
    detail?: unknown
    subproblems?: { detail?: unknown; identifier?: { value?: unknown } }[]
  }
  const name = typeof type === 'string' ? (type.split(':').at(-1) ?? '') : ''
  const parts = (Array.isArray(subproblems) ? subproblems : [])
    .slice(0, 5)
    .map(part => `${String(part.identifier?.value ?? '')}: ${String(part.detail ?? '')}`)
  const text = [typeof detail === 'string' ? detail : `The certificate authority answered ${status}`, ...parts].join('; ')
  return new AcmeProblem(status, name, text.slice(0, 500), retryAfterMs)
}

/** Reads a Retry-After field: seconds or a date (RFC 9110 §10.2.3), up to a week. */
export function retryAfter(value: string | string[] | undefined, now = Date.now()): number | undefined {
  const text = Array.isArray(value) ? value[0] : value
  if (text === undefined) return undefined
  // A date begins with the name of its day; what else the engine takes for one is none here.
  const ms = /^\d{1,9}$/.test(text.trim()) ? Number(text) * 1000 : /^[A-Z][a-z]+,? /.test(text) ? Date.parse(text) - now : Number.NaN
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), 7 * 86_400_000) : undefined
}
