import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import ssh2 from 'ssh2'
import { newHostKey } from './host-keys.ts'

suite('newHostKey()', () => {
  test('makes only keys that can be read again', async () => {
    for (let count = 0; count < 1000; count++) {
      const { private: key } = await newHostKey('ed25519', {})
      assert.ok(!(ssh2.utils.parseKey(key) instanceof Error))
    }
  })
})
