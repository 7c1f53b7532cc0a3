import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { ContainerProcess } from './container-process.ts'
import { Termination } from './termination.ts'

suite('Termination', () => {
  test('sends TERM and waits for the end', async () => {
    const { process, sent, end } = fakeProcess()
    const { done } = new Termination(process, { graceMs: 60_000, graceMinMs: 1 })
    end()
    await done
    assert.deepEqual(sent, ['SIGTERM', 'KILL'])
  })

  test('sends KILL when the grace period is over', async () => {
    const { process, sent } = fakeProcess()
    await new Termination(process, { graceMs: 20, graceMinMs: 1 }).done
    assert.deepEqual(sent, ['SIGTERM', 'KILL'])
  })

  test('sends nothing but KILL without a grace period', async () => {
    const { process, sent } = fakeProcess()
    await new Termination(process, { graceMs: 0, graceMinMs: 1000, preStop: async () => assert.fail('no time for a hook') }).done
    assert.deepEqual(sent, ['KILL'])
  })

  test('is hastened by a shorter grace period, never put off by a longer one', async () => {
    const { process } = fakeProcess()
    const termination = new Termination(process, { graceMs: 60_000, graceMinMs: 1 })
    termination.hasten(10)
    termination.hasten(60_000)
    await termination.done
  })

  test('runs the hook first, and leaves time for TERM when it took all', async () => {
    const { process, sent, end } = fakeProcess()
    const preStop = async (signal: AbortSignal) => {
      await new Promise(resolve => signal.addEventListener('abort', resolve))
      sent.push('hook')
      setTimeout(end, 20)
    }
    await new Termination(process, { graceMs: 10, graceMinMs: 60_000, preStop }).done
    assert.deepEqual(sent, ['hook', 'SIGTERM', 'KILL'])
  })

  test('ends the hook when the container ends by itself', async () => {
    const { process, end } = fakeProcess()
    const preStop = async (signal: AbortSignal) => {
      end()
      await new Promise(resolve => signal.addEventListener('abort', resolve))
    }
    await new Termination(process, { graceMs: 60_000, graceMinMs: 60_000, preStop }).done
  })
})

/** A process that ends when it is killed, or by `end()`. */
function fakeProcess() {
  const sent: string[] = []
  const exited = Promise.withResolvers<unknown>()
  const process = {
    exited: exited.promise,
    signal: (signal: string) => sent.push(signal),
    kill: () => {
      sent.push('KILL')
      exited.resolve(undefined)
    },
  } as unknown as ContainerProcess
  return { process, sent, end: () => exited.resolve(undefined) }
}
