import { isIP, isIPv6, type LookupFunction } from 'node:net'
import type { EndpointSlice } from 'kubernetes-types/discovery/v1'
import { LRUCache } from 'lru-cache'
import { type HttpClient, httpClient } from '../../kernel/http.ts'
import { type KubernetesApi, listAll } from '../../kernel/kubernetes/api.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import type { App } from '../domain/app.ts'

export interface AskOptions {
  readonly api: Pick<KubernetesApi, 'list'>
  /** The operator's, asked for every app. */
  readonly url?: string
  readonly platformDomain: string
  /** Resolves the names of addresses that users wrote. */
  readonly foreignLookup: LookupFunction
  /** How long a hook has; 5 s by default. */
  readonly answerMs?: number
}

const ANSWER_MS = 5_000
const KEPT_MS = 60_000
/** Of a hook that did not answer, or with an error of its own. */
const FAILURE_KEPT_MS = 5_000
const KEPT_COUNT_MAX = 10_000

/** What a hook says: it allows a name, denies it, or could not be asked. */
interface Verdict {
  readonly why?: string
  readonly isFailure?: true
}

/**
 * Asks whether a name may have a certificate: `GET …?domain=NAME`, allowed by 200 and by nothing else. The operator's hook is asked with the
 * app's name too, then the app's own where it has one, and all must allow it. Nothing but the status of an answer is read, redirects are not
 * followed, and answers are kept for a minute.
 */
export class AskHooks {
  readonly #options: AskOptions
  readonly #answerMs: number
  readonly #http: HttpClient
  readonly #foreign: HttpClient
  readonly #verdicts = new LRUCache<string, Verdict>({ max: KEPT_COUNT_MAX })

  constructor(options: AskOptions) {
    this.#options = options
    this.#answerMs = options.answerMs ?? ANSWER_MS
    const patience = { connectTimeoutMs: this.#answerMs, answerTimeoutMs: this.#answerMs, headers: { 'user-agent': 'drycc-controller' } }
    this.#http = httpClient(patience)
    this.#foreign = httpClient({ ...patience, lookup: options.foreignLookup })
  }

  /** @returns why not, as a sentence; `undefined` where it may */
  async ask(app: App, domain: string, signal: AbortSignal): Promise<string | undefined> {
    const own = app.tls.on_demand_ask ?? ''
    const key = `${app.id} ${domain} ${own}`
    const known = this.#verdicts.get(key)
    if (known) return known.why
    const { url } = this.#options
    let verdict: Verdict = url === undefined && own === '' ? { why: 'There is no hook to ask' } : {}
    if (url !== undefined) verdict = await this.#askOperator(url, app.id, domain, signal)
    if (verdict.why === undefined && own !== '') verdict = await this.#askApp(own, app, domain, signal)
    if (!signal.aborted) this.#verdicts.set(key, verdict, { ttl: verdict.isFailure ? FAILURE_KEPT_MS : KEPT_MS })
    return verdict.why
  }

  async stop(): Promise<void> {
    await Promise.all([this.#http.close(), this.#foreign.close()])
  }

  #askOperator(url: string, app: string, domain: string, signal: AbortSignal): Promise<Verdict> {
    const target = new URL(url)
    target.searchParams.set('domain', domain)
    target.searchParams.set('app', app)
    return this.#read("The platform's hook", this.#http, target, {}, signal)
  }

  async #askApp(own: string, app: App, domain: string, signal: AbortSignal): Promise<Verdict> {
    const who = `The hook ${own.replace(/\?.*/, '')}`
    if (!own.startsWith('/')) {
      const target = new URL(own)
      target.searchParams.set('domain', domain)
      return this.#read(who, this.#foreign, target, {}, signal)
    }
    const origin = await this.#endpoint(app.id).catch(() => undefined)
    if (origin === undefined) return { why: `${who} cannot be asked: no process of the app takes requests`, isFailure: true }
    // What only a path can be: the host is the endpoint's, whatever is written here.
    const target = new URL(own, origin)
    if (target.origin !== origin) return { why: `${who} is no path of the app` }
    target.searchParams.set('domain', domain)
    const headers = { host: `${app.id}.${this.#options.platformDomain}`, 'x-forwarded-proto': 'https' }
    return this.#read(who, this.#http, target, headers, signal)
  }

  /** Straight to a pod, as the router goes: the app's own rules for clients do not stand in the way. */
  async #endpoint(app: string): Promise<string | undefined> {
    const selection = { namespace: app, labelSelector: `kubernetes.io/service-name=${app}` }
    const { items } = await listAll<EndpointSlice>(this.#options.api, RESOURCES.endpointSlices, selection)
    for (const { endpoints = [], ports = [] } of items) {
      const port = ports?.[0]?.port
      const [address = ''] = endpoints?.find(({ conditions }) => conditions?.ready !== false)?.addresses ?? []
      // One of type FQDN has a name, which nobody has looked at.
      if (port !== undefined && isIP(address) !== 0) return new URL(`http://${isIPv6(address) ? `[${address}]` : address}:${port}`).origin
    }
    return undefined
  }

  async #read(who: string, http: HttpClient, url: URL, headers: Readonly<Record<string, string>>, stopping: AbortSignal): Promise<Verdict> {
    const late = AbortSignal.timeout(this.#answerMs)
    try {
      const signal = AbortSignal.any([stopping, late])
      const { status, body } = await http.stream('GET', url.href, undefined, { headers, signal })
      body.on('error', () => {}).destroy()
      if (status === 200) return {}
      return { why: `${who} answers ${status}, only 200 allows a certificate`, ...(status >= 500 && { isFailure: true }) }
    } catch (error) {
      const { code, cause, message } = error as Error & { code?: unknown; cause?: { code?: unknown } }
      const reason = late.aborted ? `not within ${this.#answerMs / 1000} s` : String(code ?? cause?.code ?? message)
      return { why: `${who} does not answer (${reason})`, isFailure: true }
    }
  }
}
