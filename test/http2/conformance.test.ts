import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { selfSigned } from '../../kernel/x509.ts'
import { CODE, FLAG, FRAME, PREFACE, read32, SETTING } from '../../router/http2/frames.ts'
import { type Bed, ok, startBed, startHttpApp, type TestApp } from '../../router/serve/testbed.ts'
import {
  block,
  data,
  frame,
  GET,
  headers,
  integer,
  POST,
  ping,
  RawHttp2,
  reset,
  settings,
  text,
  uint32,
  windowUpdate,
} from './raw-client.ts'

/** What a case must lead to. A stream error may be answered as a connection error too (RFC 9113 §5.4.2). */
type Outcome =
  | { readonly connection: readonly number[] }
  | { readonly stream: number; readonly code: readonly number[] }
  | { readonly stream: number; readonly status: number }
  | 'alive'

interface Case {
  readonly section: string
  readonly name: string
  readonly send: readonly Uint8Array[]
  /** Sent when this stream's answer is complete, or when it has begun. */
  readonly next?: { readonly after: number; readonly send: readonly Uint8Array[] }
  readonly outcome: Outcome
  /** In place of preface and SETTINGS. */
  readonly first?: Uint8Array
}

const END = FLAG.endHeaders | FLAG.endStream
const OPEN = FLAG.endHeaders
const with_ = (...more: (readonly [string, string])[]) => [...GET, ...more]
const without = (name: string) => GET.filter(([key]) => key !== name)
const replaced = (name: string, value: string) => GET.map(([key, old]) => [key, key === name ? value : old] as const)
const connectionError = (...codes: number[]) => ({ connection: codes })
const streamError = (stream: number, ...code: number[]) => ({ stream, code })
const status = (stream: number, code: number) => ({ stream, status: code })
const P = CODE.protocolError
const raw = (type: number, flags: number, stream: number, length: number) =>
  Buffer.from([length >> 16, length >> 8, length, type, flags, 0, 0, 0, stream].map(b => b & 255))

const CASES: readonly Case[] = [
  // 3.4 preface
  {
    section: '3.4',
    name: 'a preface of other bytes',
    first: Buffer.from('PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n'),
    send: [],
    outcome: connectionError(P),
  },
  {
    section: '3.4',
    name: 'an HTTP/1.1 request after ALPN h2',
    first: Buffer.from('GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n'),
    send: [],
    outcome: connectionError(P),
  },
  {
    section: '3.4',
    name: 'a first frame that is not SETTINGS',
    first: Buffer.concat([PREFACE, ping()]),
    send: [],
    outcome: connectionError(P),
  },
  {
    section: '3.4',
    name: 'HEADERS before SETTINGS',
    first: Buffer.concat([PREFACE, headers(1, GET)]),
    send: [],
    outcome: connectionError(P),
  },
  {
    section: '3.4',
    name: 'an acknowledgement as the first SETTINGS',
    first: Buffer.concat([PREFACE, frame(FRAME.settings, FLAG.ack, 0)]),
    send: [],
    outcome: connectionError(P),
  },
  // 4.1, 4.2 frames
  {
    section: '4.1',
    name: 'a frame of unknown type is ignored',
    send: [frame(0xbe, 0xff, 0, 'abc'), headers(1, GET)],
    outcome: status(1, 200),
  },
  {
    section: '4.1',
    name: 'flags without meaning are ignored',
    send: [frame(FRAME.headers, END | 0xc2, 1, block(GET))],
    outcome: status(1, 200),
  },
  { section: '4.1', name: 'the reserved bit of the stream id is ignored', send: [reservedBit(headers(1, GET))], outcome: status(1, 200) },
  {
    section: '4.2',
    name: 'a DATA frame over SETTINGS_MAX_FRAME_SIZE',
    send: [headers(1, POST, OPEN), data(1, Buffer.alloc(16_385))],
    outcome: connectionError(CODE.frameSizeError),
  },
  {
    section: '4.2',
    name: 'a HEADERS frame over SETTINGS_MAX_FRAME_SIZE',
    send: [raw(FRAME.headers, END, 1, 16_385)],
    outcome: connectionError(CODE.frameSizeError),
  },
  {
    section: '4.2',
    name: 'a frame of 16384 octets',
    send: [headers(1, POST, OPEN), data(1, Buffer.alloc(16_384), true)],
    outcome: status(1, 200),
  },
  {
    section: '4.2',
    name: 'an unknown frame that is too large',
    send: [raw(0x42, 0, 0, 16_385)],
    outcome: connectionError(CODE.frameSizeError),
  },
  // 4.3 field sections
  {
    section: '4.3',
    name: 'a block that no HPACK decoder can read',
    send: [frame(FRAME.headers, END, 1, Buffer.from([0x80]))],
    outcome: connectionError(CODE.compressionError),
  },
  {
    section: '4.3',
    name: 'a PRIORITY frame within a block',
    send: [frame(FRAME.headers, FLAG.endStream, 1, block(GET)), frame(FRAME.priority, 0, 1, Buffer.concat([uint32(0), Buffer.from([1])]))],
    outcome: connectionError(P),
  },
  {
    section: '4.3',
    name: 'HEADERS of another stream within a block',
    send: [frame(FRAME.headers, FLAG.endStream, 1, block(GET)), headers(3, GET)],
    outcome: connectionError(P),
  },
  {
    section: '4.3',
    name: 'a PING within a block',
    send: [frame(FRAME.headers, FLAG.endStream, 1, block(GET)), ping()],
    outcome: connectionError(P),
  },
  {
    section: '4.3',
    name: 'an unknown frame within a block',
    send: [frame(FRAME.headers, FLAG.endStream, 1, block(GET)), frame(0x42, 0, 1)],
    outcome: connectionError(P),
  },
  // 5.1 stream states
  { section: '5.1', name: 'idle: DATA', send: [data(1, 'x')], outcome: connectionError(P) },
  { section: '5.1', name: 'idle: RST_STREAM', send: [reset(1)], outcome: connectionError(P) },
  { section: '5.1', name: 'idle: WINDOW_UPDATE', send: [windowUpdate(1, 100)], outcome: connectionError(P) },
  {
    section: '5.1',
    name: 'idle: CONTINUATION',
    send: [frame(FRAME.continuation, FLAG.endHeaders, 1, block(GET))],
    outcome: connectionError(P),
  },
  { section: '5.1', name: 'half-closed (remote): DATA', send: [headers(1, GET), data(1, 'x')], outcome: streamError(1, CODE.streamClosed) },
  {
    section: '5.1',
    name: 'half-closed (remote): HEADERS',
    send: [headers(1, GET), headers(1, GET)],
    outcome: streamError(1, CODE.streamClosed),
  },
  {
    section: '5.1',
    name: 'half-closed (remote): CONTINUATION',
    send: [headers(1, GET), frame(FRAME.continuation, FLAG.endHeaders, 1, block(GET))],
    outcome: connectionError(P, CODE.streamClosed),
  },
  {
    section: '5.1',
    name: 'half-closed (remote): WINDOW_UPDATE, PRIORITY and RST_STREAM',
    send: [headers(1, replaced(':path', '/hang')), windowUpdate(1, 5), priority(1, 0), reset(1), headers(3, GET)],
    outcome: status(3, 200),
  },
  {
    section: '5.1',
    name: 'closed: DATA after the whole exchange',
    send: [headers(1, GET)],
    next: { after: 1, send: [data(1, 'x')] },
    outcome: streamError(1, CODE.streamClosed),
  },
  {
    section: '5.1',
    name: 'closed: HEADERS after the whole exchange',
    send: [headers(1, GET)],
    next: { after: 1, send: [headers(1, GET)] },
    outcome: streamError(1, CODE.streamClosed, P),
  },
  {
    section: '5.1',
    name: 'closed: WINDOW_UPDATE, PRIORITY and RST_STREAM after the whole exchange',
    send: [headers(1, GET)],
    next: { after: 1, send: [windowUpdate(1, 5), priority(1, 0), reset(1), headers(3, GET)] },
    outcome: status(3, 200),
  },
  {
    section: '5.1',
    name: 'closed by RST_STREAM: DATA',
    send: [headers(1, POST, OPEN), reset(1), data(1, 'x')],
    outcome: streamError(1, CODE.streamClosed),
  },
  {
    section: '5.1',
    name: 'closed by RST_STREAM: HEADERS',
    send: [headers(1, POST, OPEN), reset(1), headers(1, GET)],
    outcome: streamError(1, CODE.streamClosed),
  },
  {
    section: '5.1',
    name: 'reset by us: what was on its way is ignored',
    send: [headers(1, with_(['A', 'upper'])), data(1, 'late'), windowUpdate(1, 5), headers(3, GET)],
    outcome: status(3, 200),
  },
  { section: '5.1.1', name: 'a stream with an even number', send: [headers(2, GET)], outcome: connectionError(P) },
  {
    section: '5.1.1',
    name: 'a stream with a lower number than the last',
    send: [headers(5, GET), headers(3, GET)],
    outcome: connectionError(P),
  },
  {
    section: '5.1.1',
    name: 'a stream that was left out at the beginning',
    send: [headers(9, GET), headers(11, GET), headers(1, GET)],
    outcome: connectionError(P),
  },
  {
    section: '5.1.1',
    name: 'a stream beside those that were left out is closed',
    send: [headers(1, GET), headers(9, GET), headers(1, GET)],
    outcome: connectionError(CODE.streamClosed),
  },
  {
    section: '5.1',
    name: 'closed by RST_STREAM: CONTINUATION',
    send: [headers(1, POST, OPEN), reset(1), frame(FRAME.continuation, OPEN, 1, block([['a', 'b']]))],
    outcome: connectionError(P, CODE.streamClosed),
  },
  { section: '5.1.1', name: 'numbers may be left out', send: [headers(101, GET)], outcome: status(101, 200) },
  { section: '5.1.1', name: 'the highest number of all', send: [headers(2 ** 31 - 1, GET)], outcome: status(2 ** 31 - 1, 200) },
  { section: '5.1.1', name: 'HEADERS on stream 0', send: [headers(0, GET)], outcome: connectionError(P) },
  {
    section: '5.1.2',
    name: 'more streams than are allowed',
    send: [...Array.from({ length: 128 }, (_, index) => headers(index * 2 + 1, replaced(':path', '/hang'))), headers(257, GET)],
    outcome: streamError(257, CODE.refusedStream),
  },
  {
    section: '5.3.1',
    name: 'HEADERS that depend on themselves',
    send: [frame(FRAME.headers, END | FLAG.priority, 1, Buffer.concat([uint32(1), Buffer.from([1]), block(GET)]))],
    outcome: streamError(1, P),
  },
  { section: '5.3.1', name: 'PRIORITY that depends on itself', send: [priority(1, 1)], outcome: streamError(1, P) },
  {
    section: '5.3',
    name: 'HEADERS with a priority',
    send: [frame(FRAME.headers, END | FLAG.priority, 1, Buffer.concat([uint32(0x80000003), Buffer.from([200]), block(GET)]))],
    outcome: status(1, 200),
  },
  {
    section: '5.4.1',
    name: 'after an error of the connection nothing is served',
    send: [frame(FRAME.settings, 0, 1), headers(1, GET)],
    outcome: connectionError(P),
  },
  { section: '5.5', name: 'an unknown setting is ignored', send: [settings([0xff, 1]), headers(1, GET)], outcome: status(1, 200) },
  // 6.1 DATA
  { section: '6.1', name: 'DATA on stream 0', send: [data(0, 'x')], outcome: connectionError(P) },
  {
    section: '6.1',
    name: 'padding of the whole payload or more',
    send: [headers(1, POST, OPEN), frame(FRAME.data, FLAG.padded | FLAG.endStream, 1, Buffer.from([6, 1, 2, 3, 4, 5]))],
    outcome: connectionError(P),
  },
  {
    section: '6.1',
    name: 'a padded frame without the length of the padding',
    send: [headers(1, POST, OPEN), frame(FRAME.data, FLAG.padded, 1)],
    outcome: connectionError(CODE.frameSizeError, P),
  },
  {
    section: '6.1',
    name: 'padding is dropped',
    send: [headers(1, POST, OPEN), frame(FRAME.data, FLAG.padded | FLAG.endStream, 1, Buffer.from('\x03hello\0\0\0', 'latin1'))],
    outcome: status(1, 200),
  },
  {
    section: '6.1',
    name: 'padding only',
    send: [headers(1, POST, OPEN), frame(FRAME.data, FLAG.padded | FLAG.endStream, 1, Buffer.from([3, 0, 0, 0]))],
    outcome: status(1, 200),
  },
  // 6.2 HEADERS
  {
    section: '6.2',
    name: 'padding longer than the block',
    send: [frame(FRAME.headers, END | FLAG.padded, 1, Buffer.concat([Buffer.from([255]), block(GET)]))],
    outcome: connectionError(P),
  },
  {
    section: '6.2',
    name: 'padding of HEADERS is dropped',
    send: [frame(FRAME.headers, END | FLAG.padded, 1, Buffer.concat([Buffer.from([4]), block(GET), Buffer.alloc(4)]))],
    outcome: status(1, 200),
  },
  {
    section: '6.2',
    name: 'priority and padding together',
    send: [
      frame(
        FRAME.headers,
        END | FLAG.padded | FLAG.priority,
        1,
        Buffer.concat([Buffer.from([2]), uint32(0), Buffer.from([16]), block(GET), Buffer.alloc(2)]),
      ),
    ],
    outcome: status(1, 200),
  },
  {
    section: '6.2',
    name: 'too short for its priority',
    send: [frame(FRAME.headers, END | FLAG.priority, 1, Buffer.from([0, 0]))],
    outcome: connectionError(CODE.frameSizeError, P),
  },
  {
    section: '6.2',
    name: 'an empty HEADERS frame with padding flag',
    send: [frame(FRAME.headers, END | FLAG.padded, 1)],
    outcome: connectionError(CODE.frameSizeError, P),
  },
  // 6.3 PRIORITY
  { section: '6.3', name: 'PRIORITY on stream 0', send: [priority(0, 1)], outcome: connectionError(P) },
  {
    section: '6.3',
    name: 'PRIORITY of 4 octets',
    send: [frame(FRAME.priority, 0, 1, uint32(0))],
    outcome: streamError(1, CODE.frameSizeError),
  },
  { section: '6.3', name: 'PRIORITY of an idle stream', send: [priority(7, 0), headers(1, GET)], outcome: status(1, 200) },
  // 6.4 RST_STREAM
  { section: '6.4', name: 'RST_STREAM on stream 0', send: [reset(0)], outcome: connectionError(P) },
  {
    section: '6.4',
    name: 'RST_STREAM of 3 octets',
    send: [headers(1, POST, OPEN), frame(FRAME.reset, 0, 1, 'abc')],
    outcome: connectionError(CODE.frameSizeError),
  },
  {
    section: '6.4',
    name: 'RST_STREAM with an unknown code',
    send: [headers(1, POST, OPEN), reset(1, 0xffff), headers(3, GET)],
    outcome: status(3, 200),
  },
  // 6.5 SETTINGS
  { section: '6.5', name: 'SETTINGS on a stream', send: [frame(FRAME.settings, 0, 1)], outcome: connectionError(P) },
  {
    section: '6.5',
    name: 'an acknowledgement with payload',
    send: [frame(FRAME.settings, FLAG.ack, 0, '\0')],
    outcome: connectionError(CODE.frameSizeError),
  },
  {
    section: '6.5',
    name: 'SETTINGS of 3 octets',
    send: [frame(FRAME.settings, 0, 0, 'abc')],
    outcome: connectionError(CODE.frameSizeError),
  },
  { section: '6.5.2', name: 'SETTINGS_ENABLE_PUSH of 2', send: [settings([SETTING.enablePush, 2])], outcome: connectionError(P) },
  {
    section: '6.5.2',
    name: 'SETTINGS_INITIAL_WINDOW_SIZE over 2^31-1',
    send: [settings([SETTING.initialWindowSize, 2 ** 31])],
    outcome: connectionError(CODE.flowControlError),
  },
  {
    section: '6.5.2',
    name: 'SETTINGS_MAX_FRAME_SIZE under 2^14',
    send: [settings([SETTING.maxFrameSize, 16_383])],
    outcome: connectionError(P),
  },
  {
    section: '6.5.2',
    name: 'SETTINGS_MAX_FRAME_SIZE over 2^24-1',
    send: [settings([SETTING.maxFrameSize, 2 ** 24])],
    outcome: connectionError(P),
  },
  {
    section: '6.5.2',
    name: 'SETTINGS_HEADER_TABLE_SIZE of 0, then of 2^32-1',
    send: [settings([SETTING.headerTableSize, 0]), headers(1, GET), settings([SETTING.headerTableSize, 2 ** 32 - 1]), headers(3, GET)],
    outcome: status(3, 200),
  },
  {
    section: '6.5.3',
    name: 'one setting twice: the last counts',
    send: [settings([SETTING.initialWindowSize, 0], [SETTING.initialWindowSize, 65_535]), headers(1, GET)],
    outcome: status(1, 200),
  },
  // 6.6 PUSH_PROMISE
  {
    section: '6.6',
    name: 'PUSH_PROMISE by a client',
    send: [frame(FRAME.pushPromise, FLAG.endHeaders, 1, Buffer.concat([uint32(2), block(GET)]))],
    outcome: connectionError(P),
  },
  // 6.7 PING
  { section: '6.7', name: 'PING on a stream', send: [frame(FRAME.ping, 0, 1, '12345678')], outcome: connectionError(P) },
  { section: '6.7', name: 'PING of 7 octets', send: [frame(FRAME.ping, 0, 0, '1234567')], outcome: connectionError(CODE.frameSizeError) },
  {
    section: '6.7',
    name: 'an acknowledgement that nobody asked for is ignored',
    send: [ping(FLAG.ack), headers(1, GET)],
    outcome: status(1, 200),
  },
  // 6.8 GOAWAY
  { section: '6.8', name: 'GOAWAY on a stream', send: [frame(FRAME.goAway, 0, 1, Buffer.alloc(8))], outcome: connectionError(P) },
  {
    section: '6.8',
    name: 'GOAWAY of 7 octets',
    send: [frame(FRAME.goAway, 0, 0, Buffer.alloc(7))],
    outcome: connectionError(CODE.frameSizeError, P),
  },
  {
    section: '6.8',
    name: 'GOAWAY by the client: what runs is answered',
    send: [headers(1, GET), frame(FRAME.goAway, 0, 0, Buffer.alloc(8))],
    outcome: status(1, 200),
  },
  // 6.9 WINDOW_UPDATE
  { section: '6.9', name: 'an increment of 0 for the connection', send: [windowUpdate(0, 0)], outcome: connectionError(P) },
  {
    section: '6.9',
    name: 'an increment of 0 for a stream',
    send: [headers(1, POST, OPEN), windowUpdate(1, 0)],
    outcome: streamError(1, P),
  },
  {
    section: '6.9',
    name: 'WINDOW_UPDATE of 3 octets',
    send: [frame(FRAME.windowUpdate, 0, 0, 'abc')],
    outcome: connectionError(CODE.frameSizeError),
  },
  {
    section: '6.9.1',
    name: 'a window of the connection over 2^31-1',
    send: [windowUpdate(0, 2 ** 31 - 1)],
    outcome: connectionError(CODE.flowControlError),
  },
  {
    section: '6.9.1',
    name: 'a window of a stream over 2^31-1',
    send: [headers(1, POST, OPEN), windowUpdate(1, 2 ** 31 - 1)],
    outcome: streamError(1, CODE.flowControlError),
  },
  {
    section: '6.9.2',
    name: 'SETTINGS that bring the window of a stream over 2^31-1',
    send: [headers(1, replacedPost('/hang'), OPEN), windowUpdate(1, 2 ** 31 - 1 - 65_535), settings([SETTING.initialWindowSize, 65_536])],
    outcome: connectionError(CODE.flowControlError),
  },
  // 6.10 CONTINUATION
  {
    section: '6.10',
    name: 'a block in three pieces',
    send: [
      frame(FRAME.headers, FLAG.endStream, 1, block(GET).subarray(0, 5)),
      frame(FRAME.continuation, 0, 1, block(GET).subarray(5, 20)),
      frame(FRAME.continuation, FLAG.endHeaders, 1, block(GET).subarray(20)),
    ],
    outcome: status(1, 200),
  },
  {
    section: '6.10',
    name: 'CONTINUATION after a whole block',
    send: [headers(1, POST, OPEN), frame(FRAME.continuation, FLAG.endHeaders, 1, block([['a', 'b']]))],
    outcome: connectionError(P),
  },
  {
    section: '6.10',
    name: 'CONTINUATION after DATA',
    send: [headers(1, POST, OPEN), data(1, 'x'), frame(FRAME.continuation, FLAG.endHeaders, 1, block([['a', 'b']]))],
    outcome: connectionError(P),
  },
  {
    section: '6.10',
    name: 'CONTINUATION on stream 0',
    send: [frame(FRAME.headers, FLAG.endStream, 1, block(GET)), frame(FRAME.continuation, FLAG.endHeaders, 0)],
    outcome: connectionError(P),
  },
  // 8.1 message framing
  {
    section: '8.1',
    name: 'a second HEADERS without END_STREAM',
    send: [headers(1, POST, OPEN), headers(1, [['x-trailer', '1']], OPEN)],
    outcome: streamError(1, P),
  },
  {
    section: '8.1',
    name: 'a trailer ends the request',
    send: [headers(1, POST, OPEN), data(1, 'body'), headers(1, [['x-trailer', '1']])],
    outcome: status(1, 200),
  },
  {
    section: '8.1',
    name: 'a pseudo-header field in a trailer',
    send: [headers(1, POST, OPEN), data(1, 'body'), headers(1, [[':path', '/x']])],
    outcome: streamError(1, P),
  },
  {
    section: '8.1',
    name: 'a trailer with a connection-specific field',
    send: [headers(1, POST, OPEN), headers(1, [['connection', 'close']])],
    outcome: streamError(1, P),
  },
  {
    section: '8.1',
    name: 'DATA after the trailer',
    send: [headers(1, replacedPost('/hang'), OPEN), headers(1, [['x-trailer', '1']]), data(1, 'x')],
    outcome: streamError(1, CODE.streamClosed),
  },
  {
    section: '8.1.1',
    name: 'Content-Length larger than the DATA',
    send: [headers(1, [...POST, ['content-length', '5']], OPEN), data(1, 'four', true)],
    outcome: streamError(1, P),
  },
  {
    section: '8.1.1',
    name: 'Content-Length smaller than the DATA of several frames',
    send: [headers(1, [...POST, ['content-length', '5']], OPEN), data(1, 'four'), data(1, 'four', true)],
    outcome: streamError(1, P),
  },
  {
    section: '8.1.1',
    name: 'Content-Length without any DATA',
    send: [headers(1, [...POST, ['content-length', '5']])],
    outcome: streamError(1, P),
  },
  {
    section: '8.1.1',
    name: 'Content-Length that a trailer cuts short',
    send: [headers(1, [...POST, ['content-length', '5']], OPEN), headers(1, [['a', 'b']])],
    outcome: streamError(1, P),
  },
  {
    section: '8.1.1',
    name: 'Content-Length that is no number',
    send: [headers(1, [...POST, ['content-length', '+4']], OPEN), data(1, 'four', true)],
    outcome: streamError(1, P),
  },
  {
    section: '8.1.1',
    name: 'Content-Length twice',
    send: [headers(1, [...POST, ['content-length', '4'], ['content-length', '4']], OPEN), data(1, 'four', true)],
    outcome: streamError(1, P),
  },
  {
    section: '8.1.1',
    name: 'Content-Length that is right',
    send: [headers(1, [...POST, ['content-length', '4']], OPEN), data(1, 'fo'), data(1, 'ur', true)],
    outcome: status(1, 200),
  },
  // 8.2 fields
  ...(
    [
      ['an upper-case name', ['X-Thing', 'a']],
      ['an empty name', ['', 'a']],
      ['a name with a blank', ['x thing', 'a']],
      ['a name with a colon', ['x:thing', 'a']],
      ['a name with CR LF', ['x\r\nhost', 'a']],
      ['a name with NUL', ['x\0', 'a']],
      ['a name with 0x80', ['x\x80', 'a']],
      ['a value with CR LF', ['x', 'a\r\nhost: evil.test']],
      ['a value with LF', ['x', 'a\nb']],
      ['a value with CR', ['x', 'a\rb']],
      ['a value with NUL', ['x', 'a\0b']],
      ['a value that begins with a blank', ['x', ' a']],
      ['a value that ends with a tab', ['x', 'a\t']],
      ['Connection', ['connection', 'close']],
      ['Proxy-Connection', ['proxy-connection', 'keep-alive']],
      ['Keep-Alive', ['keep-alive', 'timeout=5']],
      ['Transfer-Encoding', ['transfer-encoding', 'chunked']],
      ['Upgrade', ['upgrade', 'websocket']],
      ['TE other than trailers', ['te', 'gzip']],
    ] as const
  ).map(([name, pair]): Case => ({ section: '8.2', name, send: [headers(1, with_(pair))], outcome: streamError(1, P) })),
  { section: '8.2.2', name: 'TE: trailers', send: [headers(1, with_(['te', 'trailers']))], outcome: status(1, 200) },
  // 8.3 pseudo-header fields
  ...([':method', ':scheme', ':path', ':authority'] as const).map(
    (name): Case => ({ section: '8.3.1', name: `no ${name}`, send: [headers(1, without(name))], outcome: streamError(1, P) }),
  ),
  ...GET.map(
    ([name, value]): Case => ({
      section: '8.3.1',
      name: `${name} twice`,
      send: [headers(1, [...GET, [name, value]])],
      outcome: streamError(1, P),
    }),
  ),
  { section: '8.3.1', name: 'an empty :path', send: [headers(1, replaced(':path', ''))], outcome: streamError(1, P) },
  {
    section: '8.3.1',
    name: 'a :path that does not begin with a slash',
    send: [headers(1, replaced(':path', 'evil'))],
    outcome: streamError(1, P),
  },
  {
    section: '8.3.1',
    name: ':path in absolute form',
    send: [headers(1, replaced(':path', 'https://shop.test/'))],
    outcome: streamError(1, P),
  },
  { section: '8.3.1', name: 'a :path with a blank', send: [headers(1, replaced(':path', '/a b'))], outcome: status(1, 400) },
  {
    section: '8.3.1',
    name: 'a :path with CR LF',
    send: [headers(1, replaced(':path', '/ HTTP/1.1\r\nhost: evil.test'))],
    outcome: streamError(1, P),
  },
  {
    section: '8.3.1',
    name: 'a :method with a blank',
    send: [headers(1, replaced(':method', 'GET /admin HTTP/1.1'))],
    outcome: status(1, 400),
  },
  { section: '8.3.1', name: 'a :scheme with CR LF', send: [headers(1, replaced(':scheme', 'https\r\nx: y'))], outcome: streamError(1, P) },
  { section: '8.3.1', name: 'another :scheme', send: [headers(1, replaced(':scheme', 'ftp'))], outcome: streamError(1, P) },
  {
    section: '8.3.1',
    name: 'an :authority with user information',
    send: [headers(1, replaced(':authority', 'u@shop.test'))],
    outcome: status(1, 400),
  },
  {
    section: '8.3.1',
    name: 'Host that says something else than :authority',
    send: [headers(1, with_(['host', 'evil.test']))],
    outcome: streamError(1, P),
  },
  {
    section: '8.3.1',
    name: 'Host that says the same as :authority',
    send: [headers(1, with_(['host', 'SHOP.test']))],
    outcome: status(1, 200),
  },
  {
    section: '8.3.1',
    name: 'Host in place of :authority',
    send: [headers(1, [...without(':authority'), ['host', 'shop.test']])],
    outcome: status(1, 200),
  },
  {
    section: '8.3.1',
    name: 'Host twice',
    send: [headers(1, [...without(':authority'), ['host', 'shop.test'], ['host', 'shop.test']])],
    outcome: streamError(1, P),
  },
  {
    section: '8.3.1',
    name: 'OPTIONS *',
    send: [
      headers(1, [
        [':method', 'OPTIONS'],
        [':scheme', 'https'],
        [':path', '*'],
        [':authority', 'shop.test'],
      ]),
    ],
    outcome: status(1, 200),
  },
  { section: '8.3', name: 'an unknown pseudo-header field', send: [headers(1, [[':unknown', 'x'], ...GET])], outcome: streamError(1, P) },
  {
    section: '8.3',
    name: 'a pseudo-header field of an answer',
    send: [headers(1, [[':status', '200'], ...GET])],
    outcome: streamError(1, P),
  },
  {
    section: '8.3',
    name: 'a pseudo-header field after a regular one',
    send: [
      headers(1, [
        [':method', 'GET'],
        [':scheme', 'https'],
        ['a', 'b'],
        [':path', '/'],
        [':authority', 'shop.test'],
      ]),
    ],
    outcome: streamError(1, P),
  },
  {
    section: '8.5',
    name: 'CONNECT',
    send: [
      headers(
        1,
        [
          [':method', 'CONNECT'],
          [':authority', 'shop.test:443'],
        ],
        OPEN,
      ),
    ],
    outcome: status(1, 405),
  },
  {
    section: 'RFC 8441 §4',
    name: ':protocol without CONNECT',
    send: [headers(1, [...GET, [':protocol', 'websocket']])],
    outcome: streamError(1, P),
  },
  {
    section: 'RFC 8441 §4',
    name: 'a protocol that is not known',
    send: [headers(1, [[':method', 'CONNECT'], [':protocol', 'mqtt'], ...GET.slice(1)], OPEN)],
    outcome: status(1, 501),
  },
  // HPACK
  {
    section: 'RFC 7541 §2.3.3',
    name: 'an index of 0',
    send: [frame(FRAME.headers, END, 1, Buffer.from([0x80]))],
    outcome: connectionError(CODE.compressionError),
  },
  {
    section: 'RFC 7541 §2.3.3',
    name: 'an index beyond both tables',
    send: [frame(FRAME.headers, END, 1, Buffer.concat([block(GET), integer(62, 7, 0x80)]))],
    outcome: connectionError(CODE.compressionError),
  },
  {
    section: 'RFC 7541 §2.3.3',
    name: 'a name beyond both tables',
    send: [frame(FRAME.headers, END, 1, Buffer.concat([block(GET), integer(70, 6, 0x40), text('x')]))],
    outcome: connectionError(CODE.compressionError),
  },
  {
    section: 'RFC 7541 §4.2',
    name: 'a change of the table’s size after a field',
    send: [frame(FRAME.headers, END, 1, Buffer.concat([block(GET), integer(0, 5, 0x20)]))],
    outcome: connectionError(CODE.compressionError),
  },
  {
    section: 'RFC 7541 §6.3',
    name: 'a table larger than allowed',
    send: [frame(FRAME.headers, END, 1, Buffer.concat([integer(4097, 5, 0x20), block(GET)]))],
    outcome: connectionError(CODE.compressionError),
  },
  {
    section: 'RFC 7541 §4.2',
    name: 'a change of the table’s size at the beginning',
    send: [frame(FRAME.headers, END, 1, Buffer.concat([integer(0, 5, 0x20), integer(4096, 5, 0x20), block(GET)]))],
    outcome: status(1, 200),
  },
  {
    section: 'RFC 7541 §5.1',
    name: 'an integer that never ends',
    send: [frame(FRAME.headers, END, 1, Buffer.from([0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]))],
    outcome: connectionError(CODE.compressionError),
  },
  {
    section: 'RFC 7541 §5.1',
    name: 'an integer that is cut',
    send: [frame(FRAME.headers, END, 1, Buffer.concat([block(GET), Buffer.from([0xff, 0x80])]))],
    outcome: connectionError(CODE.compressionError),
  },
  {
    section: 'RFC 7541 §5.2',
    name: 'a string longer than the block',
    send: [frame(FRAME.headers, END, 1, Buffer.concat([block(GET), Buffer.from([0, 0x7f, 0x10, 0x61])]))],
    outcome: connectionError(CODE.compressionError),
  },
  {
    section: 'RFC 7541 §5.2',
    name: 'Huffman padding of more than seven bits',
    send: [frame(FRAME.headers, END, 1, Buffer.concat([block(GET), Buffer.from([0, 1, 0x61, 0x83, 0x1f, 0xff, 0xff])]))],
    outcome: connectionError(CODE.compressionError),
  },
  {
    section: 'RFC 7541 §5.2',
    name: 'Huffman padding of zeros',
    send: [frame(FRAME.headers, END, 1, Buffer.concat([block(GET), Buffer.from([0, 1, 0x61, 0x81, 0x18])]))],
    outcome: connectionError(CODE.compressionError),
  },
  {
    section: 'RFC 7541 §5.2',
    name: 'a Huffman string with EOS',
    send: [frame(FRAME.headers, END, 1, Buffer.concat([block(GET), Buffer.from([0, 1, 0x61, 0x84, 0xff, 0xff, 0xff, 0xff])]))],
    outcome: connectionError(CODE.compressionError),
  },
]

suite('HTTP/2 (RFC 9113)', () => {
  let app: TestApp
  let bed: Bed
  const clients: RawHttp2[] = []
  const faults: string[] = []

  before(async () => {
    const pair = selfSigned({ names: ['shop.test'], days: 2 })
    app = await startHttpApp(({ target, body }) => (target.startsWith('/hang') ? undefined : ok(`<${body}>`)))
    bed = await startBed({
      apps: { 'shop.test': app },
      policy: { bodyBytesMax: 0 },
      tls: { key: pair.key, cert: pair.certificate },
      onError: (message, fields) => faults.push(`${message} ${String(fields?.['error'])}`),
    })
  })
  after(async () => {
    for (const client of clients) client.destroy()
    await bed[Symbol.asyncDispose]()
    await app[Symbol.asyncDispose]()
  })

  for (const { section, name, send, next, outcome, first } of CASES) {
    for (const how of ['at once', 'frame by frame']) {
      test(`${section}: ${name}, ${how}`, async () => {
        const client = new RawHttp2(bed.httpsPort, first)
        clients.push(client)
        if (how === 'at once') client.send(...send)
        else await sendSlowly(client, send)
        if (next !== undefined) {
          await client.ended(next.after)
          client.send(...next.send)
        }
        await judge(client, outcome)
        assert.deepEqual(faults, [])
        client.destroy()
      })
    }
  }

  test('6.5.3: a table that SETTINGS empty and grow again is emptied by the next block', async () => {
    const client = new RawHttp2(bed.httpsPort)
    clients.push(client)
    client.send(headers(1, GET))
    await client.ended(1)
    client.send(settings([SETTING.headerTableSize, 0], [SETTING.headerTableSize, 4096]), headers(3, GET))
    assert.equal((await client.headersOf(3))?.fields?.[':status'], '200')
    const first = client.frames.find(({ type, stream }) => type === FRAME.headers && stream === 3)
    // RFC 7541 §4.2: the least that was set since the last block, then the last.
    assert.equal(first?.payload.subarray(0, 4).toString('hex'), '203fe11f')
  })
  test('8.1: a second HEADERS without END_STREAM costs its stream only', async () => {
    const client = new RawHttp2(bed.httpsPort)
    clients.push(client)
    client.send(headers(1, POST, OPEN), headers(1, [['x-trailer', '1']], OPEN), headers(3, GET))
    assert.equal((await client.headersOf(3))?.fields?.[':status'], '200')
    assert.equal(read32(client.frames.find(({ type }) => type === FRAME.reset)?.payload as Buffer, 0), P)
  })

  test('there are more than 100 cases', () => assert.ok(CASES.length > 100))
})

/** Each piece by itself, and so late that whatever it leads to has been sent, an answer of the app included. */
async function sendSlowly(client: RawHttp2, pieces: readonly Uint8Array[]): Promise<void> {
  for (const piece of pieces) {
    if (client.closed) return
    client.send(piece)
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
  }
}

async function judge(client: RawHttp2, outcome: Outcome): Promise<void> {
  if (outcome === 'alive') {
    client.send(ping())
    assert.ok(await client.wait(one => one.type === FRAME.ping && one.flags === FLAG.ack))
    return
  }
  if ('connection' in outcome) {
    const goAway = await client.wait(one => one.type === FRAME.goAway)
    assert.ok(goAway, 'the router says GOAWAY')
    assert.ok(outcome.connection.includes(read32(goAway.payload, 4)), `code ${read32(goAway.payload, 4)}`)
    await client.until(() => client.closed)
    return
  }
  if ('status' in outcome) {
    const answer = await client.headersOf(outcome.stream)
    assert.equal(
      answer?.fields?.[':status'],
      String(outcome.status),
      JSON.stringify(client.frames.map(one => [one.type, one.stream, one.payload.toString('hex')])),
    )
    await client.ended(outcome.stream)
    return
  }
  const error = await client.wait(one => one.type === FRAME.goAway || (one.type === FRAME.reset && one.stream === outcome.stream))
  assert.ok(error, 'the router resets the stream')
  const code = read32(error.payload, error.type === FRAME.goAway ? 4 : 0)
  assert.ok(outcome.code.includes(code), `code ${code}`)
  if (error.type === FRAME.reset) {
    client.send(ping())
    assert.ok(await client.wait(one => one.type === FRAME.ping && one.flags === FLAG.ack), 'the connection lives on')
  }
}

function priority(stream: number, on: number): Buffer {
  return frame(FRAME.priority, 0, stream, Buffer.concat([uint32(on), Buffer.from([16])]))
}

function replacedPost(path: string): readonly (readonly [string, string])[] {
  return POST.map(([name, value]) => [name, name === ':path' ? path : value] as const)
}

function reservedBit(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  copy[5] = (copy[5] as number) | 0x80
  return copy
}
