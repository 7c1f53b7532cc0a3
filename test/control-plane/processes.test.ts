import assert from 'node:assert/strict'
import { after, before, beforeEach, suite, test } from 'node:test'
import { find, listAll } from '../../kernel/kubernetes/api.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { type Bed, startBed } from './bed.ts'

suite('control plane: processes', { timeout: 120_000 }, () => {
  let bed: Bed
  let token = ''
  let app = ''
  let count = 0
  before(async () => {
    bed = await startBed({ CONTROLLER_RUN_TIMEOUT: '1s' })
    token = await bed.register('admin')
  })
  after(() => bed.stop())
  beforeEach(async () => {
    bed.fate = () => 'up'
    bed.logOf = () => ''
    app = `app-${++count}`
    await bed.call('POST', '/v2/apps/', { token, body: { id: app } })
  })

  const get = (path: string) => bed.call('GET', `/v2/apps/${app}${path}`, { token })
  const post = (path: string, body?: unknown) => bed.call('POST', `/v2/apps/${app}${path}`, { token, ...(body ? { body } : {}) })
  const names = async (path = '/pods/') => ((await get(path)).body.results as { name: string }[]).map(({ name }) => name).sort()

  test('scales up and down, and as many run when the answer comes', async () => {
    await bed.push('admin', app, { procfile: { web: 'node .', worker: 'node work' } })
    for (const wish of [{ web: 3, worker: 1 }, { web: 11, worker: 0 }, { web: 0 }, { web: 1 }]) {
      assert.equal((await post('/scale/', wish)).status, 204)
      assert.equal((await names('/pods/web')).length, wish.web)
    }
    assert.equal((await post('/scale/', { web: 1 })).status, 204)
    assert.deepEqual((await get('/')).body.structure, { web: 1, worker: 0 })
  })

  test('refuses what is no number of processes', async () => {
    const detail = async (body: object) => {
      const answer = await post('/scale/', body)
      return [answer.status, answer.body.detail]
    }
    assert.deepEqual(await detail({ web: 1 }), [400, 'No build associated with this release'])
    await bed.push('admin', app)
    assert.deepEqual(await detail({ web: -1 }), [400, 'Invalid scaling format: Must be greater than or equal to zero'])
    for (const web of ['two', 1.5, null, [], true]) assert.match((await detail({ web }))[1], /^Invalid scaling format: /)
    assert.deepEqual(await detail({ nothing: 1 }), [404, 'Container type nothing does not exist in application'])
    assert.deepEqual(await detail({ __proto__: 1, constructor: 1 }), [404, 'Container type constructor does not exist in application'])
  })

  test('scales back when the new processes do not come up', async () => {
    await bed.push('admin', app)
    bed.fate = () => ({ waiting: 'CrashLoopBackOff' })
    assert.equal((await post('/scale/', { web: 3 })).status, 503)
    assert.deepEqual((await get('/')).body.structure, { web: 1 })
    await bed.until(async () => (await names()).length === 1)
  })

  test('scales the release that stands when the rollout before it has failed', async () => {
    await post('/config/', { values: { DEIS_DEPLOY_TIMEOUT: '2' } })
    await bed.push('admin', app)
    bed.fate = pod => (pod.spec?.containers[0]?.image === 'bad:1' ? 'hold' : 'up')
    const failing = bed.push('admin', app, { image: 'bad:1' })
    await bed.until(async () => (await listAll(bed.api, RESOURCES.pods, { namespace: app })).items.length === 2)
    const scaled = post('/scale/', { web: 2 })
    assert.equal((await failing).status, 400)
    assert.equal((await scaled).status, 204)
    const pods = (await get('/pods/')).body.results as { release: string; state: string }[]
    assert.deepEqual(
      pods.map(({ release, state }) => [release, state]),
      [
        ['v3', 'up'],
        ['v3', 'up'],
      ],
    )
  })

  test('lists pods of the current release by type and by name, short names too', async () => {
    await bed.push('admin', app, { procfile: { web: 'node .', worker: 'node work' } })
    await post('/scale/', { worker: 1 })
    const { body } = await get('/pods/')
    assert.equal(body.count, 2)
    const [web] = (await get('/pods/web/')).body.results
    assert.deepEqual(Object.keys(web).sort(), ['name', 'release', 'started', 'state', 'type'])
    assert.match(web.started, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    assert.deepEqual(await names(`/pods/web/${web.name}/`), [web.name])
    assert.deepEqual(await names(`/pods/web/${web.name.slice(app.length + 1)}/`), [web.name])
    assert.deepEqual(await names('/pods/web/nothing/'), [])
  })

  test('restarts all, one type and one pod, whatever type stands before its name', async () => {
    assert.deepEqual((await post('/pods/restart/')).body, [])
    await bed.push('admin', app, { procfile: { web: 'node .', worker: 'node work' } })
    await post('/scale/', { web: 2, worker: 1 })
    let before = await names()
    const all = await post('/pods/restart/')
    assert.equal(all.status, 200)
    assert.equal(all.body.length, 3)
    assert.ok(all.body.every((pod: { name: string; state: string }) => !before.includes(pod.name) && pod.state === 'up'))
    before = await names()
    const workers = await post('/pods/worker/restart')
    assert.equal(workers.body.length, 1)
    assert.equal((await names()).filter(name => before.includes(name)).length, 2)
    const [web] = await names('/pods/web')
    const one = await post(`/pods/7d4b9c6f5/${web}/restart/`)
    assert.equal(one.status, 200)
    assert.equal((await names('/pods/web')).length, 2)
    assert.equal((await names('/pods/web')).includes(web!), false)
    assert.equal((await post('/pods/web/nothing/restart/')).status, 200)
  })

  test('runs a command in a pod of its own, passed to the shell as one argument, and cleans up', async () => {
    const command = `printf '%s' "ü $HOME"; rm -rf /nothing\necho`
    assert.deepEqual((await post('/run', { command })).body, { detail: 'No build associated with this release to run this command' })
    await post('/config/', { values: { FOO: 'bar' } })
    await bed.push('admin', app)
    let spec: unknown
    bed.fate = pod => {
      if (pod.metadata.labels?.['type'] !== 'run') return 'up'
      spec = pod.spec
      return { exitCode: 3 }
    }
    bed.logOf = () => 'Ausgabe: ü\n'
    const { status, body } = await post('/run', { command })
    assert.equal(status, 200)
    assert.deepEqual(body, { exit_code: 3, output: 'Ausgabe: ü\n' })
    const { containers, restartPolicy } = spec as { containers: { command: string[]; env: { name: string }[] }[]; restartPolicy: string }
    assert.deepEqual(containers[0]?.command, ['/bin/bash', '-c', command])
    assert.equal(restartPolicy, 'Never')
    assert.ok(containers[0]?.env.some(({ name }) => name === 'FOO'))
    await bed.until(async () => (await listAll(bed.api, RESOURCES.pods, { namespace: app, labelSelector: 'type=run' })).items.length === 0)
    for (const bad of [{}, { command: '' }, { command: 5 }, { command: ['ls'] }])
      assert.equal((await post('/run', bad)).body.detail, 'command is a required field')
  })

  test('says why a command could not run, and when it took too long', async () => {
    await bed.push('admin', app)
    bed.fate = pod => (pod.metadata.labels?.['type'] === 'run' ? { waiting: 'ErrImagePull', message: 'not found' } : 'up')
    const failed = await post('/run', { command: 'ls' })
    assert.equal(failed.status, 503)
    assert.match(failed.body.detail, new RegExp(`^${app}-run-[a-z0-9]{5} \\(run\\): image .* not found`))
    bed.fate = pod => (pod.metadata.labels?.['type'] === 'run' ? 'hold' : 'up')
    const late = await post('/run', { command: 'sleep 100' })
    assert.equal(late.status, 503)
    assert.match(late.body.detail, /timed out after 1 seconds$/)
  })

  test('autoscales: bounds become an autoscaler, null removes it', async () => {
    await bed.push('admin', app)
    const bounds = { min: 1, max: 4, cpu_percent: 60 }
    const { status, body } = await post('/settings/', { autoscale: { web: bounds } })
    assert.equal(status, 201)
    assert.deepEqual(body.autoscale, { web: bounds })
    const scaler = await bed.api.get(RESOURCES.horizontalPodAutoscalers, app, `${app}-web`)
    assert.deepEqual([scaler.spec?.minReplicas, scaler.spec?.maxReplicas], [1, 4])
    for (const bad of [
      { web: { min: 2, max: 1, cpu_percent: 50 } },
      { web: { min: 0, max: 1, cpu_percent: 50 } },
      { web: { min: 1 } },
      { web: 3 },
    ])
      assert.equal((await post('/settings/', { autoscale: bad })).status, 400)
    // The number of pods is the autoscaler's now: a deploy must not undo it.
    await bed.api.patch(RESOURCES.deployments, app, `${app}-web`, { type: 'merge', body: { spec: { replicas: 3 } } })
    await post('/config/', { values: { A: '1' } })
    assert.equal((await names('/pods/web')).length, 3)
    assert.deepEqual((await post('/settings/', { autoscale: { web: null } })).body.autoscale, {})
    assert.equal(await find(bed.api, RESOURCES.horizontalPodAutoscalers, app, `${app}-web`), undefined)
    const gone = await post('/settings/', { autoscale: { web: null } })
    assert.deepEqual([gone.status, gone.body], [422, { detail: 'web does not exist under autoscale' }])
  })

  test('finishes at its next start what it was doing when it was killed', async () => {
    await bed.push('admin', app)
    bed.fate = pod => (pod.spec?.containers[0]?.image === 'new:1' ? 'hold' : 'up')
    const cut = bed.push('admin', app, { image: 'new:1' })
    await bed.until(async () => (await listAll(bed.api, RESOURCES.pods, { namespace: app })).items.length === 2)
    await bed.restart()
    await cut.catch(() => {})
    assert.equal((await get('/releases/v3/')).body.failed, false)
    const { items } = await listAll(bed.api, RESOURCES.pods, { namespace: app })
    await bed.node.release(items.find(pod => pod.spec?.containers[0]?.image === 'new:1')!)
    await bed.until(
      async () => (await find(bed.api, RESOURCES.secrets, app, `${app}-v2-env`)) !== undefined && (await names()).length === 1,
    )
    assert.equal((await get('/pods/')).body.results[0].release, 'v3')
  })

  test('marks a release as failed at its next start when it still does not come up', async () => {
    await post('/config/', { values: { DEIS_DEPLOY_TIMEOUT: '2' } })
    await bed.push('admin', app)
    bed.fate = pod => (pod.spec?.containers[0]?.image === 'bad:1' ? 'hold' : 'up')
    const cut = bed.push('admin', app, { image: 'bad:1' })
    await bed.until(async () => (await listAll(bed.api, RESOURCES.pods, { namespace: app })).items.length === 2)
    await bed.restart()
    await cut.catch(() => {})
    await bed.until(async () => (await get('/releases/v4/')).body.failed === true)
    await bed.until(async () => (await get('/pods/')).body.results[0]?.release === 'v3')
  })

  test('repairs what somebody else removed', async () => {
    await bed.push('admin', app)
    await bed.api.delete(RESOURCES.deployments, app, `${app}-web`)
    await bed.until(async () => (await names('/pods/web')).length === 1 && (await get('/pods/')).body.results[0].state === 'up')
    await bed.api.delete(RESOURCES.services, app, app)
    await bed.until(async () => (await find(bed.api, RESOURCES.services, app, app))?.spec?.selector?.['type'] === 'web')
  })

  test('sweeps away commands that a process left behind', async () => {
    await bed.push('admin', app)
    bed.fate = () => ({ exitCode: 0 })
    const pod = { name: `${app}-run-left0`, namespace: app, labels: { app, type: 'run', heritage: 'drycc' } }
    await bed.api.create(RESOURCES.pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: pod,
      spec: { restartPolicy: 'Never', containers: [{ name: 'run', image: 'x' }] },
    })
    await bed.until(async () => (await find(bed.api, RESOURCES.pods, app, pod.name))?.status?.phase === 'Succeeded')
    await bed.restart()
    await bed.until(async () => (await find(bed.api, RESOURCES.pods, app, pod.name)) === undefined)
  })

  test('does not touch a pod when it starts again', async () => {
    await bed.push('admin', app)
    const before = (await bed.api.get(RESOURCES.deployments, app, `${app}-web`)).metadata
    await bed.api.delete(RESOURCES.services, app, app)
    await bed.restart()
    await bed.until(async () => (await find(bed.api, RESOURCES.services, app, app)) !== undefined)
    assert.equal((await bed.api.get(RESOURCES.services, app, app)).spec?.selector?.['type'], 'web')
    assert.equal((await bed.api.get(RESOURCES.deployments, app, `${app}-web`)).metadata.generation, before.generation)
  })
})
