import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { find } from '../../kernel/kubernetes/api.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { selfSigned } from '../../kernel/x509.ts'
import { type Bed, startBed } from './bed.ts'

const ROUTER = 'router.drycc.cc/'

/** What operators select by, and what the router and the logger read: names, labels, annotations, variables. */
suite('control plane: what it puts into Kubernetes', { timeout: 60_000 }, () => {
  let bed: Bed
  let token = ''
  before(async () => {
    bed = await startBed({ CONTROLLER_RUN_TIMEOUT: '5s' })
    token = await bed.register('admin')
    await bed.call('POST', '/v2/apps/', { token, body: { id: 'shop' } })
  })
  after(() => bed.stop())

  const post = (path: string, body: object) => bed.call('POST', `/v2/apps/shop/${path}`, { token, body })
  const service = () => bed.api.get(RESOURCES.services, 'shop', 'shop')
  const deployment = (type: string) => bed.api.get(RESOURCES.deployments, 'shop', `shop-${type}`)

  test('an app: its namespace, and a Service that the router takes for routable', async () => {
    const namespace = await bed.api.get(RESOURCES.namespaces, '', 'shop')
    assert.equal(namespace.metadata.labels?.['heritage'], 'drycc')
    const { metadata, spec } = await service()
    assert.deepEqual(metadata.labels, { app: 'shop', heritage: 'drycc', [`${ROUTER}routable`]: 'true' })
    assert.deepEqual(metadata.annotations, {
      [`${ROUTER}domains`]: 'shop',
      [`${ROUTER}ssl.enforce`]: 'False',
      [`${ROUTER}maintenance`]: 'false',
    })
    assert.deepEqual(spec?.selector, { app: 'shop', heritage: 'drycc' })
    assert.deepEqual(
      [spec?.ports?.length, spec?.ports?.[0]?.name, spec?.ports?.[0]?.port, spec?.ports?.[0]?.protocol],
      [1, 'http', 80, 'TCP'],
    )
  })

  test('a release: Deployments by type, told apart by version on their pods only', async () => {
    await bed.push('admin', 'shop', {
      image: 'embedded/shop:git-1',
      sha: 'abcdef0123456789',
      procfile: { web: 'node web.js', worker: 'node worker.js' },
    })
    const { metadata, spec } = await deployment('web')
    const labels = { app: 'shop', type: 'web', heritage: 'drycc' }
    assert.deepEqual(metadata.labels, labels)
    assert.equal(metadata.annotations?.['kubernetes.io/change-cause'], 'admin deployed abcdef0')
    assert.deepEqual(spec?.selector, { matchLabels: labels })
    assert.deepEqual(spec?.template.metadata?.labels, { ...labels, version: 'v2' })
    assert.deepEqual(spec?.strategy, { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } })
    const { containers, restartPolicy, terminationGracePeriodSeconds, automountServiceAccountToken } = spec!.template.spec!
    const [container] = containers
    assert.deepEqual(
      [container?.name, container?.image, container?.command],
      ['shop-web', 'embedded/shop:git-1', ['/bin/bash', '-c', 'node web.js']],
    )
    // Thirty for the app, and what it sleeps before until every router has heard that it goes.
    assert.deepEqual([restartPolicy, terminationGracePeriodSeconds, automountServiceAccountToken], ['Always', 33, false])
    assert.deepEqual(container?.lifecycle?.preStop, { sleep: { seconds: 3 } })
    assert.equal(container?.readinessProbe?.tcpSocket?.port, 5000)
    assert.deepEqual((await service()).spec?.selector, { app: 'shop', heritage: 'drycc', type: 'web' })
    assert.equal(await find(bed.api, RESOURCES.deployments, 'shop', 'shop-worker'), undefined)
  })

  test('its environment: a Secret by version, variables by their own names, the user before the platform', async () => {
    await post('config/', { values: { FOO_BAR: '1', foo_bar: '2', DEIS_APP: 'mine', PORT: '8080', HISTORY: 'x' } })
    const secret = await bed.api.get(RESOURCES.secrets, 'shop', 'shop-v3-env')
    assert.equal(secret.type, 'Opaque')
    assert.deepEqual(secret.metadata.labels, { app: 'shop', heritage: 'drycc', version: 'v3', type: 'env' })
    const values = Object.fromEntries(
      Object.entries(secret.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
    )
    const { WORKFLOW_RELEASE_CREATED_AT: created, ...rest } = values
    assert.match(created ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    assert.deepEqual(rest, {
      ...{
        FOO_BAR: '1',
        foo_bar: '2',
        DEIS_APP: 'mine',
        DRYCC_APP: 'shop',
        PORT: '8080',
        HISTORY: 'x',
        SOURCE_VERSION: 'abcdef0123456789',
      },
      ...{ WORKFLOW_RELEASE: 'v3', WORKFLOW_RELEASE_SUMMARY: 'admin added FOO_BAR, foo_bar, DEIS_APP, PORT, HISTORY' },
    })
    const [container] = (await deployment('web')).spec!.template.spec!.containers
    const names = container!.env!.map(({ name }) => name)
    assert.deepEqual(names, [...names].sort())
    assert.deepEqual(container!.env!.find(({ name }) => name === 'foo_bar')?.valueFrom, {
      secretKeyRef: { name: 'shop-v3-env', key: 'foo_bar' },
    })
    assert.deepEqual(container!.ports, [{ name: 'http', containerPort: 8080, protocol: 'TCP' }])
    assert.equal(container!.readinessProbe?.tcpSocket?.port, 8080)
    await post('config/', { values: { HISTORY: null } })
    await post('config/', { values: { HISTORY: 'y' } })
    assert.equal(await find(bed.api, RESOURCES.secrets, 'shop', 'shop-v3-env'), undefined)
    assert.ok(await find(bed.api, RESOURCES.secrets, 'shop', 'shop-v5-env'))
  })

  test('limits as Kubernetes counts them, tags as a node selector, credentials as a pull Secret', async () => {
    const resources = async () => (await deployment('web')).spec!.template.spec!.containers[0]!.resources
    for (const [memory, cpu, expected] of [
      ['64M', '500m', { limits: { memory: '64Mi', cpu: '500m' } }],
      ['100MB/1G', '.5/1', { requests: { memory: '100Mi', cpu: '500m' }, limits: { memory: '1Gi', cpu: '1' } }],
      ['0/128k', '+1', { requests: { memory: '0' }, limits: { memory: '128Ki', cpu: '1' } }],
    ] as const) {
      assert.equal((await post('config/', { memory: { web: memory }, cpu: { web: cpu } })).status, 201, memory)
      const { requests, limits } = (await resources()) ?? {}
      assert.deepEqual(limits, expected.limits)
      if ('requests' in expected) assert.deepEqual({ ...requests, ...expected.requests }, requests)
    }
    await post('config/', { tags: { disk: 'ssd' }, registry: { username: 'u', password: 'p', hostname: 'quay.io' } })
    const { nodeSelector, imagePullSecrets } = (await deployment('web')).spec!.template.spec!
    assert.deepEqual([nodeSelector, imagePullSecrets], [{ disk: 'ssd' }, [{ name: 'private-registry' }]])
    const secret = await bed.api.get(RESOURCES.secrets, 'shop', 'private-registry')
    assert.equal(secret.type, 'kubernetes.io/dockerconfigjson')
    const config = JSON.parse(Buffer.from(secret.data!['.dockerconfigjson']!, 'base64').toString())
    assert.deepEqual(config, { auths: { 'quay.io': { username: 'u', password: 'p', auth: Buffer.from('u:p').toString('base64') } } })
  })

  test('an autoscaler by type, and a command in a pod that no list shows', async () => {
    await post('settings/', { autoscale: { web: { min: 1, max: 3, cpu_percent: 70 } } })
    const { metadata, spec } = await bed.api.get(RESOURCES.horizontalPodAutoscalers, 'shop', 'shop-web')
    assert.deepEqual(metadata.labels, { app: 'shop', type: 'web', heritage: 'drycc' })
    assert.deepEqual(spec?.scaleTargetRef, { apiVersion: 'apps/v1', kind: 'Deployment', name: 'shop-web' })
    assert.deepEqual([spec?.minReplicas, spec?.maxReplicas, spec?.metrics?.[0]?.resource?.target.averageUtilization], [1, 3, 70])
    let seen = ''
    bed.fate = pod => {
      if (pod.metadata.labels?.['type'] !== 'run') return 'up'
      const { name = '', labels } = pod.metadata
      assert.match(name, /^shop-run-[a-z0-9]{5}$/)
      assert.deepEqual([labels?.['app'], labels?.['heritage'], pod.spec?.restartPolicy], ['shop', 'drycc', 'Never'])
      assert.deepEqual(pod.spec?.containers[0]?.command, ['/bin/bash', '-c', 'ls -alh'])
      seen = name
      return { exitCode: 0 }
    }
    assert.equal((await post('run', { command: 'ls -alh' })).status, 200)
    assert.notEqual(seen, '')
    await bed.until(async () => (await find(bed.api, RESOURCES.pods, 'shop', seen)) === undefined)
  })

  test('how it is served: keys come, and go when they would be empty', async () => {
    const annotations = async () =>
      Object.fromEntries(
        Object.entries((await service()).metadata.annotations ?? {}).map(([key, value]) => [key.replace(ROUTER, ''), value]),
      )
    await post('domains/', { domain: 'www.foo.com' })
    await post('domains/', { domain: 'a.foo.com' })
    await bed.call('POST', '/v2/certs/', { token, body: { name: 'foo', ...selfSigned({ names: ['www.foo.com'], days: 9 }) } })
    await bed.call('POST', '/v2/certs/foo/domain/', { token, body: { domain: 'www.foo.com' } })
    await post('whitelist/', { addresses: ['10.0.0.0/8', '::1'] })
    await post('settings/', { maintenance: true, routable: false })
    await post('tls/', { https_enforced: true })
    assert.deepEqual(await annotations(), {
      ...{ domains: 'shop,www.foo.com,a.foo.com', certificates: 'www.foo.com:foo', whitelist: '10.0.0.0/8,::1' },
      ...{ maintenance: 'true', 'ssl.enforce': 'True' },
    })
    assert.equal((await service()).metadata.labels?.[`${ROUTER}routable`], 'false')
    const secret = await bed.api.get(RESOURCES.secrets, 'shop', 'foo-cert')
    assert.deepEqual([secret.type, Object.keys(secret.data ?? {}).sort()], ['kubernetes.io/tls', ['tls.crt', 'tls.key']])
    await bed.call('DELETE', '/v2/certs/foo', { token })
    for (const domain of ['shop', 'www.foo.com', 'a.foo.com']) await bed.call('DELETE', `/v2/apps/shop/domains/${domain}`, { token })
    await bed.call('DELETE', '/v2/apps/shop/whitelist/', { token, body: { addresses: ['10.0.0.0/8', '::1'] } })
    assert.deepEqual(await annotations(), { maintenance: 'true', 'ssl.enforce': 'True' })
    assert.equal(await find(bed.api, RESOURCES.secrets, 'shop', 'foo-cert'), undefined)
  })
})
