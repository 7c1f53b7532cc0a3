import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { certificateNames } from './platform-certificate.ts'

suite('certificateNames()', () => {
  test('takes short names only, each once, under the platform domain', () => {
    assert.deepEqual(certificateNames(['shop,www.example.com', 'drycc, deis', 'shop', '', '*.x', 'a_b'], 'localhost'), [
      'localhost',
      'deis.localhost',
      'drycc.localhost',
      'shop.localhost',
    ])
  })

  test('stays small enough for a handshake', () => {
    assert.equal(certificateNames([Array.from({ length: 5000 }, (_, index) => `app-${index}`).join(',')], 'localhost').length, 1000)
  })
})
