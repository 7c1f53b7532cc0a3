import assert from 'node:assert/strict'
import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import type { Service } from 'kubernetes-types/core/v1'
import { httpClient } from '../kernel/http.ts'
import { modify } from '../kernel/kubernetes/api.ts'
import { readCredentials } from '../kernel/kubernetes/credentials.ts'
import { RESOURCES } from '../kernel/kubernetes/objects.ts'
import { Person, succeed } from './platform/person.ts'
import { type PlatformUnderTest, startTestPlatform } from './platform/platform-under-test.ts'
import { httpGet } from './platform/traffic.ts'

const PROBE = {
  Procfile: 'web: node server.js\n',
  'server.js': `require('node:http').createServer((_, response) => response.end(JSON.stringify(process.env))).listen(process.env.PORT)\n`,
}
const OWN_SECRET = 'what the person who ran npm start has in the environment'

suite('what apps and users may not do', () => {
  let platform: PlatformUnderTest
  let bob = ''

  before(async () => {
    process.env['AWS_SECRET_ACCESS_KEY'] = OWN_SECRET
    platform = await startTestPlatform()
    delete process.env['AWS_SECRET_ACCESS_KEY']
    const account = { username: 'bob', password: 'correct horse', email: 'bob@example.com' }
    assert.equal((await platform.api.json('POST', '/v2/auth/register/', account)).status, 201)
    bob = (await platform.api.json<{ token: string }>('POST', '/v2/auth/login/', account)).body.token
    const ana = new Person(platform, 'ana')
    await ana.settle()
    const probe = await ana.repository('probe', PROBE)
    succeed(await probe.drycc('create', 'probe'))
    succeed(await probe.git('push', 'drycc', 'main'))
  })
  after(() => platform.end())

  const page = (host: string) => httpGet(platform.ports['http-port'], host)
  const asBob = (method: string, path: string, body?: object) =>
    platform.api.json(method, path, body, { headers: { authorization: `token ${bob}` } })
  const home = () => join(platform.folder, 'home')

  test('an app is given nothing of the platform and nothing of its operator', async () => {
    const env = JSON.parse((await page('probe.localhost')).body) as Record<string, string>
    assert.ok(!Object.values(env).includes(OWN_SECRET))
    const names = Object.keys(env).filter(name => /KUBE|TOKEN|KEY|SECRET|PASSWORD|CONTROLLER|BUILDER|NODE_CHANNEL|npm_/i.test(name))
    assert.deepEqual(names, [])
    for (const secret of ['builder-key', 'kubelet-token', 'kubernetes/token']) {
      const text = readFileSync(join(home(), secret), 'utf8').trim()
      assert.ok(!Object.values(env).some(value => value.includes(text)), secret)
    }
  })

  test('what is kept can be entered by its owner only, and each secret read by him only', () => {
    assert.equal(lstatSync(home()).mode & 0o777, 0o700)
    for (const folder of readdirSync(home(), { withFileTypes: true }).filter(entry => entry.isDirectory()))
      assert.equal(lstatSync(join(home(), folder.name)).mode & 0o077, 0, folder.name)
    const secrets = ['admin.json', 'builder-key', 'ca.json', 'kubeconfig', 'kubelet-token', 'kubernetes/token', 'kubernetes/ca.key']
    for (const name of secrets) assert.equal(lstatSync(join(home(), name)).mode & 0o777, 0o600, name)
  })

  test('the Kubernetes API answers nobody without a token', async () => {
    const { server, ca } = await readCredentials({ KUBECONFIG: platform.kubeconfig })
    const client = httpClient({ baseUrl: server, ...(ca ? { ca } : {}) })
    for (const headers of [{}, { authorization: 'Bearer ' }, { authorization: 'Bearer x' }, { authorization: 'Basic YWRtaW46YWRtaW4=' }])
      for (const path of ['/api/v1/secrets', '/api/v1/namespaces/probe/pods?watch=true', '/openapi/v2'])
        assert.equal((await client.json('GET', path, undefined, { headers })).status, 401, path)
    await client.close()
  })

  test('a user sees and changes nothing of another one’s app', async () => {
    for (const path of ['', 'config/', 'logs', 'pods/', 'releases/', 'builds/', 'domains/', 'perms/', 'settings/', 'tls/'])
      assert.equal((await asBob('GET', `/v2/apps/probe/${path}`)).status, 403, path)
    assert.equal((await asBob('POST', '/v2/apps/probe/config/', { values: { A: '1' } })).status, 403)
    assert.equal((await asBob('POST', '/v2/apps/probe/scale/', { web: 0 })).status, 403)
    assert.equal((await asBob('DELETE', '/v2/apps/probe/')).status, 403)
    assert.equal((await asBob('GET', '/v2/users/')).status, 403)
    assert.equal((await page('probe.localhost')).status, 200)
  })

  test('nobody gets the names of the platform, or those of another app', async () => {
    for (const id of ['drycc', 'deis', 'default', 'kube-system', 'drycc-builder', 'probe'])
      assert.equal((await asBob('POST', '/v2/apps/', { id })).status, 400, id)
    assert.equal((await asBob('POST', '/v2/apps/', { id: 'thief' })).status, 201)
    const platforms = ['drycc', 'drycc.localhost', 'deis', 'deis.localhost', 'drycc-builder', '*.localhost', 'localhost']
    for (const domain of [...platforms, 'probe', 'probe.localhost', 'PROBE.localhost', 'probe.localhost.'])
      assert.equal((await asBob('POST', '/v2/apps/thief/domains/', { domain })).status, 400, domain)
  })

  test('a Service that claims them by its annotations gets none either', async () => {
    await modify<Service>(platform.kubernetes, RESOURCES.services, 'thief', 'thief', service => ({
      ...service,
      metadata: { ...service.metadata, annotations: { 'router.drycc.cc/domains': 'drycc,probe,probe.localhost,booty.test' } },
    }))
    const deadline = AbortSignal.timeout(10_000)
    // It has nothing running: 503 is its answer, 404 is nobody's.
    while ((await page('booty.test')).status === 404) deadline.throwIfAborted()
    assert.equal((await page('probe.localhost')).status, 200)
    assert.equal((await page('drycc.localhost')).status, 404)
    assert.equal((await asBob('GET', '/v2/auth/whoami/')).status, 200)
  })
})
