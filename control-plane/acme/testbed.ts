import { createHmac, createPublicKey, randomBytes, verify } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { createTestAuthority } from '../../kernel/signing-testbed.ts'

/** What a request to the authority asked for. */
export interface Asked {
  readonly path: string
  readonly account: string
  // biome-ignore lint/suspicious/noExplicitAny: a test that asks for the wrong thing fails all the same
  readonly payload: any
}

/** An answer in place of the authority's own. */
export interface Fault {
  readonly status: number
  readonly type?: string
  readonly detail?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** An ACME server for tests (RFC 8555): it checks signatures and nonces, looks at challenges as a real one does, and fails as told. */
export interface FakeAuthority extends AsyncDisposable {
  /** Of its directory. */
  readonly url: string
  /** PEM of what its certificates are signed with. */
  readonly root: string
  readonly asked: Asked[]
  /** How many orders were made, accounts likewise. */
  readonly orders: number
  readonly accounts: number
  /** Says what stands in the place of a domain's challenge, or that it cannot be had. */
  look: (domain: string, token: string) => Promise<string>
  /** Asked before each request is answered. */
  fault: (path: string) => Fault | undefined
  /** Refuses so many of the nonces that it gave, 0 to 1. */
  nonceRefusals: number
  lifeMs: number
  /** When it says that certificates are to be renewed; absent: it does not say. */
  renewal?: { readonly startMs: number; readonly endMs: number; readonly retryAfterSeconds?: number }
  /** Keeps an order from being decided. */
  hold?: Promise<void>
  /** By which it calls itself in CAA records; absent: it does not say. */
  identities?: readonly string[]
  externalAccount?: { readonly keyId: string; readonly hmacKey: string }
}

interface Order {
  status: string
  readonly account: string
  readonly names: readonly string[]
  readonly authorizations: readonly number[]
  certificate?: string
  error?: object
}

interface Authorization {
  status: string
  readonly name: string
  readonly token: string
  challenge: string
  error?: object
}

export async function startFakeAuthority(): Promise<FakeAuthority> {
  const signer = await createTestAuthority('Test Authority')
  const other = await createTestAuthority('Other Authority')
  const nonces = new Set<string>()
  // biome-ignore lint/suspicious/noExplicitAny: a JWK as it came
  const accounts: any[] = []
  const orders: Order[] = []
  const authorizations: Authorization[] = []
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => problem(response, 500, 'serverInternal', String(error)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const authority = {
    url: `${base}/directory`,
    root: signer.certificate,
    asked: [] as Asked[],
    get orders() {
      return orders.length
    },
    get accounts() {
      return accounts.length
    },
    look: async (_domain: string, _token: string): Promise<string> => '',
    fault: (_path: string): Fault | undefined => undefined,
    nonceRefusals: 0,
    lifeMs: 90 * 86_400_000,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  } as FakeAuthority
  return authority

  function newNonce(): string {
    const nonce = randomBytes(12).toString('base64url')
    nonces.add(nonce)
    return nonce
  }

  function send(response: ServerResponse, status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): void {
    response.writeHead(status, { 'content-type': 'application/json', 'replay-nonce': newNonce(), ...headers })
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  }

  function problem(response: ServerResponse, status: number, type: string, detail: string, headers: Readonly<Record<string, string>> = {}) {
    const body = { type: `urn:ietf:params:acme:error:${type}`, detail, status }
    send(response, status, body, { 'content-type': 'application/problem+json', ...headers })
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? ''
    const body = await buffer(request)
    const fault = authority.fault(path)
    if (fault) return problem(response, fault.status, fault.type ?? 'serverInternal', fault.detail ?? 'told to fail', fault.headers)
    if (path === '/directory') {
      const paths = {
        newNonce: '/nonce',
        newAccount: '/account',
        newOrder: '/order',
        ...(authority.renewal && { renewalInfo: '/renewal' }),
      }
      const meta = {
        ...(authority.externalAccount && { externalAccountRequired: true }),
        ...(authority.identities && { caaIdentities: authority.identities }),
      }
      return send(response, 200, { ...Object.fromEntries(Object.entries(paths).map(([key, at]) => [key, base + at])), meta })
    }
    if (path === '/nonce') return send(response, 200, '')
    if (path.startsWith('/renewal/')) return sendRenewal(response, path)
    const jws = JSON.parse(body.toString())
    const header = JSON.parse(Buffer.from(jws.protected, 'base64url').toString())
    if (!nonces.delete(header.nonce) || Math.random() < authority.nonceRefusals) return problem(response, 400, 'badNonce', 'Bad nonce')
    const account = header.kid === undefined ? undefined : accounts[Number(header.kid.split('/').at(-1))]
    const jwk = header.jwk ?? account
    if (jwk === undefined) return problem(response, 400, 'accountDoesNotExist', 'No such account')
    const signed = Buffer.from(`${jws.protected}.${jws.payload}`)
    const key = { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' as const }
    const isSigned = verify('sha256', signed, key, Buffer.from(jws.signature, 'base64url'))
    if (!isSigned || header.url !== base + path || header.alg !== 'ES256') return problem(response, 400, 'malformed', 'Bad signature')
    const payload = jws.payload === '' ? undefined : JSON.parse(Buffer.from(jws.payload, 'base64url').toString())
    authority.asked.push({ path, account: header.kid ?? '', payload })
    if (path === '/account') return newAccount(response, jwk, payload)
    if (path === '/order') return newOrder(response, header.kid, payload)
    const [, kind = '', id = ''] = path.split('/')
    const order = orders[Number(id)]
    const own = order?.account === header.kid ? order : undefined
    if (kind === 'orders' && own) return sendOrder(response, own)
    if (kind === 'finalize' && own) return finalize(response, own, payload)
    if (kind === 'certificate' && own) return sendCertificate(response, own, path)
    const authorization = authorizations[Number(id)]
    if (kind === 'authorization' && authorization) return sendAuthorization(response, authorization)
    if (kind === 'challenge' && authorization) return takeChallenge(response, authorization)
    problem(response, 404, 'malformed', 'Nothing there')
  }

  // biome-ignore lint/suspicious/noExplicitAny: as it came
  function newAccount(response: ServerResponse, jwk: any, payload: any): void {
    const external = authority.externalAccount
    if (external && !isBound(payload.externalAccountBinding, jwk, external)) {
      problem(response, 401, 'unauthorized', 'Not bound')
      return
    }
    const known = accounts.findIndex(account => account.x === jwk.x)
    const id = known >= 0 ? known : accounts.push(jwk) - 1
    send(response, known >= 0 ? 200 : 201, { status: 'valid' }, { location: `${base}/accounts/${id}` })
  }

  // biome-ignore lint/suspicious/noExplicitAny: as it came
  function isBound(binding: any, jwk: any, { keyId, hmacKey }: { keyId: string; hmacKey: string }): boolean {
    if (!binding) return false
    const signed = `${binding.protected}.${binding.payload}`
    const mac = createHmac('sha256', Buffer.from(hmacKey, 'base64url')).update(signed).digest('base64url')
    const header = JSON.parse(Buffer.from(binding.protected, 'base64url').toString())
    const bound = JSON.parse(Buffer.from(binding.payload, 'base64url').toString())
    return mac === binding.signature && header.kid === keyId && header.url === `${base}/account` && bound.x === jwk.x
  }

  function newOrder(response: ServerResponse, account: string, payload: { identifiers: { value: string }[] }): void {
    const names = payload.identifiers.map(({ value }) => value)
    const ids = names.map(
      name => authorizations.push({ status: 'pending', name, token: randomBytes(16).toString('base64url'), challenge: 'pending' }) - 1,
    )
    const id = orders.push({ status: 'pending', account, names, authorizations: ids }) - 1
    sendOrder(response, orders[id] as Order, 201)
  }

  function refresh(order: Order): void {
    const states = order.authorizations.map(at => authorizations[at]?.status)
    if (order.status === 'pending' && states.every(state => state === 'valid')) order.status = 'ready'
    if (order.status === 'pending' && states.includes('invalid')) order.status = 'invalid'
  }

  function sendOrder(response: ServerResponse, order: Order, status = 200): void {
    const id = orders.indexOf(order)
    refresh(order)
    const shown = {
      ...{ status: order.status, identifiers: order.names.map(value => ({ type: 'dns', value })) },
      ...{ authorizations: order.authorizations.map(at => `${base}/authorization/${at}`), finalize: `${base}/finalize/${id}` },
      ...(order.certificate && { certificate: `${base}/certificate/${id}` }),
      ...(order.error && { error: order.error }),
    }
    send(response, status, shown, { location: `${base}/orders/${id}` })
  }

  function sendAuthorization(response: ServerResponse, { status, name, token, challenge, error }: Authorization): void {
    const id = authorizations.findIndex(other => other.token === token)
    const shown = { url: `${base}/challenge/${id}`, status: challenge, token, ...(error && { error }) }
    const challenges = ['http-01', 'tls-alpn-01', 'dns-01'].map(type => ({ type, ...shown }))
    send(response, 200, { status, identifier: { type: 'dns', value: name }, challenges })
  }

  function takeChallenge(response: ServerResponse, authorization: Authorization): void {
    if (authorization.challenge === 'pending') {
      authorization.challenge = 'processing'
      void decide(authorization)
    }
    send(response, 200, { status: authorization.challenge, token: authorization.token })
  }

  async function decide(authorization: Authorization): Promise<void> {
    await authority.hold
    const { name, token } = authorization
    const seen = await authority.look(name, token).catch((error: unknown) => String(error))
    const isRight = /^[\w-]+\.[\w-]{43}$/.test(seen) && seen.startsWith(`${token}.`)
    authorization.status = authorization.challenge = isRight ? 'valid' : 'invalid'
    if (!isRight) authorization.error = { type: 'urn:ietf:params:acme:error:unauthorized', detail: `Saw ${JSON.stringify(seen)}` }
  }

  async function finalize(response: ServerResponse, order: Order, payload: { csr: string }): Promise<void> {
    refresh(order)
    const request = Buffer.from(payload.csr, 'base64url')
    const isRight = String(await signer.namesOf(request)) === String(order.names)
    if (order.status !== 'ready' || !isRight) return problem(response, 403, 'orderNotReady', `The order is ${order.status}`)
    const validity = { notBefore: new Date(Date.now() - 1000), notAfter: new Date(Date.now() + authority.lifeMs) }
    order.certificate = await signer.certify(request, validity)
    order.status = 'valid'
    sendOrder(response, order)
  }

  function sendCertificate(response: ServerResponse, { certificate = '' }: Order, path: string): void {
    const isOther = path.endsWith('/other')
    const chain = certificate + (isOther ? other : signer).certificate
    const link = `<${base}/directory>;rel="index"${isOther ? '' : `, <${path}/other>;rel="alternate"`}`
    send(response, 200, chain, { 'content-type': 'application/pem-certificate-chain', link })
  }

  function sendRenewal(response: ServerResponse, path: string): void {
    const { startMs, endMs, retryAfterSeconds = 3600 } = authority.renewal ?? { startMs: 0, endMs: 0 }
    const isId = /^\/renewal\/[\w-]{10,}\.[\w-]{2,}$/.test(path)
    if (!isId) {
      problem(response, 404, 'malformed', 'No such certificate')
      return
    }
    const window = { start: new Date(startMs).toISOString(), end: new Date(endMs).toISOString() }
    send(response, 200, { suggestedWindow: window }, { 'retry-after': String(retryAfterSeconds) })
  }
}
