import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { FieldSet, type FieldsV1, formatPath } from './field-set.ts'

suite('FieldSet', () => {
  const set = (...paths: string[][]) => {
    const fields = new FieldSet()
    for (const path of paths) fields.insert(path)
    return fields
  }

  test('is as JSON what it was made from', () => {
    const json: FieldsV1 = {
      'f:metadata': { 'f:labels': { '.': {}, 'f:a': {} } },
      'f:spec': { 'f:containers': { 'k:{"name":"c"}': { '.': {}, 'f:image': {} } }, 'f:replicas': {} },
    }
    assert.deepEqual(FieldSet.fromJson(json).toJson(), json)
  })
  test('difference() takes members, not what is below them', () => {
    const left = set(['f:a'], ['f:a', 'f:b'], ['f:c'])
    assert.deepEqual(left.difference(set(['f:a'])).toJson(), { 'f:a': { 'f:b': {} }, 'f:c': {} })
    assert.deepEqual(left.difference(set(['f:a', 'f:b'])).toJson(), { 'f:a': {}, 'f:c': {} })
  })
  test('without() takes what is below members too', () => {
    assert.deepEqual(
      set(['f:a', 'f:b', 'f:x'], ['f:a', 'f:c'])
        .without(set(['f:a', 'f:b']))
        .toJson(),
      { 'f:a': { 'f:c': {} } },
    )
  })
  test('union() and intersection()', () => {
    const [left, right] = [set(['f:a', 'f:b'], ['f:c']), set(['f:a', 'f:b'], ['f:a', 'f:d'])]
    assert.deepEqual(left.union(right).toJson(), { 'f:a': { 'f:b': {}, 'f:d': {} }, 'f:c': {} })
    assert.deepEqual(left.intersection(right).toJson(), { 'f:a': { 'f:b': {} } })
    assert.ok(left.intersection(set(['f:z'])).isEmpty)
  })
  test('formatPath() writes paths as conflicts name them', () => {
    assert.equal(formatPath(['f:spec', 'f:containers', 'k:{"name":"c"}', 'f:image']), '.spec.containers[name="c"].image')
    assert.equal(formatPath(['f:ports', 'k:{"containerPort":80,"protocol":"TCP"}']), '.ports[containerPort=80,protocol="TCP"]')
    assert.equal(formatPath(['f:finalizers', 'v:"a/b"']), '.finalizers[="a/b"]')
  })
})
