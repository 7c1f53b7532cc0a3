import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createLog } from './log.ts'

suite('createLog()', () => {
  const written = (level?: 'debug' | 'info' | 'warn' | 'error') => {
    const lines: string[] = []
    const log = createLog({ role: 'router', write: line => lines.push(line), ...(level ? { level } : {}) })
    return { log, lines: () => lines.map(line => JSON.parse(line) as Record<string, unknown>), raw: lines }
  }

  test('writes one JSON line an event with its role, level and fields', () => {
    const { log, lines, raw } = written()
    log.info('endpoint failed', { app: 'shop', failures: 3 })
    const [line] = lines()
    assert.equal(raw[0]?.indexOf('\n'), raw[0]!.length - 1)
    assert.match(String(line?.['time']), /^\d{4}-.*Z$/)
    assert.deepEqual({ ...line, time: 0 }, { time: 0, level: 'info', role: 'router', msg: 'endpoint failed', app: 'shop', failures: 3 })
  })

  test('leaves out what is below its level', () => {
    const { log, raw } = written('warn')
    log.debug('a')
    log.info('b')
    log.warn('c')
    assert.equal(raw.length, 1)
  })

  test('gives its fields to every line of a child', () => {
    const { log, lines } = written()
    log.child({ app: 'shop' }).warn('slow', { ms: 5 })
    assert.deepEqual([lines()[0]?.['app'], lines()[0]?.['ms']], ['shop', 5])
  })

  test('writes errors with their code and causes', () => {
    const { log, lines } = written()
    log.error('failed', { error: Object.assign(new Error('outer', { cause: new Error('inner') }), { code: 'E1' }) })
    const error = lines()[0]?.['error'] as { message: string; code: string; cause: { message: string } }
    assert.deepEqual([error.message, error.code, error.cause.message], ['outer', 'E1', 'inner'])
  })

  test('survives fields that JSON cannot hold', () => {
    const { log, lines } = written()
    const loop: Record<string, unknown> = { big: 1n }
    loop['self'] = loop
    log.info('odd', { loop })
    log.info('big', { big: 2n })
    assert.deepEqual([lines()[0]?.['msg'], lines()[1]?.['big']], ['odd', '2'])
  })
})
