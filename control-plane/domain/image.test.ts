import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { imageOwner, isImageReference } from './image.ts'

suite('isImageReference()', () => {
  for (const text of [
    'nginx',
    'web:1',
    'team/shop:v1.2',
    'registry.example.com:5000/team/shop',
    `embedded/shop@sha256:${'0'.repeat(64)}`,
  ]) {
    test(`takes ${text}`, () => assert.ok(isImageReference(text)))
  }
  for (const text of [
    '',
    '-x',
    '../x',
    './shop:1',
    '/shop:1',
    'http://169.254.169.254/x',
    'a//b',
    'Shop',
    'shop:',
    'shop@sha256:0',
    'a b',
  ]) {
    test(`refuses "${text}"`, () => assert.ok(!isImageReference(text)))
  }
})

suite('imageOwner()', () => {
  test('knows the images that the platform built, whatever their tag', () => {
    assert.equal(imageOwner('embedded/shop:git-1', 'embedded/'), 'shop')
    assert.equal(imageOwner('embedded/shop@sha256:0', 'embedded/'), 'shop')
    assert.equal(imageOwner('registry.example/drycc/shop', 'registry.example/drycc/'), 'shop')
  })

  for (const host of ['REGISTRY.example', 'registry.example.', 'registry.example:443', 'Registry.Example.:443']) {
    test(`knows ${host} for the same registry`, () => assert.equal(imageOwner(`${host}/drycc/shop:1`, 'registry.example/drycc/'), 'shop'))
  }
  test('knows the folder of embedded mode in any case', () => assert.equal(imageOwner('EMBEDDED/shop:1', 'embedded/'), 'shop'))

  for (const image of ['shop:1', 'embedded', 'other/shop:1', 'registry.example.org/drycc/shop:1']) {
    test(`leaves ${image} to everybody`, () =>
      assert.equal(imageOwner(image, image.startsWith('registry') ? 'registry.example/drycc/' : 'embedded/'), undefined))
  }
})
