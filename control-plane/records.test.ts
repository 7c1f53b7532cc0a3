import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type KubernetesApi, KubernetesError } from '../kernel/kubernetes/api.ts'
import { silentLog } from '../kernel/log.ts'
import { openRecords } from './records.ts'

suite('openRecords()', () => {
  const options = { namespace: 'drycc', platformDomain: 'localhost', log: silentLog }

  test('waits for an API server that comes up later', async () => {
    const errors = [new TypeError('connect ECONNREFUSED'), refusal(503), refusal(409)]
    const records = await openRecords(server(errors), options)
    assert.deepEqual([records.users.list(), errors], [[], []])
    await records.stop()
  })

  test('gives up where waiting does not help, and when it is told to', async () => {
    await assert.rejects(openRecords(server([refusal(401)]), options), { code: 401 })
    const signal = AbortSignal.abort()
    await assert.rejects(openRecords(server([refusal(503)]), { ...options, signal }), { code: 503 })
  })
})

function refusal(code: number): KubernetesError {
  return new KubernetesError({ code, reason: '', message: '' })
}

/** An empty API server that answers the first creations with errors. */
function server(errors: Error[]): KubernetesApi {
  return {
    create: async () => {
      const error = errors.shift()
      if (error) throw error
    },
    list: async () => ({ items: [], resourceVersion: '1' }),
    async *watch(_: unknown, { signal }: { signal: AbortSignal }) {
      await new Promise(resolve => signal.addEventListener('abort', resolve, { once: true }))
    },
  } as unknown as KubernetesApi
}
