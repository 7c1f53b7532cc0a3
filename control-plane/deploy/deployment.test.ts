import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type ConfigMaps, EMPTY_CONFIG } from '../domain/config.ts'
import type { Release } from '../domain/release.ts'
import { batchSize, buildDeployment, rolloutTimeoutMs } from './deployment.ts'
import { environmentOf } from './environment.ts'

const options = { replicas: 2, isRouted: true, nodeCount: 1, stopDelaySeconds: 3 }

suite('buildDeployment()', () => {
  test('has a selector without the version, and pods with it', () => {
    const { spec } = buildDeployment(release(), 'web', options)
    assert.deepEqual(spec?.selector.matchLabels, { app: 'shop', type: 'web', heritage: 'drycc' })
    assert.deepEqual(spec?.template.metadata?.labels, { app: 'shop', type: 'web', heritage: 'drycc', version: 'v3' })
    assert.deepEqual(spec?.strategy?.rollingUpdate, { maxUnavailable: 0, maxSurge: 1 })
  })

  test('waits for the port only where the type takes the traffic', () => {
    const probe = (isRouted: boolean) =>
      buildDeployment(release(), 'web', { ...options, isRouted }).spec?.template.spec?.containers[0]?.readinessProbe
    assert.deepEqual(probe(true)?.tcpSocket, { port: 5000 })
    assert.equal(probe(false), undefined)
  })

  test('leaves a pod time until every router has heard that it goes, unless the app says what it does then', () => {
    const podOf = (maps: Partial<ConfigMaps>, stopDelaySeconds = 3) => {
      const spec = buildDeployment(release(maps), 'web', { ...options, stopDelaySeconds }).spec!.template.spec!
      return [spec.containers[0]!.lifecycle, spec.terminationGracePeriodSeconds]
    }
    assert.deepEqual(podOf({}), [{ preStop: { sleep: { seconds: 3 } } }, 33])
    assert.deepEqual(podOf({ termination_grace_period: { web: '5' } })[1], 8)
    const command = (line: string) => ({ exec: { command: ['/bin/bash', '-c', line] } })
    assert.deepEqual(podOf({ lifecycle_pre_stop: { web: 'sleep 1' } }), [{ preStop: command('sleep 1') }, 30])
    assert.deepEqual(podOf({ lifecycle_post_start: { web: 'echo' } }), [
      { postStart: command('echo'), preStop: { sleep: { seconds: 3 } } },
      33,
    ])
    assert.deepEqual(podOf({}, 0), [undefined, 30])
  })

  test('prefers the probes of the type to those of web/cmd, and takes neither for a worker', () => {
    const probe = (port: number) => ({ readinessProbe: { tcpSocket: { port } } })
    const both = release({ healthcheck: { web: probe(1), 'web/cmd': probe(2) } })
    const port = (type: string) => buildDeployment(both, type, options).spec?.template.spec?.containers[0]?.readinessProbe?.tcpSocket?.port
    assert.equal(port('web'), 1)
    assert.equal(port('cmd'), 2)
    const worker = buildDeployment(both, 'worker', { ...options, isRouted: false })
    assert.equal(worker.spec?.template.spec?.containers[0]?.readinessProbe, undefined)
  })

  test('lets user values win over those of the platform, and declares the port that the user chose', () => {
    const own = release({ values: { PORT: '81', DEIS_APP: 'mine' } })
    const { DEIS_APP, PORT, WORKFLOW_RELEASE } = environmentOf(own)
    assert.deepEqual([DEIS_APP, PORT, WORKFLOW_RELEASE], ['mine', '81', 'v3'])
    const container = buildDeployment(own, 'web', options).spec?.template.spec?.containers[0]
    assert.deepEqual(container?.ports, [{ name: 'http', containerPort: 81, protocol: 'TCP' }])
  })

  test('fits the longest names into what a container may be called', () => {
    const { metadata, spec } = buildDeployment({ ...release(), app: 'a'.repeat(63) }, 'web', options)
    assert.equal(metadata?.name, `${'a'.repeat(63)}-web`)
    assert.equal(spec?.template.spec?.containers[0]?.name.length, 63)
  })
})

test('batchSize() is what the app asks for, else one a node, never more than there shall be', () => {
  assert.equal(batchSize(release(), 10, 3), 3)
  assert.equal(batchSize(release(), 40, 3), 10)
  assert.equal(batchSize(release(), 2, 5), 2)
  assert.equal(batchSize(release(), 0, 5), 1)
  assert.equal(batchSize(release({ values: { DEIS_DEPLOY_BATCHES: '4' } }), 10, 1), 4)
  assert.equal(batchSize(release({ values: { DEIS_DEPLOY_BATCHES: '0' } }), 10, 1), 3)
})

test('rolloutTimeoutMs() gives each batch its time and the delay of its first probe', () => {
  const slow = release({ healthcheck: { web: { livenessProbe: { tcpSocket: { port: 1 }, initialDelaySeconds: 50 } } } })
  assert.equal(rolloutTimeoutMs(slow, buildDeployment(slow, 'web', { ...options, replicas: 4 }), 120_000), 4 * 170_000)
  const own = release({ values: { DEIS_DEPLOY_TIMEOUT: '10' } })
  assert.equal(rolloutTimeoutMs(own, buildDeployment(own, 'web', { ...options, replicas: 1 }), 120_000), 10_000)
})

function release(maps: Partial<ConfigMaps> = {}): Release {
  const row = { uuid: '', owner: 'bob', created: '2026-01-01T00:00:00.000Z', updated: '' }
  return {
    ...row,
    app: 'shop',
    version: 3,
    summary: 's',
    failed: false,
    config: { ...row, ...EMPTY_CONFIG, ...maps },
    build: { ...row, image: 'shop:1', sha: '', procfile: { web: 'node .', worker: 'node w' }, dockerfile: '' },
  }
}
