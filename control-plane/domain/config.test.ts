import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type ConfigMaps, EMPTY_CONFIG, isSameConfig, mergeConfig } from './config.ts'
import { Refusal } from './refusal.ts'

suite('mergeConfig()', () => {
  test('sets what is given, removes what is null, keeps the rest', () => {
    const current: ConfigMaps = { ...EMPTY_CONFIG, values: { A: '1', B: '2' }, tags: { disk: 'ssd' } }
    const merged = mergeConfig(current, { values: { B: null, C: 3 } })
    assert.deepEqual(merged, { ...current, values: { A: '1', C: '3' } })
    assert.deepEqual(current.values, { A: '1', B: '2' })
  })

  test('takes a map that comes as JSON within a string', () => {
    assert.deepEqual(mergeConfig(EMPTY_CONFIG, { values: '{"A":"1"}' }).values, { A: '1' })
    refuses({ values: '{' }, 400, /valid JSON/)
  })

  test('refuses keys that no environment takes', () => {
    for (const key of ['FOO-BAR', '123', 'FOO/', '', 'A B', 'A=B', 'Ä', 'A\n'])
      refuses({ values: { [key]: 'x' } }, 400, /Config keys must start/)
    for (const key of ['_', 'a', 'FOO_bar9', 'constructor'])
      assert.equal(mergeConfig(EMPTY_CONFIG, { values: { [key]: 'x' } }).values[key], 'x')
  })

  test('does not take an inherited property for a key that stands', () => {
    refuses({ values: { toString: null } }, 422, /toString does not exist under values/)
    refuses(JSON.parse('{"values":{"__proto__":"x"}}'), 400, /__proto__/)
  })

  test('refuses ports that are none', () => {
    refuses({ values: { PORT: 'http' } }, 400, /PORT can only be a numeric value/)
    for (const PORT of ['0', '65536']) refuses({ values: { PORT } }, 400, /PORT needs to be between 1 and 65535/)
    assert.equal(mergeConfig(EMPTY_CONFIG, { values: { PORT: 8080 } }).values['PORT'], '8080')
  })

  test('reads memory limits by the rule of the first API', () => {
    for (const web of ['64M', '2g', '100MB', '512B', '0', '0/64M', '64M/128MB'])
      assert.equal(mergeConfig(EMPTY_CONFIG, { memory: { web } }).memory['web'], web)
    for (const web of ['64', '64T', 'M', '-1M', '64M/', '64M/0x', '1.5G']) refuses({ memory: { web } }, 400, /Memory limit format/)
    refuses({ memory: { 'WEB ': '1M' } }, 400, /Process types/)
  })

  test('reads CPU limits by the rule of the first API', () => {
    for (const web of ['500m', '0.5', '.123', '0/2', '500m/600m', '2'])
      assert.equal(mergeConfig(EMPTY_CONFIG, { cpu: { web } }).cpu['web'], web)
    for (const web of ['m', '.', '20MK', '-1', '1/', 'half']) refuses({ cpu: { web } }, 400, /CPU limit format/)
  })

  test('reads tags as node labels', () => {
    for (const key of ['disk', 'example.com/disk', 'a-b_c.d'])
      assert.equal(mergeConfig(EMPTY_CONFIG, { tags: { [key]: 'ssd' } }).tags[key], 'ssd')
    for (const [key, value] of [
      ['-a', 'x'],
      ['a/b/c', 'x'],
      ['a', 'x y'],
      ['a'.repeat(64), 'x'],
      [`${'a.'.repeat(130)}b/c`, 'x'],
    ])
      refuses({ tags: { [key!]: value } }, 400, /Tag/)
  })

  test('wants a port beside registry credentials, and keeps their keys in lower case', () => {
    refuses({ registry: { username: 'u' } }, 400, /PORT needs to be set in the config when using a private registry/)
    const { registry } = mergeConfig(EMPTY_CONFIG, { values: { PORT: '80' }, registry: { Username: 'u', PASSWORD: 'p' } })
    assert.deepEqual(registry, { username: 'u', password: 'p' })
    refuses({ registry: { token: 'x' } }, 400, /not supported/)
  })

  test('makes probes of the variables HEALTHCHECK_* and drops them', () => {
    const values = { HEALTHCHECK_URL: '/up', HEALTHCHECK_TIMEOUT: '5', PORT: '80' }
    const merged = mergeConfig(EMPTY_CONFIG, { values })
    assert.deepEqual(merged.values, { PORT: '80' })
    const probe = merged.healthcheck['web/cmd']?.readinessProbe
    assert.deepEqual(probe?.httpGet, { path: '/up', port: 80 })
    assert.equal(probe?.timeoutSeconds, 5)
    refuses({ values: { HEALTHCHECK_URL: 'http://x/' } }, 400, /can only be a path/)
    refuses({ values: { HEALTHCHECK_TIMEOUT: 'x' } }, 400, /numeric/)
  })

  test('merges probes by type, and returns the flat form under web/cmd', () => {
    const livenessProbe = { httpGet: { port: '80', path: '/' }, initialDelaySeconds: 50 }
    const { healthcheck } = mergeConfig(EMPTY_CONFIG, { healthcheck: { livenessProbe } })
    assert.deepEqual(healthcheck, { 'web/cmd': { livenessProbe: { httpGet: { port: 80, path: '/' }, initialDelaySeconds: 50 } } })
    const both = mergeConfig(
      { ...EMPTY_CONFIG, healthcheck },
      { healthcheck: { 'web/cmd': { readinessProbe: { tcpSocket: { port: 80 } } } } },
    )
    assert.deepEqual(Object.keys(both.healthcheck['web/cmd']!), ['livenessProbe', 'readinessProbe'])
    const one = mergeConfig(both, { healthcheck: { 'web/cmd': { livenessProbe: null } } })
    assert.deepEqual(Object.keys(one.healthcheck['web/cmd']!), ['readinessProbe'])
    assert.deepEqual(mergeConfig(one, { healthcheck: { 'web/cmd': null } }).healthcheck, {})
    refuses({ healthcheck: { web: null } }, 422, /web does not exist under healthcheck/)
    refuses({ healthcheck: { web: { livenessProbe: null } } }, 422, /livenessProbe does not exist/)
  })

  test('refuses probes that Kubernetes would', () => {
    const httpGet = { port: 80 }
    const faults: object[] = [
      {},
      { httpGet, tcpSocket: { port: 80 } },
      { httpGet: {} },
      { httpGet: { port: 0 } },
      { httpGet, timeoutSeconds: 0 },
      { httpGet, periodSeconds: '10' },
      { httpGet, successThreshold: 2 },
      { httpGet, unknown: 1 },
      { httpGet: { port: 80, scheme: 'FTP' } },
      { httpGet: { port: 80, httpHeaders: [{ name: 'x' }] } },
      { exec: { command: 'ls' } },
      { httpGet: { port: 80, host: '169.254.169.254' } },
      { tcpSocket: { port: 80, host: 'db.internal' } },
    ]
    for (const livenessProbe of faults) refuses({ healthcheck: { web: { livenessProbe } } }, 400, /livenessProbe: /)
    refuses({ healthcheck: { web: { startupProbe: { httpGet } } } }, 400, /startupProbe is not a probe/)
  })
})

test('isSameConfig() does not mind the order of keys', () => {
  assert.equal(isSameConfig({ ...EMPTY_CONFIG, values: { A: '1', B: '2' } }, { ...EMPTY_CONFIG, values: { B: '2', A: '1' } }), true)
  assert.equal(isSameConfig({ ...EMPTY_CONFIG, values: { A: '1' } }, EMPTY_CONFIG), false)
})

function refuses(request: Record<string, unknown>, status: number, text: RegExp): void {
  assert.throws(
    () => mergeConfig(EMPTY_CONFIG, request),
    (error: unknown) => error instanceof Refusal && error.status === status && text.test(error.message),
    JSON.stringify(request).slice(0, 100),
  )
}
