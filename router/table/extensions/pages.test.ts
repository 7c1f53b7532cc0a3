import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Annotations } from '../annotations.ts'
import { type PageSources, readPages } from './pages.ts'

suite('readPages()', () => {
  const read = (values: Record<string, string>, lastGood?: PageSources) => {
    const named = Object.fromEntries(Object.entries(values).map(([key, value]) => [`router.drycc.cc/${key}`, value]))
    const annotations = new Annotations(named, 'router.drycc.cc/')
    return { pages: readPages(annotations, 'shop', lastGood), faults: annotations.faults.map(fault => fault.message) }
  }
  test('reads names of ConfigMaps in the namespace of who names them', () =>
    assert.deepEqual(read({ 'x-error-pages': 'pages', 'x-maintenance-page': 'soon' }), {
      pages: { errors: 'shop/pages', maintenance: 'shop/soon' },
      faults: [],
    }))
  test('reads nothing where nothing stands', () => assert.deepEqual(read({}), { pages: undefined, faults: [] }))
  test('reaches into no other namespace, fetches nothing, and keeps the last good name', () => {
    for (const value of ['other/pages', '../pages', 'Pages', 'https://example.com/503.html', 'http://169.254.169.254/']) {
      const { pages, faults } = read({ 'x-error-pages': value }, { errors: 'shop/before' })
      assert.deepEqual(pages, { errors: 'shop/before' })
      assert.equal(faults.length, 1)
    }
    assert.match(read({ 'x-maintenance-page': 'https://example.com/' }).faults[0] as string, /the router fetches nothing; write the name/)
  })
})
