import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { SettingsError } from '../kernel/settings.ts'
import { controlPlaneConfig } from './config.ts'

suite('controlPlaneConfig()', () => {
  test('has a default for everything, and no builder key until one is given', () => {
    const config = controlPlaneConfig({})
    assert.equal(config.port, 8000)
    assert.equal(config.registration, 'admin_only')
    assert.equal(config.builderKey, undefined)
    assert.deepEqual(config.deployHookUrls, [])
  })

  test('names every fault at once', () => {
    const env = {
      CONTROLLER_PORT: 'x',
      CONTROLLER_REGISTRATION: 'open',
      CONTROLLER_LOGGER_URL: 'logger',
      CONTROLLER_DEPLOY_HOOK_URLS: 'http://a, b',
    }
    assert.throws(
      () => controlPlaneConfig(env),
      (error: unknown) =>
        error instanceof SettingsError && error.faults.length === 4 && error.message.includes('write it as http://host:port'),
    )
  })
})
