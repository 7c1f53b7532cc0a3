import {
  BUILDER_AUTH_HEADER,
  type HookAuthenticateRequest,
  type HookBuildRequest,
  type HookBuildResult,
  type HookConfigRequest,
  type HookKey,
} from '../kernel/contract.ts'
import { type HttpAnswer, httpClient } from '../kernel/http.ts'

/** An answer of the control plane that says no, in its own words. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** No answer came, or none that can be read. */
export class UnavailableError extends Error {
  override readonly name = 'UnavailableError'
}

/** The hooks of the control plane. Every call throws {@link RefusedError} for an answer that is no success, {@link UnavailableError} for none. */
export interface ControlPlane {
  /** Whose key this is, and the apps that he may use; `undefined` for nobody's. */
  findKey(fingerprint: string): Promise<HookKey | undefined>
  /** The same for a name and a password or token. */
  authenticate(request: HookAuthenticateRequest): Promise<HookKey | undefined>
  /** The config of the app's newest release. */
  readConfig(request: HookConfigRequest): Promise<Record<string, string>>
  /** Makes a build and a release of it, and waits for its rollout. */
  release(request: HookBuildRequest): Promise<HookBuildResult>
  /** @returns why it is not healthy, or `undefined` */
  health(): Promise<string | undefined>
  close(): Promise<void>
}

/** Look-ups are small; whoever waits longer has a broken control plane, and a pusher who wants to know. */
const ANSWER_TIMEOUT_MS = 15_000

/** @param options.releaseTimeoutMs how long a rollout may take */
export function connectControlPlane(options: { url: string; key: string; releaseTimeoutMs: number }): ControlPlane {
  const http = httpClient({ baseUrl: options.url, headers: { [BUILDER_AUTH_HEADER]: options.key }, answerTimeoutMs: ANSWER_TIMEOUT_MS })

  const client = {
    async json<B = unknown>(...call: Parameters<typeof http.json>): Promise<HttpAnswer<B>> {
      try {
        return await http.json<B>(...call)
      } catch (cause) {
        throw new UnavailableError('The control plane does not answer', { cause })
      }
    },
  }

  return {
    findKey: async fingerprint => person(await client.json('GET', `/v2/hooks/key/${encodeURIComponent(fingerprint)}`)),
    authenticate: async request => person(await client.json('POST', '/v2/hooks/authenticate/', request)),
    async readConfig(request) {
      const { values = {} } = success(await client.json<{ values?: Record<string, unknown> }>('POST', '/v2/hooks/config/', request))
      return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]))
    },
    async release(request) {
      const { releaseTimeoutMs } = options
      const answer = await client.json<HookBuildResult>('POST', '/v2/hooks/build/', request, { answerTimeoutMs: releaseTimeoutMs })
      return success(answer)
    },
    async health() {
      try {
        const { status } = await client.json('GET', '/healthz', undefined, { answerTimeoutMs: 5000 })
        return status === 200 ? undefined : `control plane answers ${status}`
      } catch (error) {
        return `control plane does not answer: ${((error as Error).cause as Error | undefined)?.message}`
      }
    },
    close: () => http.close(),
  }
}

/** A 401 of `hooks/authenticate` and a 404 of `hooks/key` both mean nobody; a fault of our own key is a 401 or 403 of the latter. */
function person(answer: HttpAnswer<unknown>): HookKey | undefined {
  if (answer.status === 404) return undefined
  if (answer.status === 401 && !/builder|hook/i.test(detailOf(answer.body))) return undefined
  const { username, apps } = success(answer) as Partial<HookKey>
  if (typeof username !== 'string' || !Array.isArray(apps))
    throw new UnavailableError("Cannot read the control plane's answer: a user was expected")
  return { username, apps }
}

function success<B>(answer: HttpAnswer<B>): B {
  if (answer.status >= 200 && answer.status < 300 && typeof answer.body === 'object' && answer.body !== null) return answer.body
  throw new RefusedError(answer.status, detailOf(answer.body) || `The control plane answered ${answer.status}`)
}

/** The words of an error body: `detail`, or every message of every field. */
export function detailOf(body: unknown): string {
  if (typeof body === 'string') return body.startsWith('<') ? '' : body.trim()
  if (typeof body !== 'object' || body === null) return ''
  if ('detail' in body) return typeof body.detail === 'string' ? body.detail : JSON.stringify(body.detail)
  return Object.entries(body)
    .map(([field, messages]) => `${field}: ${[messages].flat().join(' ')}`)
    .join('\n')
}
