import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { httpClient } from '../../kernel/http.ts'
import { silentLog } from '../../kernel/log.ts'
import { EMPTY_CONFIG } from '../domain/config.ts'
import type { Release } from '../domain/release.ts'
import { DeployHooks, hookUrl } from './deploy-hooks.ts'

const at = { created: '', updated: '' }
const release: Release = {
  ...at,
  app: 'shop',
  uuid: '',
  version: 3,
  owner: 'bob',
  summary: 'bob added A',
  failed: false,
  config: { uuid: '', owner: '', ...at, ...EMPTY_CONFIG },
}

test('hookUrl() keeps the query that stands and orders it by name', () => {
  assert.equal(
    hookUrl('http://hook.example/x?z=1&b=2', release),
    'http://hook.example/x?app=shop&b=2&release=v3&release_summary=bob+added+A&sha=&user=bob&z=1',
  )
})

test('DeployHooks.announce() posts without a body, signed over the whole URL', async () => {
  const server = createServer((_, response) => response.end()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
  const http = httpClient()
  try {
    new DeployHooks([url, 'http://127.0.0.1:1/'], 'secret', http, silentLog).announce(release)
    const [request] = (await once(server, 'request')) as [IncomingMessage]
    assert.equal(request.method, 'POST')
    const signed = createHmac('sha1', 'secret').update(hookUrl(url, release)).digest('hex')
    assert.equal(request.headers.authorization, signed)
  } finally {
    await http.close()
    server.closeAllConnections()
    server.close()
  }
})
