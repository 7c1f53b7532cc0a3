import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { HookAuthenticateRequest, HookKey } from '../../kernel/contract.ts'
import type { Running } from '../../kernel/lifecycle.ts'
import type { Log } from '../../kernel/log.ts'
import { Authenticator, parseBasic } from './basic-auth.ts'
import { type GitService, parseProtocol, parseRepository } from './git-command.ts'
import type { GitServer } from './git-server.ts'
import { FLUSH, pktLine, remoteError, sidebandError } from './pkt-line.ts'
import { refusal } from './refusal.ts'

export interface HttpServerParts {
  readonly git: GitServer
  readonly log: Log
  readonly limits: { connectionCountMax: number; pushBytesMax: number }
  /** @returns `undefined` for wrong credentials. @throws when the control plane cannot tell */
  authenticate(request: HookAuthenticateRequest): Promise<HookKey | undefined>
}

/** What of a URL is ours: `/git/<app>.git/` and one of git's three requests. */
interface Target {
  readonly app: string
  readonly service: GitService
  readonly advertise: boolean
}

/**
 * The HTTP door: git's smart protocol under `/git/<app>.git`, for a user's name with a password or a token.
 *
 * A body may take as long as it takes, as a push from a slow line does; the router's and our idle limits end one that stands still.
 *
 * @see https://git-scm.com/docs/http-protocol
 */
export async function startHttpServer(
  address: { host: string; port: number },
  parts: HttpServerParts,
): Promise<Running & { port: number }> {
  const authenticator = new Authenticator(parts.authenticate)
  const server = createServer(
    { requestTimeout: 0, headersTimeout: 15_000, keepAliveTimeout: 75_000, maxHeaderSize: 16_384, noDelay: true },
    (request, response) => {
      serve(request, response, authenticator, parts).catch(error => {
        parts.log.error('git over http failed', { error })
        if (response.headersSent) response.destroy()
        else plain(response, 500, 'Internal error')
      })
    },
  )
  server.maxConnections = parts.limits.connectionCountMax
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(address.port, address.host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  server.on('clientError', (_error, socket) => socket.destroy())
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      const closed = new Promise(resolve => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  authenticator: Authenticator,
  parts: HttpServerParts,
): Promise<void> {
  const target = parseTarget(request)
  if (typeof target === 'number') {
    return plain(response, target, 'This address serves git: clone and push <address>/git/<app>.git with git 1.7 or newer')
  }
  const principal = await identify(request, target.app, authenticator, parts.log)
  if (!principal) {
    response.setHeader('www-authenticate', 'Basic realm="Drycc: user name, and password or token", charset="UTF-8"')
    return plain(response, 401, 'Wrong user name, password or token')
  }
  const type = `application/x-${target.service}`
  const refused = refusal(principal, target.app)
  if (refused) {
    const answer = target.advertise
      ? [pktLine(`# service=${target.service}\n`), Buffer.from(FLUSH), remoteError(refused)]
      : [target.service === 'git-receive-pack' ? sidebandError(refused) : remoteError(refused)]
    response.writeHead(200, { 'content-type': `${type}-${target.advertise ? 'advertisement' : 'result'}`, 'cache-control': 'no-cache' })
    response.end(Buffer.concat(answer))
    return
  }
  await serveGit(request, response, target, (principal as HookKey).username, parts)
}

async function serveGit(
  request: IncomingMessage,
  response: ServerResponse,
  { app, service, advertise }: Target,
  user: string,
  { git, limits }: HttpServerParts,
): Promise<void> {
  const gone = new AbortController()
  response.on('close', () => {
    if (!response.writableFinished) gone.abort()
  })
  response.on('error', () => gone.abort())
  const exchange = {
    ...{ app, user, service, protocol: parseProtocol(request.headers['git-protocol']?.toString()) },
    input: request as Readable,
    write: (chunk: Uint8Array) => write(response, chunk, gone.signal),
    gone: gone.signal,
  }
  const head = { 'cache-control': 'no-cache, max-age=0, must-revalidate', expires: 'Fri, 01 Jan 1980 00:00:00 GMT', pragma: 'no-cache' }
  if (advertise) {
    response.writeHead(200, { ...head, 'content-type': `application/x-${service}-advertisement` })
    await git.advertise(exchange)
    response.end()
    return
  }
  const wanted = `application/x-${service}-request`
  if (request.headers['content-type'] !== wanted) return plain(response, 415, `Send a body of type ${wanted}`)
  response.setHeader('content-type', `application/x-${service}-result`)
  if (await isProbe(request)) {
    response.writeHead(200, head)
    response.end()
    return
  }
  const input = decode(request, limits.pushBytesMax)
  if (!input) return plain(response, 415, 'Send the body as it is or with gzip')
  response.writeHead(200, head)
  await git.serve({ ...exchange, input, stateless: true })
  response.end()
}

function parseTarget(request: IncomingMessage): Target | number {
  const url = URL.parse(request.url ?? '/', 'http://builder')
  const [, repository = '', rest = ''] = /^\/git\/([^/]+)\/(.+)$/.exec(url?.pathname ?? '') ?? []
  const app = parseRepository(repository)
  if (!url || app === undefined) return 404
  if (rest === 'info/refs') {
    if (request.method !== 'GET') return 405
    const service = url.searchParams.get('service')
    // Without the parameter it is a client of the "dumb" protocol, which cannot push.
    return service === 'git-receive-pack' || service === 'git-upload-pack' ? { app, service, advertise: true } : 403
  }
  if (rest !== 'git-receive-pack' && rest !== 'git-upload-pack') return 404
  return request.method === 'POST' ? { app, service: rest, advertise: false } : 405
}

async function identify(
  request: IncomingMessage,
  app: string,
  authenticator: Authenticator,
  log: Log,
): Promise<HookKey | 'unavailable' | undefined> {
  const credentials = parseBasic(request.headers.authorization)
  if (!credentials) return undefined
  try {
    return await authenticator.identify(credentials, app)
  } catch (error) {
    log.warn('control plane cannot be asked for a user', { error: (error as Error).message })
    return 'unavailable'
  }
}

/**
 * Before a large chunked upload git sends a lone flush to learn whether it is let in (`probe_rpc` in its `remote-curl.c`). It is no push: it must
 * not take the app's lock.
 */
async function isProbe(request: IncomingMessage): Promise<boolean> {
  if (request.headers['content-length'] !== '4') return false
  // Four bytes hold no command, whatever they are.
  for await (const _ of request);
  return true
}

/** Undoes gzip and stops at the limit, which holds for what comes out: a megabyte of gzip can be a gigabyte. */
function decode(request: IncomingMessage, bytesMax: number): Readable | undefined {
  const encoding = request.headers['content-encoding'] ?? 'identity'
  if (!/^(identity|x-gzip|gzip)$/.test(encoding)) return undefined
  const input: Readable = encoding === 'identity' ? request : request.pipe(createGunzip())
  if (input !== request) request.once('error', error => input.destroy(error))
  // It may break before anybody listens.
  input.on('error', () => {})
  let length = 0
  const count = (chunk: Buffer) => {
    length += chunk.length
    // The commands that stand before the pack, which git itself limits.
    if (length > bytesMax + 16 * 1024 ** 2) request.destroy(new RangeError(`A push of more than ${bytesMax} bytes`))
  }
  return input.on('data', count).pause()
}

async function write(response: ServerResponse, chunk: Uint8Array, gone: AbortSignal): Promise<void> {
  if (gone.aborted || response.destroyed || response.write(chunk)) return
  await new Promise<void>(resolve => {
    const done = () => {
      response.off('drain', done)
      response.off('close', done)
      resolve()
    }
    response.on('drain', done)
    response.on('close', done)
  })
}

function plain(response: ServerResponse, status: number, text: string): void {
  // The rest of a body that nobody reads would keep the connection, and a place among the few, for as long as its client likes.
  if (!response.req.complete) response.setHeader('connection', 'close')
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' })
  response.end(`${text}\n`)
}
