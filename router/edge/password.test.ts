import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { isPassword } from './password.ts'

// Made by htpasswd 2.4, OpenSSL 3, glibc's crypt, and from the test vectors of bcrypt and SHA-crypt.
const HASHES: readonly (readonly [password: string, hash: string])[] = [
  ['U*U', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'],
  ['', '$2y$04$gROwpOQiTkoKxrv1xOgIAe9a4/OPTJf0X0VcXcPsNFRneKhwHni3O'],
  ['geheim', '$2y$05$eT8WQy.fcdc.O4/cLbr.kO/0SFaY2gdZbDZosaQCaCur4uFfEI/2G'],
  [
    'äöü ßlang und länger als zweiundsiebzig Zeichen, damit man sieht, wo es endet, ja?',
    '$2y$06$btA.gJRab7TjDbDt6v7v9eBOF4cYE71PIuPDgfaSA33RSYSjmiPw2',
  ],
  ['secret', '$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/'],
  ['x', '$apr1$9hGDVuBb$DCK9u24aCGSrlKgYHi/iR/'],
  ['secret', '$5$abcdefgh$gruCpC7VkOTspMQTTSAR8mtlO9Upms.fwqE5y16JVM.'],
  ['secret', '$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG.'],
  [
    'Hello world!',
    '$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.',
  ],
  ['a'.repeat(100), '$5$rounds=1400$anotherlongsalts$rxuJkKiQTrzKO8eZ6/.WybjIrgYF3/u7RcK5jYG70QC'],
  ['x', '{SHA}EfatjsUqKYSrqv18O1FlA3hcIHI='],
  ['x', '{SSHA}a4XbICVowO+SnvVWRg6HD03odXthYmNk'],
  ['a: b', '{PLAIN}a: b'],
]

suite('isPassword()', () => {
  for (const [password, stored] of HASHES) {
    test(`knows ${stored.slice(0, 24)}`, () => {
      assert.equal(isPassword(Buffer.from(password), stored), true)
      for (const other of [`${password}x`.slice(password.length > 72 ? 1 : 0), password.slice(1), `x${password}`, ''])
        if (other !== password) assert.equal(isPassword(Buffer.from(other), stored), false, other)
    })
  }
  test('takes no NUL as an end, and no password of any length', () => {
    assert.equal(isPassword(Buffer.from('U*U\0x'), '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'), false)
    assert.equal(isPassword(Buffer.alloc(1e6), HASHES[7]![1]), false)
  })
  test('knows nothing of what is no hash', () => {
    for (const stored of ['', 'geheim', '$', '$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'])
      assert.equal(isPassword(Buffer.from(stored), stored), false)
  })
})
