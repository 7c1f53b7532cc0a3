import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { checkPassword, hashPassword, isPassword } from './password.ts'

suite('password', () => {
  test('is known again, and only it', async () => {
    const hash = await hashPassword('räuber')
    assert.match(hash, /^scrypt\$16384\$8\$1\$[\w-]{22}\$[\w-]{43}$/)
    assert.equal(await isPassword('räuber', hash), true)
    assert.equal(await isPassword('rauber', hash), false)
    assert.equal(await isPassword('', hash), false)
    assert.notEqual(await hashPassword('räuber'), hash)
  })

  test('of nobody is never right', async () => assert.equal(await isPassword('', undefined), false))

  test('is not hashed when it is an attack on the hash', async () => {
    assert.equal(await isPassword('x'.repeat(1_000_000), await hashPassword('x')), false)
    assert.throws(() => checkPassword('password', 'x'.repeat(1025)), /no more than 1024 bytes/)
  })
})
