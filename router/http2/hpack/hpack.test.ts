import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { HpackDecoder } from './decoder.ts'
import { HpackEncoder } from './encoder.ts'
import { decodeHuffman, encodeHuffman, huffmanLength } from './huffman.ts'
import { DynamicTable } from './table.ts'

const OCTETS = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join('')

suite('Huffman coding (RFC 7541 appendix B)', () => {
  const coded = (text: string) => {
    const out = Buffer.alloc(huffmanLength(text))
    assert.equal(encodeHuffman(text, out, 0), out.length)
    return out
  }

  const examples: readonly (readonly [string, string])[] = [
    ['www.example.com', 'f1e3c2e5f23a6ba0ab90f4ff'],
    ['no-cache', 'a8eb10649cbf'],
    ['custom-key', '25a849e95ba97d7f'],
    ['Mon, 21 Oct 2013 20:13:21 GMT', 'd07abe941054d444a8200595040b8166e082a62d1bff'],
    [
      'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
      '94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
    ],
  ]
  for (const [text, hex] of examples) {
    test(`of «${text}» is that of appendix C`, () => {
      assert.equal(coded(text).toString('hex'), hex)
      assert.equal(decodeHuffman(Buffer.from(hex, 'hex'), 0, hex.length / 2), text)
    })
  }

  test('gives back every octet, in every place', () => {
    for (let start = 0; start < 256; start++) {
      const text = OCTETS.slice(start) + OCTETS.slice(0, start)
      const bytes = coded(text)
      assert.equal(decodeHuffman(bytes, 0, bytes.length), text)
    }
  })

  test('refuses EOS and padding that is not the beginning of EOS', () => {
    for (const hex of ['ffffffff', '18', '1fff', 'f1e3c2e5f23a6ba0ab90f4fe'])
      assert.equal(decodeHuffman(Buffer.from(hex, 'hex'), 0, hex.length / 2), undefined)
  })
})

suite('HpackDecoder', () => {
  const decode = (decoder: HpackDecoder, hex: string) => {
    const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex')
    const fields: string[] = []
    const ok = decoder.decode(bytes, 0, bytes.length, { field: ({ name, value }) => void fields.push(`${name}: ${value}`) })
    return ok ? fields : undefined
  }

  test('reads the three requests of appendix C.4', () => {
    const decoder = new HpackDecoder()
    assert.deepEqual(decode(decoder, '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff'), [
      ':method: GET',
      ':scheme: http',
      ':path: /',
      ':authority: www.example.com',
    ])
    assert.deepEqual(decode(decoder, '8286 84be 5886 a8eb 1064 9cbf')?.slice(3), [':authority: www.example.com', 'cache-control: no-cache'])
    assert.deepEqual(decode(decoder, '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf'), [
      ...[':method: GET', ':scheme: https', ':path: /index.html', ':authority: www.example.com', 'custom-key: custom-value'],
    ])
  })

  test('takes back what the table has forgotten: an index that was evicted cannot be read', () => {
    const decoder = new HpackDecoder()
    assert.ok(decode(decoder, '4001 6101 62'))
    assert.deepEqual(decode(decoder, 'be'), ['a: b'])
    // 0x20: the size of the table is 0 from here on.
    assert.deepEqual(decode(decoder, '20'), [])
    assert.equal(decode(decoder, 'be'), undefined)
  })
})

suite('HpackEncoder', () => {
  const read = (decoder: HpackDecoder, bytes: Buffer) => {
    const fields: string[] = []
    assert.ok(decoder.decode(bytes, 0, bytes.length, { field: ({ name, value }) => void fields.push(`${name}: ${value}`) }))
    return fields
  }
  const write = (encoder: HpackEncoder, status: number, fields: string, length = -1, own = '') => {
    const out = Buffer.alloc(HpackEncoder.room(fields.length + own.length))
    return Buffer.from(out.subarray(0, encoder.encode(out, 0, status, fields, length, own)))
  }

  test('is understood by a decoder over thousands of blocks, tables in step, sizes changing between', () => {
    const encoder = new HpackEncoder()
    const decoder = new HpackDecoder()
    let seed = 7
    const next = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
      return seed % below
    }
    const names = [
      'Content-Type',
      'server',
      'X-Thing',
      'Set-Cookie',
      'ETag',
      'date',
      'x-y',
      ...Array.from({ length: 100 }, (_, index) => `x-name-${index}`),
    ]
    for (let block = 0; block < 3000; block++) {
      if (next(50) === 0) encoder.tableBytesMax = [0, 100, 1000, 4096, 2 ** 31][next(5)] as number
      if (next(100) === 0) encoder.tableBytesMax = [0, 4096][next(2)] as number
      const lines = Array.from({ length: next(12) }, () => {
        const value = OCTETS.slice(33, 33 + next(90)) + String(next(20))
        return [names[next(names.length)] as string, value] as const
      })
      const status = [200, 204, 404, 418, 503][next(5)] as number
      const bytes = write(encoder, status, lines.map(([name, value]) => `${name}: ${value}\r\n`).join(''), next(3) - 1)
      const [first, ...rest] = read(decoder, bytes)
      assert.equal(first, `:status: ${status}`)
      assert.deepEqual(
        rest.filter(line => !line.startsWith('content-length')),
        lines.map(([name, value]) => `${name.toLowerCase()}: ${value}`),
      )
    }
  })

  test('is understood where lists of lines repeat, and others come between, sizes changing', () => {
    const encoder = new HpackEncoder()
    const decoder = new HpackDecoder()
    const lists = Array.from({ length: 6 }, (_, index) => `X-List: ${'l'.repeat(index)}\r\nX-Other: ${index}\r\nSet-Cookie: a=1\r\n`)
    let other = 0
    for (let block = 0; block < 2000; block++) {
      if (block % 97 === 0) encoder.tableBytesMax = [4096, 150, 0, 60, 4096, 100][(block / 97) % 6] as number
      const rest = block % 11 === 0 ? `X-New-${other++ % 40}: ${'n'.repeat(other % 150)}\r\n` : ''
      const fields = (block % 7 === 0 ? '' : lists[(block >> 2) % 6]) + rest
      const own = block % 3 === 0 ? '' : `X-Request-Id: ${block}\r\nX-Correlation-Id: c,${block}\r\n`
      const expected = [...`${fields}${own}`.matchAll(/(.*?): (.*)\r\n/g)].map(([, name, value]) => `${name?.toLowerCase()}: ${value}`)
      assert.deepEqual(read(decoder, write(encoder, 200, fields, -1, own)).slice(1), expected)
    }
  })

  test('makes an octet of a line that it has written before, and never of a cookie', () => {
    const encoder = new HpackEncoder()
    const lines = 'Content-Type: text/html\r\nServer: app\r\nSet-Cookie: a=1\r\n'
    const first = write(encoder, 200, lines)
    const second = write(encoder, 200, lines)
    assert.ok(first.length > second.length)
    // Three indices; then the name's index in two octets, a length and the value.
    assert.equal(second.length, 3 + 2 + 1 + 'a=1'.length)
    // 0x1f 0x28: a literal that is never indexed, its name the static 55.
    assert.ok(second.includes(Buffer.from([0x1f, 0x28])))
  })

  test('writes no blanks around a value, of no line', () => {
    const decoder = new HpackDecoder()
    const encoder = new HpackEncoder()
    for (const name of ['X-Request-Id', 'X-Correlation-Id', 'x-request-id', 'X-Other']) {
      for (const value of ['', ' ', 'a', ' a', 'a ', '\ta b\t ']) {
        const line = `${name}: ${value}\r\n`
        for (const [fields, own] of [
          [line, ''],
          ['', line],
          ['', `X-Request-Id: 1\r\n${line}`],
        ]) {
          assert.equal(read(decoder, write(encoder, 200, fields as string, -1, own)).at(-1), `${name.toLowerCase()}: ${value.trim()}`)
        }
      }
    }
  })

  test('leaves names alone whose values keep changing', () => {
    const encoder = new HpackEncoder()
    for (let value = 0; value < 20; value++) write(encoder, 200, `X-Changes: ${value}\r\n`)
    // 0x00: a literal without indexing.
    assert.equal(write(encoder, 200, 'X-Changes: 99\r\n')[1], 0)
  })
})

suite('DynamicTable', () => {
  test('counts as the RFC does, forgets the oldest, and is emptied by what is larger than it', () => {
    const gone: number[] = []
    const table = new DynamicTable<{ size: number; id: number }>(100, ({ id }) => gone.push(id))
    for (let id = 0; id < 5; id++) table.add({ size: 40, id })
    assert.deepEqual([table.count, table.size, table.at(0)?.id, table.at(1)?.id, table.at(2)], [2, 80, 4, 3, undefined])
    assert.equal(table.add({ size: 101, id: 9 }), false)
    assert.deepEqual([table.count, table.size, gone], [0, 0, [0, 1, 2, 3, 4]])
  })
})
