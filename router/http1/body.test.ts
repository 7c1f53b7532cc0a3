import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { BodyReader, CHUNKED, UNTIL_CLOSE } from './body.ts'

const CHUNKED_MESSAGES: Record<string, [string, string]> = {
  'one chunk': ['5\r\nhello\r\n0\r\n\r\n', 'hello'],
  'several chunks, sizes in both cases and with leading zeros': [
    '1\r\na\r\n00B\r\nbcdefghijkl\r\na\r\nmnopqrstuv\r\n0\r\n\r\n',
    'abcdefghijklmnopqrstuv',
  ],
  'line ends and digits as data': ['6\r\n\r\n0\r\n\r\r\n3\r\n\n\r\n\r\n0\r\n\r\n', '\r\n0\r\n\r\n\r\n'],
  extensions: ['2;a=b;c="d e"\r\nhi\r\n0;last\r\n\r\n', 'hi'],
  trailers: ['2\r\nhi\r\n0\r\nA: b\r\nX-Sum: c d\r\n\r\n', 'hi'],
  'nothing at all': ['0\r\n\r\n', ''],
  'zeros as the last size': ['1\r\nx\r\n0000\r\n\r\n', 'x'],
}

suite('BodyReader reads chunked bodies', () => {
  for (const [name, [message, payload]] of Object.entries(CHUNKED_MESSAGES)) {
    test(`${name}, cut at every place and at every two places`, () => {
      const bytes = Buffer.from(`${message}NEXT`, 'latin1')
      for (let first = 0; first <= bytes.length; first++) {
        for (let second = first; second <= bytes.length; second++) {
          assert.deepEqual(read(CHUNKED, [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)]), {
            payload,
            rest: 'NEXT',
            done: true,
          })
        }
      }
    })
    test(`${name}, byte by byte`, () => {
      const bytes = Buffer.from(`${message}NEXT`, 'latin1')
      const pieces = Array.from(bytes, (_, index) => bytes.subarray(index, index + 1))
      assert.deepEqual(read(CHUNKED, pieces), { payload, rest: 'NEXT', done: true })
    })
    test(`${name}, cut short: never done`, () => {
      const bytes = Buffer.from(message, 'latin1')
      for (let length = 0; length < bytes.length; length++) assert.equal(read(CHUNKED, [bytes.subarray(0, length)])?.done, false)
    })
  }

  test('random bodies in random chunks and random pieces', () => {
    const random = generator(7)
    for (let round = 0; round < 300; round++) {
      const payload = Array.from({ length: random(400) }, () => String.fromCharCode(random(256))).join('')
      let message = ''
      for (let at = 0; at < payload.length; ) {
        const size = 1 + random(60)
        const chunk = payload.slice(at, at + size)
        message += `${chunk.length.toString(16)}${random(4) === 0 ? ';e' : ''}\r\n${chunk}\r\n`
        at += size
      }
      const bytes = Buffer.from(`${message}0\r\n${random(3) === 0 ? 'T: u\r\n' : ''}\r\nrest`, 'latin1')
      const pieces: Buffer[] = []
      for (let at = 0; at < bytes.length; ) {
        const size = 1 + random(30)
        pieces.push(bytes.subarray(at, at + size))
        at += size
      }
      assert.deepEqual(read(CHUNKED, pieces), { payload, rest: 'rest', done: true })
    }
  })
})

suite('BodyReader refuses', () => {
  for (const message of [
    '0x5\r\nhello\r\n',
    '+5\r\nhello\r\n',
    '-5\r\nhello\r\n',
    '5_0\r\n',
    'g\r\n',
    '\r\n',
    ' 5\r\nhello\r\n',
    '5 \r\nhello\r\n',
    '5\t\r\n',
    '5 ;a\r\n',
    '10000000000000000\r\n',
    '00000000000000005\r\nhello\r\n',
    '20000000000000\r\n',
    'ffffffffffffffff\r\n',
    '10000000000000005\r\n',
    '5\nhello\r\n',
    '5\r\nhello\n',
    '5\rXhello\r\n',
    '5\r\nhelloXX0\r\n\r\n',
    '5\r\nhello!\r\n',
    '5\r\nhello\rX',
    '5;a\nb\r\nhello\r\n',
    '5;a\rb\r\nhello\r\n',
    '5;\0\r\nhello\r\n',
    '5;e:=f\r\nhello\r\n',
    '5;\r\nhello\r\n',
    '5;=a\r\nhello\r\n',
    '5;a="b\r\nhello\r\n',
    '5; a\r\nhello\r\n',
    '0\r\nContent-Length: 5\r\n\r\n',
    '0\r\nA: b\r\ntransfer-encoding: chunked\r\n\r\n',
    '0\r\nHost: evil\r\n\r\n',
    '5;a\x7f\r\nhello\r\n',
    '0\r\n:\r\n\r\n',
    '0\r\nA\r\n\r\n',
    '0\r\n A: b\r\n\r\n',
    '0\r\nA : b\r\n\r\n',
    '0\r\nA: b\nC: d\r\n\r\n',
    '0\r\nA: b\r\n c\r\n\r\n',
    '0\r\nA: \0\r\n\r\n',
  ]) {
    test(JSON.stringify(message), () => {
      assert.equal(read(CHUNKED, [Buffer.from(message, 'latin1')]), undefined)
      // And the same byte by byte.
      const bytes = Buffer.from(message, 'latin1')
      assert.equal(
        read(
          CHUNKED,
          Array.from(bytes, (_, index) => bytes.subarray(index, index + 1)),
        ),
        undefined,
      )
    })
  }
  test('an extension of 20 kB, and 20 kB of extensions', () => {
    assert.equal(read(CHUNKED, [Buffer.from(`1;${'a'.repeat(20_000)}\r\nx\r\n0\r\n\r\n`)]), undefined)
    assert.equal(read(CHUNKED, [Buffer.from(`${`1;${'a'.repeat(1000)}\r\nx\r\n`.repeat(20)}0\r\n\r\n`)]), undefined)
  })
  test('a trailer of 9 kB', () => {
    assert.equal(read(CHUNKED, [Buffer.from(`0\r\nA: ${'b'.repeat(9000)}\r\n\r\n`)]), undefined)
    assert.equal(read(CHUNKED, [Buffer.from(`0\r\n${'a'.repeat(9000)}`)]), undefined)
  })
  test('a trailer of 101 fields', () => {
    assert.equal(read(CHUNKED, [Buffer.from(`0\r\n${'a:\r\n'.repeat(101)}\r\n`)]), undefined)
    assert.equal(read(CHUNKED, [Buffer.from(`0\r\n${'a:\r\n'.repeat(100)}\r\n`)])?.done, true)
  })
})

suite('BodyReader reads other bodies', () => {
  test('of a stated length, leaving what follows', () => {
    assert.deepEqual(read(5, [Buffer.from('he'), Buffer.from('lloNEXT')]), { payload: 'hello', rest: 'NEXT', done: true })
    assert.deepEqual(read(5, [Buffer.from('hell')]), { payload: 'hell', rest: '', done: false })
    assert.deepEqual(read(0, [Buffer.from('NEXT')]), { payload: '', rest: 'NEXT', done: true })
  })
  test('until the connection closes', () =>
    assert.deepEqual(read(UNTIL_CLOSE, [Buffer.from('a'), Buffer.from('b')]), { payload: 'ab', rest: '', done: false }))
  test('one after the other with one reader', () => {
    const reader = new BodyReader()
    for (let round = 0; round < 3; round++) {
      reader.start(CHUNKED)
      const bytes = Buffer.from('2;x\r\nhi\r\n0\r\nA: b\r\n\r\n')
      assert.equal(reader.read(bytes, 0, bytes.length, { payload: () => {} }), bytes.length)
      assert.equal(reader.done, true)
      assert.equal(reader.bytesRead, 2)
    }
  })
})

function read(length: number, pieces: Buffer[]): { payload: string; rest: string; done: boolean } | undefined {
  const reader = new BodyReader()
  reader.start(length)
  let payload = ''
  let rest = ''
  for (const piece of pieces) {
    const sink = { payload: (bytes: Buffer, start: number, end: number) => void (payload += bytes.toString('latin1', start, end)) }
    const stop = reader.read(piece, 0, piece.length, sink)
    if (stop < 0) return undefined
    rest += piece.toString('latin1', stop)
  }
  return { payload, rest, done: reader.done }
}

/** Random numbers that are the same in every run. */
function generator(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}
