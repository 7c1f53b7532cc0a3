import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { isFailure, names } from './answers.ts'
import { type Api, at } from './api.ts'
import { event } from './samples.ts'

/**
 * What is left when the history has been cut. Events, since kube-apiserver reads only those straight from etcd: for all other kinds
 * its own cache keeps a history that nobody can cut.
 *
 * @param forget makes the server forget all versions but the newest; so nothing else may run beside these cases
 */
export function historyCases(api: Api, forget: () => Promise<void>): void {
  suite('history that is cut', { concurrency: 1 }, () => {
    const ground = async () => {
      const namespace = await api.namespace()
      const path = at('events', namespace)
      for (const name of 'abcd') await api.must('POST', path, event(name, namespace))
      const page = await api.must('GET', path, undefined, { limit: 2 })
      for (const name of 'ef') await api.must('POST', path, event(name, namespace))
      await forget()
      return { path, namespace, page, version: page.metadata.resourceVersion as string }
    }
    test('ends a watch from before with 410 Expired, as an event', async () => {
      const { path, version } = await ground()
      const watch = await api.watch(path, { resourceVersion: version, timeoutSeconds: 5 })
      const [only, ...more] = await watch.rest()
      assert.equal(only?.type, 'ERROR')
      const { kind, status, reason, code, message } = only.object
      assert.deepEqual([kind, status, reason, code], ['Status', 'Failure', 'Expired', 410])
      assert.match(message, /too old/)
      assert.deepEqual(more, [])
    })
    test('ends a list in pages with 410 Expired and a way to go on', async () => {
      const { path, page } = await ground()
      const answer = await api.get(path, { limit: 2, continue: page.metadata.continue })
      isFailure(answer, 410, 'Expired', /^The provided continue parameter is too old to display a consistent list result/)
      const rest = await api.must('GET', path, undefined, { limit: 2, continue: answer.body.metadata.continue })
      assert.deepEqual(names(rest), ['c', 'd'])
      assert.deepEqual(names(await api.must('GET', path, undefined, { limit: 2, continue: rest.metadata.continue })), ['e', 'f'])
    })
    test('has no list of an exact version any more: 410', async () => {
      const { path, version } = await ground()
      isFailure(
        await api.get(path, { resourceVersion: version, resourceVersionMatch: 'Exact' }),
        410,
        'Expired',
        'The resourceVersion for the provided list is too old.',
      )
    })
    test('keeps the newest version to watch from', async context => {
      const { path, namespace } = await ground()
      const { metadata } = await api.must('GET', path)
      const watch = await api.watch(path, { resourceVersion: metadata.resourceVersion })
      context.after(() => watch.close())
      await api.must('POST', path, event('g', namespace))
      assert.deepEqual(await watch.names(1), ['ADDED g'])
    })
  })
}
