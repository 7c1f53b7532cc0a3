import assert from 'node:assert/strict'
import { appendFileSync, readFileSync, statSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { LogFile, listSegments } from './log-file.ts'
import { type LogQuery, readLog } from './log-reader.ts'
import { encodeRecords, LogClock, normaliseTime, parseRecord } from './log-records.ts'

const never = new AbortController().signal

suite('container log', () => {
  let dir: string
  let count = 0
  before(async () => (dir = await mkdtemp(join(tmpdir(), 'drycc-log-'))))
  after(() => rm(dir, { recursive: true, force: true }))
  const fresh = () => join(dir, `c${count++}`, '0.log')
  const read = async (path: string, query: LogQuery = {}, live?: LogFile) =>
    Buffer.concat(await Array.fromAsync(readLog(path, live, query, never)))

  test('gives back the bytes that were written, binary ones too', async () => {
    const path = fresh()
    const log = new LogFile(path)
    const bytes = Buffer.from(Array.from({ length: 3000 }, (_, i) => (i * 7) % 256))
    for (let at = 0; at < bytes.length; at += 13) log.append('stdout', bytes.subarray(at, at + 13))
    log.close()
    assert.deepEqual(await read(path), bytes)
  })

  test('writes records of the CRI format', () => {
    const path = fresh()
    const log = new LogFile(path)
    log.append('stderr', Buffer.from('whole\nopen'))
    log.append('stderr', Buffer.from('\n'))
    log.close()
    const time = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z`
    assert.match(readFileSync(path, 'utf8'), new RegExp(`^${time} stderr F whole\n${time} stderr P open\n${time} stderr F \n$`))
  })

  test('splits a huge line and reads it back as one', async () => {
    const path = fresh()
    const log = new LogFile(path)
    const line = Buffer.alloc(300_000, 'x')
    log.append('stdout', Buffer.concat([line, Buffer.from('\nnext\n')]))
    log.close()
    assert.ok(
      readFileSync(path, 'latin1')
        .split('\n')
        .every(record => record.length < 17_000),
    )
    assert.equal((await read(path)).toString(), `${line}\nnext\n`)
    assert.equal((await read(path, { tailLines: 2 })).length, 300_006)
    assert.equal((await read(path, { timestamps: true })).toString().match(/Z /g)?.length, 2)
  })

  test('never mixes open lines of the two streams', async () => {
    const path = fresh()
    const log = new LogFile(path)
    log.append('stdout', Buffer.from('out '))
    log.append('stderr', Buffer.from('err '))
    log.append('stdout', Buffer.from('line\n'))
    log.append('stderr', Buffer.from('line\n'))
    log.close()
    assert.equal((await read(path)).toString(), 'out line\nerr line\n')
  })

  test('gives the last lines, also out of full files', async () => {
    const path = fresh()
    const log = new LogFile(path, { fileBytesMax: 1000, filesMax: 3 })
    for (let i = 0; i < 60; i++) log.append('stdout', Buffer.from(`line ${i}\n`))
    assert.deepEqual(listSegments(path).length, 2)
    for (const tailLines of [0, 1, 5, 25, 35, 500]) {
      const lines = (await read(path, { tailLines }, log)).toString().split('\n').slice(0, -1)
      const all = (await read(path, {}, log)).toString().split('\n').slice(0, -1)
      assert.deepEqual(lines, tailLines === 0 ? [] : all.slice(-tailLines))
      assert.equal(all.at(-1), 'line 59')
    }
    log.close()
    assert.equal((await read(path, { tailLines: 25 })).toString().split('\n').length, 26)
  })

  test('finds the last lines of a long file without a line end close by', async () => {
    const path = fresh()
    const log = new LogFile(path)
    log.append('stdout', Buffer.from(`first\n${'y'.repeat(200_000)}\nlast\n`))
    log.close()
    assert.equal((await read(path, { tailLines: 1 })).toString(), 'last\n')
    assert.equal((await read(path, { tailLines: 2 })).length, 200_006)
    assert.equal((await read(path, { tailLines: 3 })).length, 200_012)
  })

  test('gives what was written since a time, and no more than the limit', async () => {
    const path = fresh()
    const log = new LogFile(path)
    log.append('stdout', Buffer.from('one\ntwo\nthree\n'))
    log.close()
    const second = readFileSync(path, 'utf8').split('\n')[1]!.split(' ')[0]!
    assert.equal((await read(path, { since: second })).toString(), 'two\nthree\n')
    assert.equal((await read(path, { since: second, tailLines: 1 })).toString(), 'three\n')
    assert.equal((await read(path, { limitBytes: 5 })).toString(), 'one\nt')
  })

  test('follows through rotation until the end, losing and doubling nothing', async () => {
    const path = fresh()
    const log = new LogFile(path, { fileBytesMax: 2000, filesMax: 100 })
    const reading = read(path, { follow: true }, log)
    let expected = ''
    for (let i = 0; i < 500; i++) {
      log.append('stdout', Buffer.from(`line ${i}\n`))
      expected += `line ${i}\n`
      if (i % 20 === 0) await new Promise(resolve => setImmediate(resolve))
    }
    log.append('stdout', Buffer.from('no end'))
    log.close()
    assert.equal((await reading).toString(), `${expected}no end`)
  })

  test('lets a follower stop that waits', async () => {
    const path = fresh()
    const log = new LogFile(path)
    const stop = new AbortController()
    const reader = readLog(path, log, { follow: true }, stop.signal)
    log.append('stdout', Buffer.from('here\n'))
    assert.equal((await reader.next()).value?.toString(), 'here\n')
    const waiting = reader.next()
    stop.abort()
    assert.equal((await waiting).done, true)
    log.close()
  })

  test('keeps a bounded number of files of a bounded size', () => {
    const path = fresh()
    const log = new LogFile(path, { fileBytesMax: 1000, filesMax: 3 })
    for (let i = 0; i < 1000; i++) log.append('stdout', Buffer.from(`line ${i}\n`))
    log.close()
    assert.equal(listSegments(path).length, 2)
    assert.ok(statSync(path).size <= 1000)
  })

  test('goes on after a crash, without the torn record', async () => {
    const path = fresh()
    const first = new LogFile(path)
    first.append('stdout', Buffer.from('before\n'))
    first.close()
    appendFileSync(path, '2026-01-01T00:00:00.000000000Z stdo')
    const second = new LogFile(path)
    second.append('stdout', Buffer.from('after\n'))
    second.close()
    assert.equal((await read(path)).toString(), 'before\nafter\n')
  })
})

suite('LogClock', () => {
  test('never repeats a time nor goes back', () => {
    const clock = new LogClock()
    const times = Array.from({ length: 5000 }, () => clock.next())
    assert.deepEqual(times, [...new Set(times)].sort())
  })
})

suite('encodeRecords()', () => {
  test('makes records that parseRecord() reads', () => {
    const [line] = encodeRecords('stdout', Buffer.from(' a b \n'), new LogClock()).toString().split('\n')
    const record = parseRecord(Buffer.from(line!))
    assert.deepEqual([record?.stream, record?.isPartial, record?.text.toString()], ['stdout', false, ' a b '])
  })
  test('parseRecord() refuses other lines', () => {
    for (const line of ['', 'x', '2026-01-01T00:00:00.000000000Z stdin F x', '2026-01-01T00:00:00.000000000Z stdout'])
      assert.equal(parseRecord(Buffer.from(line)), undefined)
  })
})

suite('normaliseTime()', () => {
  test('brings offsets and fractions into one form', () => {
    assert.equal(normaliseTime('2026-01-02T03:04:05+02:00'), '2026-01-02T01:04:05.000000000Z')
    assert.equal(normaliseTime('2026-01-02T03:04:05.123456789Z'), '2026-01-02T03:04:05.123456789Z')
  })
  test('refuses other text', () => {
    for (const text of ['', 'yesterday', '2026-13-01T00:00:00Z', '2026-01-02']) assert.throws(() => normaliseTime(text), RangeError)
  })
})
