import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { builderConfig } from './config.ts'

const ENOUGH = {
  BUILDER_HOME: '/data',
  BUILDER_KEY: 'k',
  BUILDER_CONTROLLER_URL: 'http://controller:8000/',
  BUILDER_RUN_COMMAND: '["node","run.ts"]',
}

suite('builderConfig()', () => {
  test('reads what is given and knows the rest', () => {
    const config = builderConfig(ENOUGH)
    assert.deepEqual(
      [config.controllerUrl, config.runCommand, config.sshPort, config.httpPort, config.healthPort, config.buildCountMax],
      ['http://controller:8000', ['node', 'run.ts'], 2223, 8093, 8092, 2],
    )
  })
  test('names every fault at once', () => {
    assert.throws(
      () => builderConfig({ ...ENOUGH, BUILDER_KEY: '', BUILDER_RUN_COMMAND: 'node run.ts', BUILDER_CONTROLLER_URL: 'controller' }),
      {
        message: /BUILDER_CONTROLLER_URL.*\n.*BUILDER_KEY is not set.*\n.*BUILDER_RUN_COMMAND/,
      },
    )
  })
})
