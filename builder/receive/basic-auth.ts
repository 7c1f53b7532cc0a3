import { createHash } from 'node:crypto'
import type { HookAuthenticateRequest, HookKey } from '../../kernel/contract.ts'

/** A push over HTTP is three or four requests; each would cost the control plane a password hash. Rights taken away count after this at the latest. */
const FRESH_MS = 10_000
const ENTRY_COUNT_MAX = 1000

/** Reads an `Authorization: Basic` field; `undefined` for any other. */
export function parseBasic(header: string | undefined): HookAuthenticateRequest | undefined {
  const [, encoded] = /^basic +([A-Za-z0-9+/=_-]+)$/i.exec(header?.trim() ?? '') ?? []
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString()
  const colon = text.indexOf(':')
  return colon < 0 ? undefined : { username: text.slice(0, colon), password: text.slice(colon + 1) }
}

/** Asks who somebody is, and remembers a yes for a few seconds. Refusals are never remembered: a password may have been corrected. */
export class Authenticator {
  readonly #ask: (request: HookAuthenticateRequest) => Promise<HookKey | undefined>
  readonly #known = new Map<string, { readonly answer: Promise<HookKey | undefined>; readonly until: number }>()

  constructor(ask: (request: HookAuthenticateRequest) => Promise<HookKey | undefined>) {
    this.#ask = ask
  }

  /**
   * @param app asked about again when the remembered answer does not list it, as it may have been made a moment ago
   * @throws when the control plane cannot tell
   */
  async identify(request: HookAuthenticateRequest, app: string): Promise<HookKey | undefined> {
    const id = createHash('sha256')
      .update(JSON.stringify([request.username, request.password]))
      .digest('base64')
    const known = this.#known.get(id)
    if (known && known.until > performance.now()) {
      const person = await known.answer
      if (person?.apps.includes(app)) return person
    }
    const answer = this.#ask(request)
    this.#remember(id, answer)
    try {
      const person = await answer
      if (!person) this.#known.delete(id)
      return person
    } catch (error) {
      this.#known.delete(id)
      throw error
    }
  }

  #remember(id: string, answer: Promise<HookKey | undefined>): void {
    this.#known.delete(id)
    const [oldest] = this.#known.keys()
    if (this.#known.size >= ENTRY_COUNT_MAX && oldest !== undefined) this.#known.delete(oldest)
    this.#known.set(id, { answer, until: performance.now() + FRESH_MS })
  }
}
