import assert from 'node:assert/strict'
import { after, before, beforeEach, suite, test } from 'node:test'
import { find } from '../../kernel/kubernetes/api.ts'
import { startInformer } from '../../kernel/kubernetes/informer.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { silentLog } from '../../kernel/log.ts'
import { type Answer, type Bed, startBed } from './bed.ts'

suite('control plane: releases', { timeout: 120_000 }, () => {
  let bed: Bed
  let token = ''
  let app = ''
  let count = 0
  before(async () => {
    bed = await startBed()
    token = await bed.register('admin')
  })
  after(() => bed.stop())
  beforeEach(async () => {
    bed.fate = () => 'up'
    bed.fault = () => undefined
    app = `app-${++count}`
    await bed.call('POST', '/v2/apps/', { token, body: { id: app } })
  })

  const get = (path: string) => bed.call('GET', `/v2/apps/${app}${path}`, { token })
  const post = (path: string, body?: unknown) => bed.call('POST', `/v2/apps/${app}${path}`, { token, ...(body ? { body } : {}) })
  const pods = async () =>
    ((await get('/pods/')).body.results as { type: string; release: string; state: string }[])
      .map(pod => `${pod.type} ${pod.state} ${pod.release}`)
      .sort()
  const isBad = (image: string) => {
    bed.fate = pod => (pod.spec?.containers[0]?.image === image ? { waiting: 'ErrImagePull', message: 'manifest unknown' } : 'up')
  }

  test('changes config without a build: a release, nothing runs', async () => {
    const { status, body } = await post('/config/', { values: { A: '1', N: 2, B_2: 'zwei\nZeilen' } })
    assert.equal(status, 201)
    assert.deepEqual(body.values, { A: '1', N: '2', B_2: 'zwei\nZeilen' })
    assert.equal((await get('/releases/v2/')).body.summary, 'admin added A, N, B_2')
    assert.deepEqual(await pods(), [])
  })

  test('merges config, refuses what changes nothing and the removal of what is not there', async () => {
    await post('/config/', { values: { A: '1', B: '2' } })
    await post('/config/', { values: { A: null, B: '3', C: '4' }, memory: { web: '64M' }, cpu: { web: 0.5 } })
    const { body } = await get('/config/')
    assert.deepEqual([body.values, body.memory, body.cpu], [{ B: '3', C: '4' }, { web: '64M' }, { web: '0.5' }])
    assert.equal((await get('/releases/v3')).body.summary, 'admin added C, changed B, deleted A and admin changed limits for memory, cpu')
    const same = await post('/config/', { values: { B: '3' } })
    assert.equal(same.status, 409)
    assert.deepEqual(same.body, { detail: 'admin changed nothing - release stopped' })
    const gone = await post('/config/', { values: { A: null } })
    assert.equal(gone.status, 422)
    assert.deepEqual(gone.body, { detail: 'A does not exist under values' })
    assert.equal((await get('/releases/')).body.count, 3)
  })

  test('rolls a change of config out to new pods and keeps the environment in a Secret under raw names', async () => {
    await bed.push('admin', app)
    await post('/config/', { values: { FOO: 'upper', foo: 'lower' } })
    assert.deepEqual(await pods(), ['web up v3'])
    const secret = await bed.api.get(RESOURCES.secrets, app, `${app}-v3-env`)
    const plain = Object.fromEntries(Object.entries(secret.data!).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]))
    assert.equal(plain['FOO'], 'upper')
    assert.equal(plain['foo'], 'lower')
    assert.equal(plain['WORKFLOW_RELEASE'], 'v3')
    const deployment = await bed.api.get(RESOURCES.deployments, app, `${app}-web`)
    const [container] = deployment.spec!.template.spec!.containers
    assert.deepEqual(container?.command, ['/bin/bash', '-c', 'node server.js'])
    assert.deepEqual(container?.env?.find(({ name }) => name === 'FOO')?.valueFrom, { secretKeyRef: { name: `${app}-v3-env`, key: 'FOO' } })
    assert.equal(await find(bed.api, RESOURCES.secrets, app, `${app}-v1-env`), undefined)
  })

  test('marks a release that does not come up as failed, says why, and leaves the old one serving', async () => {
    await bed.push('admin', app)
    isBad('bad:1')
    const { status, body } = await bed.push('admin', app, { image: 'bad:1' })
    assert.equal(status, 400)
    assert.match(body.detail, /image bad:1 not found/)
    const release = (await get('/releases/v3/')).body
    assert.equal(release.failed, true)
    assert.match(release.summary, /^admin deployed [0-9a-f]{7} which failed$/)
    assert.match(release.exception, /image bad:1 not found/)
    assert.deepEqual(await pods(), ['web up v2'])
    assert.equal((await get('/config/')).status, 200)
    // The number is used up, and the next release builds on the last good one.
    await post('/config/', { values: { A: '1' } })
    assert.equal((await get('/releases/')).body.results[0].version, 4)
    assert.deepEqual(await pods(), ['web up v4'])
  })

  test('finishes by itself what Kubernetes cut short, without a restart', async () => {
    await bed.push('admin', app)
    await post('/config/', { values: { DEIS_DEPLOY_TIMEOUT: '2' } })
    bed.fate = pod => (pod.spec?.containers[0]?.image === 'bad:1' ? 'hold' : 'up')
    const cut = bed.push('admin', app, { image: 'bad:1' })
    await seePod(bed, app, 'bad:1')
    const away = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
    bed.fault = () => away
    const { status, body } = await cut
    assert.deepEqual([status, body], [503, { detail: 'Kubernetes is not reachable, try again in a moment' }])
    bed.fault = () => undefined
    await bed.until(async () => (await get('/releases/v4/')).body.failed === true)
    await bed.until(async () => (await pods()).join() === 'web up v3')
  })

  test('answers 503 while Kubernetes is away, and makes no half of anything', async () => {
    bed.fault = () => Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
    const answers = [
      await post('/config/', { values: { A: '1' } }),
      await post('/settings/', { maintenance: true }),
      await bed.call('POST', '/v2/apps/', { token, body: { id: 'nowhere' } }),
      await bed.call('DELETE', `/v2/apps/${app}/`, { token }),
    ]
    assert.deepEqual(
      answers.map(({ status }) => status),
      [503, 503, 503, 503],
    )
    assert.equal((await get('/config/')).status, 200)
    bed.fault = () => undefined
    assert.equal((await get('/releases/')).body.count, 1)
    assert.equal((await get('/settings/')).body.maintenance, false)
    assert.equal((await bed.call('POST', '/v2/apps/', { token, body: { id: 'nowhere' } })).status, 201)
  })

  test('leaves nothing running after a first release that fails', async () => {
    isBad('bad:1')
    assert.equal((await bed.push('admin', app, { image: 'bad:1' })).status, 400)
    assert.equal(await find(bed.api, RESOURCES.deployments, app, `${app}-web`), undefined)
    assert.deepEqual((await get('/')).body.structure, {})
    bed.fate = () => 'up'
    assert.equal((await bed.push('admin', app)).status, 200)
    assert.deepEqual(await pods(), ['web up v3'])
  })

  test('tells of a crash what the process last said', async () => {
    bed.fate = () => ({ waiting: 'CrashLoopBackOff', message: 'back-off 10s restarting failed container' })
    bed.logOf = () => "Error: Cannot find module 'express'\n"
    const { body } = await bed.push('admin', app)
    assert.match(body.detail, /CrashLoopBackOff.*\nError: Cannot find module 'express'$/s)
  })

  test('gives up after the time that a rollout may take', async () => {
    bed.fate = () => 'hold'
    await post('/config/', { values: { DEIS_DEPLOY_TIMEOUT: '1' } })
    const { status, body } = await bed.push('admin', app)
    assert.equal(status, 400)
    assert.deepEqual(body, { detail: `${app}-web did not become ready within 1 seconds` })
  })

  test('refuses a second build while one is rolled out, 400, and a config, 409; a rollback makes way for itself', async () => {
    await bed.push('admin', app)
    await post('/config/', { values: { A: '1' } })
    bed.fate = pod => (pod.spec?.containers[0]?.image === 'slow:1' ? 'hold' : 'up')
    const slow = bed.push('admin', app, { image: 'slow:1' })
    await seePod(bed, app, 'slow:1')
    const busy = { detail: `Deployment for ${app}-web is already in progress` }
    const build = await bed.push('admin', app)
    assert.deepEqual([build.status, build.body], [400, busy])
    const config = await post('/config/', { values: { A: '2' } })
    assert.deepEqual([config.status, config.body], [409, busy])
    const rollback = await post('/releases/rollback/', { version: 2 })
    assert.deepEqual([rollback.status, rollback.body], [201, { version: 5 }])
    assert.equal((await slow).status, 400)
    assert.equal((await get('/releases/v4/')).body.failed, true)
    assert.equal((await get('/releases/v5/')).body.summary, 'admin rolled back to v2')
    assert.deepEqual(await pods(), ['web up v5'])
  })

  test('lets one of many builds at once through, without holes or doubles in the numbers', async () => {
    const answers = await Promise.all(Array.from({ length: 6 }, (_, place) => bed.push('admin', app, { image: `image:${place}` })))
    assert.equal(answers.filter(({ status }) => status === 200).length, 1)
    assert.equal((await get('/releases/')).body.count, 2)
  })

  test('goes on when the client hangs up', async () => {
    bed.fate = () => 'hold'
    const gone = new AbortController()
    const request = fetch(`${bed.url}/v2/apps/${app}/builds/`, {
      method: 'POST',
      headers: { authorization: `token ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ image: 'web:1' }),
      signal: gone.signal,
    }).catch(() => {})
    const pod = await seePod(bed, app, 'web:1')
    gone.abort()
    await request
    await bed.node.release(pod)
    await bed.until(async () => (await pods()).join() === 'cmd up v2')
  })

  test('rolls back build and config, with the refusals that clients know', async () => {
    const rollback = (body?: object) => post('/releases/rollback/', body)
    const detail = async (answer: Promise<Answer>) => [(await answer).status, (await answer).body.detail ?? (await answer).body]
    assert.deepEqual(await detail(rollback()), [400, 'version cannot be below 0'])
    await bed.push('admin', app, { image: 'one:1' })
    await post('/config/', { values: { A: '1' } })
    await bed.push('admin', app, { image: 'two:1' })
    assert.deepEqual(await detail(rollback({ version: 1 })), [400, 'Cannot roll back to initial release.'])
    assert.deepEqual(await detail(rollback({ version: 0 })), [400, 'version cannot be below 0'])
    assert.deepEqual(await detail(rollback({ version: 99 })), [400, 'Release matching query does not exist.'])
    isBad('bad:1')
    await bed.push('admin', app, { image: 'bad:1' })
    assert.deepEqual(await detail(rollback({ version: 5 })), [400, 'Cannot roll back to failed release.'])
    assert.deepEqual((await rollback({ version: 2 })).body, { version: 6 })
    assert.deepEqual((await get('/config/')).body.values, {})
    const deployment = await bed.api.get(RESOURCES.deployments, app, `${app}-web`)
    assert.equal(deployment.spec?.template.spec?.containers[0]?.image, 'one:1')
    assert.equal((await get('/builds/')).body.count, 3)
    const build = (await get('/builds/')).body.results.at(-1)
    assert.equal((await get(`/builds/${build.uuid}/`)).body.image, 'one:1')
    assert.equal((await get('/builds/00000000-0000-0000-0000-000000000000/')).text, '"No Build matches the given query."')
  })

  test('switches types with the kind of build, and the traffic with them', async () => {
    await bed.push('admin', app, { procfile: { web: 'node .', worker: 'node work' } })
    await post('/scale/', { worker: 2 })
    assert.equal((await bed.api.get(RESOURCES.services, app, app)).spec?.selector?.['type'], 'web')
    await post('/builds/', { image: 'plain:1' })
    assert.deepEqual(await pods(), ['cmd up v3'])
    assert.deepEqual((await get('/')).body.structure, { web: 0, worker: 0, cmd: 1 })
    assert.equal((await bed.api.get(RESOURCES.services, app, app)).spec?.selector?.['type'], 'cmd')
    assert.equal(await find(bed.api, RESOURCES.deployments, app, `${app}-worker`), undefined)
  })

  test('puts resources, probes, tags and grace of the config on the pods', async () => {
    const probe = {
      httpGet: { port: 5000, path: '/up' },
      initialDelaySeconds: 0,
      timeoutSeconds: 5,
      periodSeconds: 1,
      successThreshold: 1,
      failureThreshold: 3,
    }
    const config = {
      values: { PORT: '7000', KUBERNETES_POD_TERMINATION_GRACE_PERIOD_SECONDS: '5' },
      memory: { web: '32M/64MB' },
      cpu: { web: '.5' },
      tags: { disk: 'ssd' },
      healthcheck: { 'web/cmd': { readinessProbe: probe } },
    }
    assert.equal((await post('/config/', config)).status, 201)
    await bed.push('admin', app)
    const { spec } = (await bed.api.get(RESOURCES.deployments, app, `${app}-web`)).spec!.template
    assert.deepEqual(spec?.containers[0]?.resources, { requests: { memory: '32Mi' }, limits: { memory: '64Mi', cpu: '500m' } })
    assert.equal(spec?.containers[0]?.readinessProbe?.httpGet?.path, '/up')
    assert.equal(spec?.containers[0]?.env?.find(({ name }) => name === 'PORT')?.value, '7000')
    assert.deepEqual(spec?.nodeSelector, { disk: 'ssd' })
    assert.equal(spec?.terminationGracePeriodSeconds, 5 + 3, 'its own, and the sleep until routers have heard that it goes')
    assert.equal(spec?.automountServiceAccountToken, false)
    assert.equal((await bed.api.get(RESOURCES.services, app, app)).spec?.ports?.[0]?.targetPort, 'http')
    const refused = await post('/config/', { tags: { disk: 'tape' } })
    assert.equal(refused.status, 400)
    assert.deepEqual(refused.body, { detail: 'No nodes matched the provided labels: disk=tape - Addition of disk=tape is the cause' })
  })

  test('refuses a config that no Secret can hold', async () => {
    const { status, body } = await post('/config/', { values: { BIG: 'x'.repeat(1_100_000) } })
    assert.equal(status, 400)
    assert.match(body.detail, /^Release v2 takes 1100\d{3} bytes, at most 1000000 can be kept$/)
    assert.equal(
      (await bed.call('POST', `/v2/apps/${app}/config/`, { token, body: { values: { BIG: 'x'.repeat(5_000_000) } } })).status,
      413,
    )
  })

  test('says what happens in the log of the app, in order', async () => {
    await bed.push('admin', app)
    await bed.until(() => bed.lines.filter(line => line.app === app).length >= 6)
    const texts = bed.lines.filter(line => line.app === app).map(({ text }) => text.replace(/[0-9a-f]{7}(?= )/, '<id>'))
    assert.deepEqual(texts, [
      `config ${app}-<id> updated`,
      'admin created initial release',
      `appsettings ${app}-<id> updated`,
      `domain ${app} added`,
      `build ${app}-<id> created`,
      'admin deployed 1234567',
    ])
  })
})

/** Waits for a pod that runs an image. */
async function seePod(bed: Bed, namespace: string, image: string) {
  const informer = startInformer(bed.api, RESOURCES.pods, { log: silentLog, selection: { namespace } })
  const found = () => informer.list().find(pod => pod.spec?.containers[0]?.image === image && pod.spec.nodeName)
  try {
    await informer.until(() => found() !== undefined, AbortSignal.timeout(10_000))
    return found()!
  } finally {
    await informer.stop()
  }
}
