import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type Config, type ConfigMaps, EMPTY_CONFIG } from './config.ts'
import { summariseBuild, summariseConfig, summariseFailure } from './summary.ts'

suite('summariseConfig()', () => {
  const told = (previous: Partial<ConfigMaps>, next: Partial<ConfigMaps>) => summariseConfig('bob', config(previous), config(next))

  test('names added, changed and deleted variables', () => {
    assert.equal(told({ values: { C: '1', D: '1' } }, { values: { A: '1', B: '1', C: '2' } }), 'bob added A, B, changed C, deleted D')
  })

  test('names limits, tags, registry and healthchecks, joined with and', () => {
    const next = {
      memory: { web: '1M' },
      cpu: { web: '1' },
      tags: { disk: 'ssd' },
      registry: { username: 'u' },
      healthcheck: { 'web/cmd': {} },
    }
    assert.equal(
      told({}, next),
      'bob changed limits for memory, cpu and bob added tag disk and bob added registry info username and bob added healthcheck info for proc type web/cmd',
    )
    assert.equal(told({ tags: { disk: 'ssd' } }, {}), 'bob deleted tag disk')
  })

  test('says so when nothing changed', () => assert.equal(told({}, {}), 'bob changed nothing'))
})

test('summariseBuild() names the commit, else the image', () => {
  assert.equal(summariseBuild('bob', { sha: '123456789', image: 'x' }), 'bob deployed 1234567')
  assert.equal(summariseBuild('bob', { sha: '', image: 'x:1' }), 'bob deployed x:1')
})

test('summariseFailure() says what failed', () => {
  assert.equal(summariseFailure('config', 'bob', undefined), 'bob deployed a config that failed')
  assert.equal(summariseFailure('rollback', 'bob', undefined), 'bob performed roll back to a release that failed')
})

function config(maps: Partial<ConfigMaps>): Config {
  return { uuid: '', owner: '', created: '', updated: '', ...EMPTY_CONFIG, ...maps }
}
