import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { parsePublicKey } from './ssh-key.ts'

// The fingerprint is what `ssh-keygen -l -E md5` prints for this line.
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f bob@home'

suite('parsePublicKey()', () => {
  test('gives the fingerprint that ssh-keygen gives', () => {
    assert.equal(parsePublicKey(KEY).fingerprint, '0f:a2:0a:d7:38:3e:65:45:08:6b:63:84:1c:ff:dc:ba')
  })

  test('takes no notice of the comment, so that one key cannot be added twice', () => {
    assert.deepEqual(parsePublicKey(KEY.replace('bob@home', 'x y z')), parsePublicKey(KEY))
  })

  const [algorithm, blob] = KEY.split(' ') as [string, string]
  for (const [text, expected] of [
    ['', /blank/],
    ['ssh-ed25519', /base64/],
    [`${algorithm} ${blob.slice(0, -3)}`, /base64/],
    [`${algorithm} $(id)`, /base64/],
    [`ssh-rsa ${blob}`, /known type/],
    [`ssh-unknown ${blob}`, /known type/],
    [`${algorithm} AAAA`, /known type/],
    [`command="id" ${algorithm} ${blob}`, /base64/],
    [`${KEY}\nssh-rsa AAAA`, /single line/],
    [`${KEY} ${'x'.repeat(9000)}`, /no more than/],
  ] as const)
    test(`refuses ${JSON.stringify(text.slice(0, 30))}`, () => assert.throws(() => parsePublicKey(text), expected))
})
