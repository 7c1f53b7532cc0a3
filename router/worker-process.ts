import { createLog } from '../kernel/log.ts'
import { collectGarbage } from '../kernel/memory.ts'
import type { FromWorker, ToWorker } from './messages.ts'
import { DeltaQueue } from './table/delta-queue.ts'
import { type ListenSocket, Worker } from './worker.ts'

/**
 * A worker as a process of its own, under `router/fleet.ts`: it takes the table over IPC and says what it did. It ends with its parent,
 * and leaves signals to it: a Ctrl-C reaches the whole group.
 */
let log = createLog({ role: 'router' })
let worker: Worker | undefined
let sockets: readonly ListenSocket[] = []
/** Many of a burst arrive in one turn, and requests must not wait for all of them. */
const changes = new DeltaQueue()
/** Whether all parts of the table have come. */
let isWhole = false

process.on('SIGINT', () => {})
process.on('SIGTERM', () => {})
// To the whole group, as some log rotations send it; Node would else start its inspector.
process.on('SIGUSR1', () => void worker?.reopenLog())
process.on('SIGHUP', () => {})
process.on('disconnect', () => process.exit(0))
process.on('uncaughtException', error => {
  log.error('uncaught exception', { error })
  process.exit(70)
})
process.on('message', (message: ToWorker) => {
  receive(message).catch(error => {
    log.error('message failed', { type: message.type, error })
    process.exit(70)
  })
})

async function receive(message: ToWorker): Promise<unknown> {
  switch (message.type) {
    case 'start':
      log = log.child({ worker: message.index })
      return start(message)
    case 'table':
      if (isWhole) changes.add(message.delta)
      else worker?.apply(message.delta)
      return message.isAsked && answer({ type: 'applied', version: message.delta.version })
    case 'listen':
      return listen()
    case 'tls':
      return worker?.takeTlsSecrets(message.secrets)
    case 'deny':
      return worker?.deny(message.names)
    case 'stats':
      return worker && answer({ type: 'stats', stats: worker.stats() })
    case 'ask':
      return worker && answer({ type: 'answer', id: message.id, answer: worker.answer(message.question) })
    case 'reopen':
      return worker?.reopenLog()
    case 'drain':
      await worker?.drain(message.deadlineMs)
      if (worker) answer({ type: 'stats', stats: worker.stats() })
      answer({ type: 'drained' })
      process.disconnect?.()
  }
}

function start({ index, options, sockets: inherited, table }: Extract<ToWorker, { type: 'start' }>): void {
  worker = new Worker(table, options, log, index, name => answer({ type: 'wanted', name }))
  sockets = inherited
}

async function listen(): Promise<void> {
  isWhole = true
  changes.open(delta => worker!.apply(delta))
  await collectGarbage()
  try {
    answer({ type: 'listening', ports: await worker!.listen(sockets) })
  } catch (error) {
    answer({ type: 'failed', message: (error as Error).message })
  }
}

function answer(message: FromWorker): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => {})
}
