import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Stored } from '../../kernel/kubernetes/objects.ts'
import { annotationChanges, buildNewSet, findNewSet, HASH_LABEL, REVISION_ANNOTATION, templateHash } from './revision.ts'
import { deployment } from './testing/world.ts'

const stored = (object: ReturnType<typeof deployment>) =>
  ({ ...object, metadata: { ...object.metadata, uid: 'd', resourceVersion: '1' } }) as Stored<ReturnType<typeof deployment>>

suite('templateHash()', () => {
  const { template } = deployment().spec!
  test('depends neither on the order of keys nor on what is empty', () => {
    const { containers } = template.spec!
    const turned = { spec: { volumes: [], containers }, metadata: { labels: { app: 'web' } } }
    assert.equal(templateHash(turned, 0), templateHash(template, 0))
  })
  test('changes with the template and with the count of collisions', () => {
    const hashes = [templateHash(template, 0), templateHash(template, 1), templateHash(deployment({ image: 'web:2' }).spec!.template, 0)]
    assert.equal(new Set(hashes).size, 3)
    for (const hash of hashes) assert.match(hash, /^[bcdfghjklmnpqrstvwxz2456789]{1,10}$/)
  })
})

suite('buildNewSet()', () => {
  test('marks set, selector and template with the hash, and passes annotations on that are not the Deployment’s own', () => {
    const owner = stored(deployment())
    owner.metadata.annotations = { 'kubernetes.io/change-cause': 'v1', [REVISION_ANNOTATION]: '9' }
    const set = buildNewSet(owner, 4)
    const hash = set.metadata?.labels?.[HASH_LABEL]
    assert.ok(hash)
    assert.equal(set.metadata?.name, `web-${hash}`)
    assert.equal(set.spec?.selector.matchLabels?.[HASH_LABEL], hash)
    assert.equal(set.spec?.template?.metadata?.labels?.[HASH_LABEL], hash)
    assert.deepEqual(set.metadata?.annotations, { 'kubernetes.io/change-cause': 'v1', [REVISION_ANNOTATION]: '4' })
  })
})

suite('findNewSet()', () => {
  test('goes by the template, not by its hash', () => {
    const owner = stored(deployment())
    const set = { ...buildNewSet(owner, 1), metadata: { name: 'x', uid: 'x', resourceVersion: '1' } }
    set.spec!.template!.metadata!.labels![HASH_LABEL] = 'of-another-version'
    assert.equal(findNewSet(owner, [set]), set)
    assert.equal(findNewSet(stored(deployment({ image: 'web:2' })), [set]), undefined)
  })
})

suite('annotationChanges()', () => {
  test('raises the revision of a set that is gone back to, and keeps its former ones', () => {
    const set = buildNewSet(stored(deployment()), 2)
    set.metadata!.annotations!['deployment.kubernetes.io/revision-history'] = '1'
    assert.deepEqual(annotationChanges(deployment(), set, 5), {
      [REVISION_ANNOTATION]: '5',
      'deployment.kubernetes.io/revision-history': '1,2',
    })
    assert.deepEqual(annotationChanges(deployment(), set, 2), {})
  })
})
