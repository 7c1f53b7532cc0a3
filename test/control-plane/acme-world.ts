import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type FakeAuthority, startFakeAuthority } from '../../control-plane/acme/testbed.ts'
import type { Automatic } from '../../control-plane/domain/automatic.ts'
import { find, modify } from '../../kernel/kubernetes/api.ts'
import { hashName } from '../../kernel/kubernetes/names.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { type Bed, startBed } from './bed.ts'
import { startNameServer } from './name-server.ts'

export const CHALLENGES = 'router.drycc.cc/x-acme-challenges'
export const CERTIFICATES = 'router.drycc.cc/certificates'

/** A control plane that can get certificates. */
export interface World extends AsyncDisposable {
  readonly bed: Bed
  readonly authority: FakeAuthority
  readonly token: string
  readonly names: Awaited<ReturnType<typeof startNameServer>>
  create(app: string): Promise<void>
  post(app: string, path: string, body: object): ReturnType<Bed['call']>
  tls(app: string): Promise<Awaited<ReturnType<Bed['call']>>['body']>
  annotations(app: string): Promise<Readonly<Record<string, string>>>
  secrets(app: string): Promise<string[]>
  /** The certificate that the router would show for a domain. */
  copyOf(app: string, domain: string): Promise<{ certificate: string; key: string }>
  isServed(app: string, domain: string): Promise<void>
  /** What the platform keeps of a domain's certificate; nothing when that is nothing. */
  record(domain: string): Promise<Partial<Automatic>>
  /** Writes into that. */
  edit(domain: string, changes: Partial<Automatic>): Promise<void>
  /** Moves the next attempt of a domain to now. */
  soon(domain: string): Promise<void>
}

/** Starts a control plane with an app, an authority, names that lead to this machine, and a router that answers challenges and nothing else. */
export async function startWorld(env: Record<string, string> = {}, directories = (url: string) => url): Promise<World> {
  const authority = await startFakeAuthority()
  const names = await startNameServer()
  for (const name of ['www.shop.test', 'a.shop.test', 'b.shop.test', 'blog.test']) names.addresses.set(name, '127.0.0.1')
  const router = createServer(async (request, response) => {
    const host = (request.headers.host ?? '').replace(/:.*/, '')
    const { items } = await bed.api.list(RESOURCES.services)
    const challenges = items.flatMap(({ metadata }) => (metadata.annotations?.[CHALLENGES] ?? '').split(', '))
    const found = challenges.map(text => text.split(' ')).find(([domain, token]) => domain === host && request.url?.endsWith(`/${token}`))
    response.writeHead(found ? 200 : 404, { 'content-type': 'text/plain' })
    response.end(found?.[2] ?? 'nothing')
  })
  router.listen(0, '127.0.0.1')
  await once(router, 'listening')
  const { port } = router.address() as AddressInfo
  authority.look = async (domain, token) => {
    const headers = { host: domain }
    const { request } = await import('node:http')
    const path = `/.well-known/acme-challenge/${token}`
    const [response] = await once(request({ port, host: '127.0.0.1', path, headers }).end(), 'response')
    let text = ''
    for await (const chunk of response) text += chunk
    return text
  }
  const bed = await startBed({
    CONTROLLER_ACME_DIRECTORIES: directories(authority.url),
    CONTROLLER_ACME_HTTP_PORT: String(port),
    CONTROLLER_ACME_RESOLVERS: `127.0.0.1:${names.port}`,
    ...env,
  })
  const token = await bed.register('admin')
  const world: World = {
    ...{ bed, authority, names, token },
    async create(app) {
      await bed.call('POST', '/v2/apps/', { token, body: { id: app } })
    },
    post: (app, path, body) => bed.call('POST', `/v2/apps/${app}/${path}`, { token, body }),
    async tls(app) {
      return (await bed.call('GET', `/v2/apps/${app}/tls/`, { token })).body
    },
    async annotations(app) {
      return (await bed.api.get(RESOURCES.services, app, app)).metadata.annotations ?? {}
    },
    async secrets(app) {
      const { items } = await bed.api.list(RESOURCES.secrets, { namespace: app, labelSelector: 'drycc.cc/attached=certificate' })
      return items.map(({ metadata }) => metadata.name)
    },
    async copyOf(app, domain) {
      const pairs = (await world.annotations(app))[CERTIFICATES]?.split(',').map(pair => pair.split(':')) ?? []
      const name = pairs.find(([of]) => of?.toLowerCase() === domain)?.[1]
      if (name === undefined) throw new Error(`No certificate of ${domain}`)
      const { data } = await bed.api.get(RESOURCES.secrets, app, `${name}-cert`)
      const text = (key: string) => Buffer.from(data?.[key] ?? '', 'base64').toString()
      return { certificate: text('tls.crt'), key: text('tls.key') }
    },
    isServed: (app, domain) =>
      bed.until(() =>
        world.copyOf(app, domain).then(
          ({ key }) => key !== '',
          () => false,
        ),
      ),
    async record(domain) {
      const secret = await find(bed.api, RESOURCES.secrets, 'drycc', hashName('automatic', domain))
      return secret ? JSON.parse(Buffer.from(secret.data?.['automatic'] ?? '', 'base64').toString()) : {}
    },
    async edit(domain, changes) {
      // The control plane may write at the same time.
      await modify(bed.api, RESOURCES.secrets, 'drycc', hashName('automatic', domain), secret => {
        const record = JSON.parse(Buffer.from(secret.data?.['automatic'] ?? '', 'base64').toString())
        return { ...secret, data: { automatic: Buffer.from(JSON.stringify({ ...record, ...changes })).toString('base64') } }
      })
    },
    async soon(domain) {
      await world.edit(domain, { nextAttemptAt: new Date(0).toISOString() })
      // As when the lease goes from one to another: all domains are looked at anew.
      await bed.restart()
    },
    async [Symbol.asyncDispose]() {
      await bed.stop()
      router.closeAllConnections()
      router.close()
      await names[Symbol.asyncDispose]()
      await authority[Symbol.asyncDispose]()
    },
  }
  await world.create('shop')
  return world
}
