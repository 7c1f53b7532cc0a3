import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { readProxyHeader } from './proxy-protocol.ts'

const V2 = '\r\n\r\n\0\r\nQUIT\n'
const TCP4 = `${V2}\x21\x11\0\x0c\xcb\0\x71\x09\x7f\0\0\x01\x12\x34\0\x50`

suite('readProxyHeader() reads', () => {
  for (const [text, expected] of [
    ['PROXY TCP4 203.0.113.9 127.0.0.1 4660 80\r\n', { bytes: 42, address: '203.0.113.9', port: 4660 }],
    ['PROXY TCP6 2001:db8::7 ::1 1 65535\r\n', { bytes: 36, address: '2001:db8::7', port: 1 }],
    ['PROXY TCP6 ::ffff:203.0.113.9 ::1 1 2\r\n', { bytes: 39, address: '203.0.113.9', port: 1 }],
    ['PROXY UNKNOWN\r\n', { bytes: 15 }],
    ['PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n', { bytes: 59 }],
    [TCP4, { bytes: 28, address: '203.0.113.9', port: 0x1234 }],
    [
      `${V2}\x21\x21\0\x24\x20\x01\x0d\xb8${'\0'.repeat(11)}\x07${'\0'.repeat(16)}\0\x07\0\x50`,
      { bytes: 52, address: '2001:db8::7', port: 7 },
    ],
    [`${V2}\x20\0\0\0`, { bytes: 16 }],
    [`${V2}\x20\x11\0\x0c${'\x01'.repeat(12)}`, { bytes: 28 }],
    [`${V2}\x21\x11\0\x13\xcb\0\x71\x09\x7f\0\0\x01\x12\x34\0\x50\x03\0\x04abcd`, { bytes: 35, address: '203.0.113.9', port: 0x1234 }],
  ] as const) {
    test(`${JSON.stringify(text.slice(0, 40))}, and waits while it is not whole`, () => {
      const bytes = Buffer.from(text, 'latin1')
      assert.deepEqual(readProxyHeader(Buffer.concat([bytes, Buffer.from('GET /')])), expected)
      for (let length = 0; length < bytes.length; length++)
        assert.equal(readProxyHeader(bytes.subarray(0, length)), undefined, `${length} bytes`)
    })
  }
})

suite('readProxyHeader() refuses', () => {
  for (const text of [
    'GET / HTTP/1.1\r\n',
    'proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n',
    'PROXY TCP4 010.2.3.4 5.6.7.8 1 2\r\n',
    'PROXY TCP4 ::1 ::1 1 2\r\n',
    'PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n',
    'PROXY TCP4 1.2.3.400 5.6.7.8 1 2\r\n',
    'PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n',
    'PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n',
    `PROXY TCP4 ${'1'.repeat(110)}`,
    `${V2}\x31\x11\0\x0c${'\x01'.repeat(12)}`,
    `${V2}\x22\x11\0\x0c${'\x01'.repeat(12)}`,
    `${V2}\x21\x11\0\x0b${'\x01'.repeat(12)}`,
    `${V2}\x21\x21\0\x0c${'\x01'.repeat(12)}`,
    `${V2}\x21\x31\0\x0c${'\x01'.repeat(12)}`,
    `${V2}\x21\x11\xff\xff`,
    '\r\n\r\n\0\r\nQUIX',
    '\x16\x03\x01',
  ]) {
    test(JSON.stringify(text.slice(0, 45)), () => assert.equal(readProxyHeader(Buffer.from(text, 'latin1')), false))
  }
})
