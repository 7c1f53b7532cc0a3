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

  /** Whether the server has had too many of something. */
  get isLimit(): boolean {
    return this.status === 429 || this.type === 'rateLimited'
  }

  /**
   * Whether it is said of a domain, or of one above it: authorities bound what is ordered for one registered domain and for one set of names, and
   * say so in words alone; what is said of neither holds for the account.
   */
  concerns(domain: string): boolean {
    const said = this.message.toLowerCase()
    const labels = domain.split('.')
    const names = labels.slice(0, -1).map((_, index) => labels.slice(index).join('.'))
    return /exact set of (?:domains|identifiers|names)/.test(said) || names.some(name => isNamed(said, name))
  }

  /** Whether another attempt with the same request makes sense soon: the fault is the server's or the network's. */
  get isPassing(): boolean {
    return this.status >= 500 || this.isLimit || this.type === 'badNonce' || this.type === 'serverInternal'
  }
}

/** As a whole name, not as the end of another one or a part of an address. */
function isNamed(text: string, name: string): boolean {
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + 1))
    if (!/[\w./-]/.test(text[at - 1] ?? ' ') && !/^(?:[\w/-]|\.\w)/.test(text.slice(at + name.length, at + name.length + 2))) return true
  return false
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
