import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { LogLine } from './log-line.ts'
import { LogMemory } from './log-memory.ts'

const line = (second: number, text = `line ${second}`, pod = 'shop-web-1'): LogLine => ({
  ...{ app: 'shop', source: 'app', text, pod },
  ts: `2026-11-22T18:00:${String(second).padStart(2, '0')}.000000000Z`,
})

suite('LogMemory', () => {
  const show = (memory: LogMemory, lines: readonly LogLine[]) => lines.filter(one => memory.isNew(one)).map(({ text }) => text)

  test('shows all before a cut, lines that are alike too', () => {
    const memory = new LogMemory(10)
    assert.deepEqual(show(memory, [line(1), line(1), line(2)]), ['line 1', 'line 1', 'line 2'])
  })

  test('shows after a cut only what was missed', () => {
    const memory = new LogMemory(10)
    show(memory, [line(1), line(2), line(3)])
    memory.resume()
    assert.deepEqual(show(memory, [line(1), line(2), line(3), line(4), line(5)]), ['line 4', 'line 5'])
  })

  test('shows a late line of another pod that stands before shown ones', () => {
    const memory = new LogMemory(10)
    show(memory, [line(1), line(3)])
    memory.resume()
    assert.deepEqual(show(memory, [line(1), line(2, 'late', 'shop-web-2'), line(3)]), ['late'])
  })

  test('counts lines that are alike in everything', () => {
    const memory = new LogMemory(10)
    show(memory, [line(1, 'same'), line(1, 'same')])
    memory.resume()
    assert.deepEqual(show(memory, [line(1, 'same'), line(1, 'same'), line(1, 'same')]), ['same'])
  })

  test('does not show what was older than the first line', () => {
    const memory = new LogMemory(10)
    show(memory, [line(5)])
    memory.resume()
    assert.deepEqual(show(memory, [line(3), line(4), line(5), line(6)]), ['line 6'])
  })

  test('goes on over several cuts', () => {
    const memory = new LogMemory(10)
    show(memory, [line(1)])
    memory.resume()
    show(memory, [line(1), line(2)])
    memory.resume()
    assert.deepEqual(show(memory, [line(1), line(2), line(3)]), ['line 3'])
  })

  test('shows everything when nothing was shown before', () => {
    const memory = new LogMemory(10)
    memory.resume()
    assert.deepEqual(show(memory, [line(1)]), ['line 1'])
  })

  test('remembers as many as it was told, however many come', () => {
    const memory = new LogMemory(10)
    const lines = Array.from({ length: 59 }, (_, second) => line(second))
    show(memory, lines)
    memory.resume()
    assert.deepEqual(show(memory, [...lines.slice(-10), line(59)]), ['line 59'])
  })
})
