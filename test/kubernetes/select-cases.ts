import assert from 'node:assert/strict'
import { before, suite, test } from 'node:test'
import { isFailure, names } from './answers.ts'
import { type Api, at } from './api.ts'
import { configMap, event, pod, secret } from './samples.ts'

/** Which objects a selector takes: written as clients write it, answered in the order of names. */
const LABEL_SELECTORS: readonly (readonly [selector: string, taken: readonly string[]])[] = [
  ['app=web', ['a', 'b']],
  ['app==web', ['a', 'b']],
  ['app!=web', ['c', 'd']],
  ['app', ['a', 'b', 'c']],
  ['!app', ['d']],
  ['app=web,tier=front', ['a']],
  ['app in (web,db)', ['a', 'b', 'c']],
  ['app in (web), tier notin (front)', ['b']],
  ['tier notin (front,back)', ['c', 'd']],
  ['example.com/role=x', ['c']],
  ['app=', []],
  ['app=nothing', []],
  ['', ['a', 'b', 'c', 'd']],
]

const BAD_LABEL_SELECTORS = [
  'app=web=',
  'app in web',
  'app in (',
  '!',
  'app=bad value',
  'app notin',
  ',',
  'a b',
  'a<x',
  'a=b,',
  '=b',
  '!a=b',
]

/** Label and field selectors on lists. */
export function selectCases(api: Api): void {
  suite('label selectors', () => {
    let path: string
    before(async () => {
      path = at('configmaps', await api.namespace())
      await api.must('POST', path, configMap('a', {}, { labels: { app: 'web', tier: 'front' } }))
      await api.must('POST', path, configMap('b', {}, { labels: { app: 'web', tier: 'back' } }))
      await api.must('POST', path, configMap('c', {}, { labels: { app: 'db', 'example.com/role': 'x' } }))
      await api.must('POST', path, configMap('d'))
    })
    for (const [labelSelector, taken] of LABEL_SELECTORS) {
      test(`"${labelSelector}" takes ${taken.join(' ') || 'nothing'}`, async () => {
        assert.deepEqual(names(await api.must('GET', path, undefined, { labelSelector })), taken)
      })
    }
    for (const labelSelector of BAD_LABEL_SELECTORS) {
      test(`"${labelSelector}" is refused`, async () => isFailure(await api.get(path, { labelSelector }), 400, 'BadRequest'))
    }
  })

  suite('field selectors', () => {
    let namespace: string
    before(async () => {
      namespace = await api.namespace()
      await api.must('POST', at('pods', namespace), pod('free'))
      await api.must('POST', at('pods', namespace), pod('bound', { nodeName: 'n1', restartPolicy: 'Never' }))
      await api.must('POST', at('pods', namespace), pod('runs', { nodeName: 'n2' }))
      await api.patch('merge', at('pods', namespace, 'runs', 'status'), {
        status: { phase: 'Running', podIP: '10.0.0.7', podIPs: [{ ip: '10.0.0.7' }] },
      })
      await api.must('POST', at('secrets', namespace), secret('plain'))
      await api.must('POST', at('secrets', namespace), secret('typed', { type: 'example.com/x' }))
      await api.must('POST', at('events', namespace), event('one', namespace))
      await api.must(
        'POST',
        at('events', namespace),
        event('two', namespace, { involvedObject: { kind: 'Service', namespace, name: 's', uid: 'u2' }, reason: 'Other', type: 'Warning' }),
      )
    })
    const takes = (plural: string, fieldSelector: string, taken: readonly string[]) =>
      test(`${plural} by "${fieldSelector}"`, async () => {
        assert.deepEqual(names(await api.must('GET', at(plural, namespace), undefined, { fieldSelector })), taken)
      })
    takes('pods', 'metadata.name=free', ['free'])
    takes('pods', 'metadata.name!=free', ['bound', 'runs'])
    takes('pods', 'status.phase=Running', ['runs'])
    takes('pods', 'status.phase!=Running,spec.nodeName=n1', ['bound'])
    takes('pods', 'spec.nodeName=', ['free'])
    takes('pods', 'spec.nodeName==n2', ['runs'])
    takes('pods', 'spec.restartPolicy=Never', ['bound'])
    takes('pods', 'status.podIP=10.0.0.7', ['runs'])
    takes('secrets', 'type=Opaque', ['plain'])
    takes('secrets', 'type=example.com/x', ['typed'])
    takes('secrets', 'metadata.name=typed,type=Opaque', [])
    takes('events', 'involvedObject.kind=Service', ['two'])
    takes('events', 'involvedObject.name=p,reason=Tested', ['one'])
    takes('events', 'involvedObject.uid=u2', ['two'])
    takes('events', 'type=Warning', ['two'])

    test('metadata.namespace narrows a list of all namespaces', async () => {
      const list = await api.must('GET', at('secrets'), undefined, { fieldSelector: `metadata.namespace=${namespace}` })
      assert.deepEqual(names(list), ['plain', 'typed'])
    })
    test('a label and a field selector both count', async () => {
      const query = { fieldSelector: 'metadata.name=free', labelSelector: 'app=web' }
      assert.deepEqual(names(await api.must('GET', at('pods', namespace), undefined, query)), [])
    })
    test('metadata.name of a namespace', async () => {
      assert.deepEqual(names(await api.must('GET', at('namespaces'), undefined, { fieldSelector: `metadata.name=${namespace}` })), [
        namespace,
      ])
    })
    test('a field that the kind cannot select by: 400', async () => {
      isFailure(
        await api.get(at('configmaps', namespace), { fieldSelector: 'data.a=1' }),
        400,
        'BadRequest',
        '"data.a" is not a known field selector: only "metadata.name", "metadata.namespace"',
      )
      isFailure(
        await api.get(at('pods', namespace), { fieldSelector: 'spec.nope=1' }),
        400,
        'BadRequest',
        'field label not supported: spec.nope',
      )
      isFailure(
        await api.get(at('secrets', namespace), { fieldSelector: 'data.a=1' }),
        400,
        'BadRequest',
        'field label not supported: data.a',
      )
    })
    test('a selector that is none: 400', async () => {
      isFailure(
        await api.get(at('pods', namespace), { fieldSelector: 'metadata.name' }),
        400,
        'BadRequest',
        /^invalid selector: 'metadata.name'/,
      )
    })
  })
}
