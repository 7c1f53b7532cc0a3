import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { suite, test } from 'node:test'
import type { KubernetesApi } from '../../kernel/kubernetes/api.ts'
import { guardedLookup, isPublicAddress } from '../../kernel/public-address.ts'
import type { App } from '../domain/app.ts'
import { AskHooks, type AskOptions } from './ask.ts'

const NOT_STOPPED = new AbortController().signal

suite('AskHooks', { timeout: 20_000 }, () => {
  for (const [what, listener, why] of [
    ['200', (_, response) => response.end(), undefined],
    ['200 with an endless body, which nobody reads', (_, response) => pour(response), undefined],
    ['204', (_, response) => response.writeHead(204).end(), /answers 204, only 200 allows a certificate$/],
    ['a redirect, which nobody follows', (_, response) => response.writeHead(302, { location: '/yes' }).end(), /answers 302/],
    ['404', (_, response) => response.writeHead(404).end(), /answers 404/],
    ['an error of its own', (_, response) => response.writeHead(500).end(), /answers 500/],
    ['silence', () => {}, /does not answer \(not within 0\.2 s\)$/],
    ['a connection that is cut', request => request.socket.destroy(), /does not answer \(\w+\)$/],
    ['nonsense', request => request.socket.end('nonsense'), /does not answer \(.+\)$/],
  ] as [string, RequestListener, RegExp | undefined][])
    test(`${why ? 'denies' : 'allows'} by ${what}`, async () => {
      await using hook = await startHook(listener)
      const answer = await asked({ url: hook.url, ...(what === 'silence' && { answerMs: 200 }) }, {})
      if (why) assert.match(answer ?? '', why)
      else assert.equal(answer, undefined)
      assert.deepEqual(hook.asked, ['/?domain=a.test&app=shop'])
    })
  test('asks nobody twice within a minute, whatever was said', async () => {
    await using hook = await startHook((request, response) => response.writeHead(request.url?.includes('=a.test') ? 200 : 403).end())
    const hooks = hooksOf({ url: hook.url })
    for (let count = 0; count < 3; count++) {
      assert.equal(await hooks.ask(app({}), 'a.test', NOT_STOPPED), undefined)
      assert.match((await hooks.ask(app({}), 'b.test', NOT_STOPPED)) ?? '', /403/)
    }
    assert.equal(hook.asked.length, 2)
    await hooks.stop()
  })
  test('denies what nobody could be asked for', async () => {
    assert.equal(await asked({}, {}), 'There is no hook to ask')
    assert.equal(
      await asked({}, { on_demand_ask: '/may?key=secret' }),
      'The hook /may cannot be asked: no process of the app takes requests',
    )
  })
  test('goes to a process of the app by its address, not by a name', async () => {
    await using hook = await startHook((_, response) => response.end())
    const slice = (addressType: string, address: string) => [
      {
        addressType,
        ports: [{ port: hook.port }],
        endpoints: [{ addresses: ['127.0.0.9'], conditions: { ready: false } }, { addresses: [address] }],
      },
    ]
    assert.equal(await asked({}, { on_demand_ask: '/may?key=1' }, slice('IPv4', '127.0.0.1')), undefined)
    assert.deepEqual(hook.asked, ['/may?key=1&domain=a.test'])
    assert.match((await asked({}, { on_demand_ask: '/may' }, slice('FQDN', 'localhost'))) ?? '', /cannot be asked/)
    // What is written past the API is no way out either.
    assert.match((await asked({}, { on_demand_ask: '/\\elsewhere.test/' }, slice('IPv4', '127.0.0.1'))) ?? '', /is no path of the app$/)
    assert.equal(hook.asked.length, 1)
  })
  test('does not go where a user’s address leads when that is not on the public internet', async () => {
    await using hook = await startHook((_, response) => response.end())
    const why = await asked({}, { on_demand_ask: `https://localhost:${hook.port}/` })
    assert.match(why ?? '', /does not answer \(.*no address on the public internet\)$/)
    assert.equal(hook.asked.length, 0)
  })
  test('asks the app only for what the operator allows', async () => {
    await using operators = await startHook((request, response) => response.writeHead(request.url?.includes('=a.test') ? 200 : 403).end())
    await using own = await startHook((_, response) => response.writeHead(410).end())
    const slices = [{ addressType: 'IPv4', ports: [{ port: own.port }], endpoints: [{ addresses: ['127.0.0.1'] }] }]
    const hooks = hooksOf({ url: operators.url }, slices)
    assert.match((await hooks.ask(app({ on_demand_ask: '/' }), 'b.test', NOT_STOPPED)) ?? '', /^The platform's hook answers 403/)
    assert.equal(own.asked.length, 0)
    assert.match((await hooks.ask(app({ on_demand_ask: '/' }), 'a.test', NOT_STOPPED)) ?? '', /^The hook \/ answers 410/)
    await hooks.stop()
  })
})

function app(tls: Partial<App['tls']>): App {
  return { id: 'shop', tls } as App
}

function hooksOf(options: Partial<AskOptions>, items: object[] = []): AskHooks {
  const api = { list: async () => ({ items, resourceVersion: '1' }) } as unknown as KubernetesApi
  return new AskHooks({ api, platformDomain: 'localhost', foreignLookup: guardedLookup(isPublicAddress), ...options })
}

async function asked(options: Partial<AskOptions>, tls: Partial<App['tls']>, items: object[] = []): Promise<string | undefined> {
  const hooks = hooksOf(options, items)
  try {
    return await hooks.ask(app(tls), 'a.test', NOT_STOPPED)
  } finally {
    await hooks.stop()
  }
}

async function startHook(listener: RequestListener) {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.on('error', () => {})
    listener(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    ...{ port, url: `http://127.0.0.1:${port}/`, asked },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}

function pour(response: Parameters<RequestListener>[1]): void {
  if (!response.destroyed && response.write('x'.repeat(65_536))) setImmediate(() => pour(response))
  else response.once('drain', () => pour(response))
}
