import assert from 'node:assert/strict'
import { after, suite, test } from 'node:test'
import { startApiServer } from '../server.ts'
import { TestClient, watchEvents } from '../test-client.ts'

const server = await startApiServer()
const client = new TestClient(server)
after(async () => {
  client.close()
  await server.stop()
})
let count = 0

suite('quotas', () => {
  const ground = async (spec: object) => {
    const namespace = `q${count++}`
    await client.send('POST', '/api/v1/namespaces', { metadata: { name: namespace } })
    const path = `/api/v1/namespaces/${namespace}`
    assert.equal((await client.send('POST', `${path}/resourcequotas`, { metadata: { name: 'q' }, spec })).status, 201)
    return path
  }
  const pod = (name: string, resources: object = {}) => ({
    metadata: { name },
    spec: { containers: [{ name: 'c', image: 'i', resources }] },
  })

  test('count objects, and say what is too much', async () => {
    const path = await ground({ hard: { pods: '1', 'count/configmaps': '1' } })
    assert.equal((await client.send('POST', `${path}/pods`, pod('a'))).status, 201)
    const { status, body } = await client.send('POST', `${path}/pods`, pod('b'))
    assert.deepEqual(
      [status, body.reason, body.message],
      [403, 'Forbidden', 'pods "b" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1'],
    )
    assert.equal((await client.send('POST', `${path}/configmaps`, { metadata: { name: 'a' } })).status, 201)
    assert.equal((await client.send('POST', `${path}/configmaps`, { metadata: { name: 'b' } })).status, 403)
    await client.send('DELETE', `${path}/pods/a`)
    assert.equal((await client.send('POST', `${path}/pods`, pod('b'))).status, 201)
  })
  test('sum up what pods ask for, and want it said', async () => {
    const path = await ground({ hard: { 'requests.cpu': '1', 'limits.memory': '1Gi' } })
    const unsaid = await client.send('POST', `${path}/pods`, pod('a', { requests: { cpu: '100m' } }))
    assert.deepEqual(
      [unsaid.status, unsaid.body.message],
      [403, 'pods "a" is forbidden: failed quota: q: must specify limits.memory for: c'],
    )
    const amounts = (cpu: string) => ({ requests: { cpu, memory: '1Mi' }, limits: { cpu, memory: '256Mi' } })
    assert.equal((await client.send('POST', `${path}/pods`, pod('a', amounts('600m')))).status, 201)
    const { status, body } = await client.send('POST', `${path}/pods`, pod('b', amounts('0.5')))
    assert.deepEqual(
      [status, body.message],
      [403, 'pods "b" is forbidden: exceeded quota: q, requested: requests.cpu=500m, used: requests.cpu=600m, limited: requests.cpu=1'],
    )
    assert.equal((await client.send('POST', `${path}/pods`, pod('b', amounts('400m')))).status, 201)
  })
  test('of a scope look at its pods only', async () => {
    const path = await ground({ hard: { pods: '0' }, scopes: ['BestEffort'] })
    assert.equal((await client.send('POST', `${path}/pods`, pod('a'))).status, 403)
    assert.equal((await client.send('POST', `${path}/pods`, pod('a', { requests: { cpu: '1' } }))).status, 201)
  })
  test('show what is used', async () => {
    const path = await ground({ hard: { services: '2', 'services.nodeports': '5' } })
    const version = (await client.send('GET', `${path}/resourcequotas/q`)).body.metadata.resourceVersion
    const watch = await client.open('GET', `${path}/resourcequotas?watch=true&resourceVersion=${version}`)
    await client.send('POST', `${path}/services`, { metadata: { name: 's' }, spec: { type: 'NodePort', ports: [{ port: 80 }] } })
    const { value } = await watchEvents(watch).next()
    watch.destroy()
    assert.deepEqual(value.object.status, {
      hard: { services: '2', 'services.nodeports': '5' },
      used: { services: '1', 'services.nodeports': '1' },
    })
  })
  test('that would not be held are refused: 501', async () => {
    await client.send('POST', '/api/v1/namespaces', { metadata: { name: 'unheld' } })
    for (const spec of [
      { scopes: ['PriorityClass'] },
      { scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'Exists' }] } },
    ]) {
      const { status, body } = await client.send('POST', '/api/v1/namespaces/unheld/resourcequotas', { metadata: { name: 'q' }, spec })
      assert.deepEqual([status, body.reason], [501, 'NotImplemented'])
    }
  })
})
