import { createHash, timingSafeEqual } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { BUILDER_AUTH_HEADER } from '../../kernel/contract.ts'
import type { Log } from '../../kernel/log.ts'
import { mayManage, mayUse } from '../domain/access.ts'
import type { Fields } from '../domain/fields.ts'
import { forbidden, missing, Refusal } from '../domain/refusal.ts'
import { hashToken, isToken } from '../domain/token.ts'
import type { Records } from '../records.ts'
import type { AppCall, Call, Handler, Handlers, Method, UserCall } from './call.ts'
import type { Reply } from './reply.ts'

const METHODS: readonly Method[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']
const BUILDER_HEADERS = [BUILDER_AUTH_HEADER, 'x-drycc-builder-auth']

export interface RoutesOptions {
  readonly records: Records
  /** The secret of builder and control plane; without it the hooks are shut. */
  readonly builderKey: string | undefined
  readonly ports: PublicPorts
  readonly log: Log
}

/** Puts handlers behind paths, each behind the door that its callers must pass; what a path does not know is 405, never a redirect. */
export class Routes {
  readonly #server: FastifyInstance
  readonly #records: Records
  readonly #builderKey: string | undefined
  readonly #ports: PublicPorts
  readonly #log: Log

  constructor(server: FastifyInstance, options: RoutesOptions) {
    this.#server = server
    this.#records = options.records
    this.#builderKey = options.builderKey
    this.#ports = options.ports
    this.#log = options.log
  }

  /** For anybody; `user` tells a caller with a good token, where it matters. */
  anonymous(path: string, handlers: Handlers<Call & { readonly user: UserCall['user'] | undefined }>): void {
    this.#add(path, handlers, (call, request) => ({ ...call, user: this.#identify(request, 'optional')?.user }))
  }

  /** For whoever has a token. */
  user(path: string, handlers: Handlers<UserCall>): void {
    this.#add(path, handlers, (call, request) => this.#userCall(call, request))
  }

  /** For superusers. */
  superuser(path: string, handlers: Handlers<UserCall>): void {
    this.#add(path, handlers, (call, request) => {
      const known = this.#userCall(call, request)
      if (!known.user.isSuperuser) throw forbidden()
      return known
    })
  }

  /** For those who may use the app whose name is in the path as `:app`; DELETE only for those who may manage it. */
  app(path: string, handlers: Handlers<AppCall>, { collaboratorsMayDelete = false } = {}): void {
    this.#add(`/v2/apps/:app${path}`, handlers, (call, request) => {
      const known = this.#userCall(call, request)
      const app = this.#records.apps.get(call.params['app'] ?? '')
      if (!app || app.deleting) throw missing('App')
      const may = request.method === 'DELETE' && !collaboratorsMayDelete ? mayManage : mayUse
      if (!may(known.user, app)) throw forbidden()
      return { ...known, app }
    })
  }

  /** For the builder, which proves itself with the shared key. */
  builder(path: string, handlers: Handlers): void {
    this.#add(path, handlers, (call, request) => {
      if (!this.#isBuilder(request)) throw request.headers.authorization ? forbidden() : unauthorized(false)
      return call
    })
  }

  #add<C extends Call>(path: string, handlers: Handlers<C>, admit: (call: Call, request: FastifyRequest) => C): void {
    for (const method of METHODS) {
      const handler: Handler<C> = handlers[method] ?? notAllowed(method)
      this.#server.route({
        method,
        url: path,
        handler: async (request, reply) => {
          const call = admit(callOf(request, reply, this.#ports), request)
          if (method !== 'GET') this.#audit(request, reply, 'user' in call ? (call.user as UserCall['user'] | undefined) : undefined)
          return send(reply, await handler(call))
        },
      })
    }
    // A browser asks before it sends a token; the answer is in the headers that every response has.
    this.#server.options(path, async (_, reply) => reply.status(204).send())
  }

  /** Writes one line for each change, when it is answered: who asked for what, and what came of it. */
  #audit({ method, url }: FastifyRequest, reply: FastifyReply, user: UserCall['user'] | undefined): void {
    const path = url.split('?')[0]
    reply.raw.once('close', () => {
      this.#log.info('request', { method, path, user: user?.username, status: reply.statusCode, ms: Math.round(reply.elapsedTime) })
    })
  }

  #userCall(call: Call, request: FastifyRequest): UserCall {
    const known = this.#identify(request, 'required')
    return { ...call, ...known! }
  }

  /** @returns who sent the request; `undefined` when nobody is known and nobody needs to be */
  #identify(request: FastifyRequest, need: 'required' | 'optional'): Pick<UserCall, 'user' | 'tokenHash'> | undefined {
    const [, token] = /^token\s+(\S+)\s*$/i.exec(request.headers.authorization ?? '') ?? []
    const tokenHash = token && isToken(token) ? hashToken(token) : undefined
    const user = tokenHash === undefined ? undefined : this.#records.users.byToken(tokenHash)
    if (user?.isActive && tokenHash !== undefined) return { user, tokenHash }
    if (need === 'required') throw unauthorized(token !== undefined)
    return undefined
  }

  #isBuilder(request: FastifyRequest): boolean {
    const given = BUILDER_HEADERS.map(name => request.headers[name]).find(value => value !== undefined)
    if (typeof given !== 'string' || !this.#builderKey) return false
    // Digests have one length, so the comparison tells nothing about the key, not even its length.
    const digest = (text: string) => createHash('sha256').update(text).digest()
    return timingSafeEqual(digest(given), digest(this.#builderKey))
  }
}

/** 401, which is also how clients know that they have found a platform. */
function unauthorized(hasToken: boolean): Refusal {
  const detail = hasToken ? 'Invalid token.' : 'Authentication credentials were not provided.'
  return new Refusal(401, { detail }, { headers: { 'WWW-Authenticate': 'Token' } })
}

function notAllowed(method: Method): Handler {
  return () => {
    throw new Refusal(405, { detail: `Method "${method}" not allowed.` })
  }
}

function callOf(request: FastifyRequest, reply: FastifyReply, ports: PublicPorts): Call {
  const { headers } = request
  const url = `${originOf(request, ports)}${request.url.startsWith('/') ? request.url : '/'}`
  const gone = new AbortController()
  reply.raw.once('close', () => gone.abort())
  // The last entry is the one that our own router added; those before it are what the client claims.
  const forwarded = String(headers['x-forwarded-for'] ?? '')
    .split(',')
    .at(-1)
    ?.trim()
  return {
    params: request.params as Record<string, string>,
    query: new URLSearchParams(request.url.split('?')[1] ?? ''),
    url,
    body: (request.body ?? {}) as Fields,
    address: forwarded || request.ip,
    gone: gone.signal,
  }
}

/** Where the world reaches the router. */
export interface PublicPorts {
  readonly http: number
  readonly https: number
}

/** Scheme, host and port as the client wrote them: the router leaves the port out of the host, so there it is the public one. */
function originOf({ headers }: FastifyRequest, ports: PublicPorts): string {
  const proto = headers['x-forwarded-proto'] === 'https' ? 'https' : 'http'
  const host = /^[\w.-]+(?::\d+)?$|^\[[\da-f:]+\](?::\d+)?$/i.test(headers.host ?? '') ? headers.host! : 'localhost'
  const isUsual = ports[proto] === (proto === 'https' ? 443 : 80)
  return `${proto}://${host}${isUsual || /:\d+$/.test(host) ? '' : `:${ports[proto]}`}`
}

function send(reply: FastifyReply, { status, body, type }: Reply): FastifyReply {
  reply.status(status)
  if (type !== undefined) return reply.type(type).send(body as string | Readable)
  if (body === undefined) return reply.send()
  return reply.type('application/json; charset=utf-8').send(JSON.stringify(body))
}
