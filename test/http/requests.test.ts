import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { deliveries, echoing, exchange, LAST, readAnswers, readMessages, startWorld, untilFreed, written } from './world.ts'

// What a client sends, in raw bytes, and what then arrives at the app; each case whole, byte by byte and cut at random. Behind each stands
// one more request, which must arrive as a request of its own, or never where the first was refused.

/** By name: what is sent, and either the status of the refusal or the request that arrives (lines, an empty one, the body). */
type Cases = Readonly<Record<string, readonly [sent: string, expected: number | string]>>

/** A request of one line and Host. */
const line = (text: string, fields = '') => `${text}\r\nHost: shop.test\r\n${fields}\r\n`
/** A GET with one more header line. */
const field = (text: string) => line('GET / HTTP/1.1', `${text}\r\n`)
const host = (value: string) => `GET / HTTP/1.1\r\nHost: ${value}\r\n\r\n`
const body = (fields: string, text: string) => line('POST / HTTP/1.1', fields) + text
const chunked = (text: string) => body('Transfer-Encoding: chunked\r\n', text)
const PLAIN = 'GET / HTTP/1.1\nHost: shop.test'
const POSTED = (text: string) => `POST / HTTP/1.1\nHost: shop.test\nContent-Length: ${text.length}${text === '' ? '' : `\n\n${text}`}`
const CHUNKED = (text: string) => `POST / HTTP/1.1\nHost: shop.test\nTransfer-Encoding: chunked${text === '' ? '' : `\n\n${text}`}`

const CONTROLS = Array.from({ length: 33 }, (_, code) => String.fromCharCode(code === 32 ? 127 : code)).filter(char => char !== '\t')

cases('RFC 9112 §2.2: lines', {
  'an empty line before a request is ignored': [`\r\n${field('A: b')}`, `${PLAIN}\nA: b`],
  'two empty lines before a request': [`\r\n\r\n${field('A: b')}`, 400],
  'bare LF throughout': ['GET / HTTP/1.1\nHost: shop.test\n\n', 400],
  'bare LF behind the request line': ['GET / HTTP/1.1\nHost: shop.test\r\n\r\n', 400],
  'bare LF between fields': ['GET / HTTP/1.1\r\nHost: shop.test\nA: b\r\n\r\n', 400],
  'bare LF for the empty line': ['GET / HTTP/1.1\r\nHost: shop.test\r\nA: b\n\r\n', 400],
  'bare CR in a value': [field('A: b\rC: d'), 400],
  'bare CR in the target': [line('GET /a\rb HTTP/1.1'), 400],
  'CR CR LF': [field('A: b\r'), 400],
  'CR LF CR X': ['GET / HTTP/1.1\r\nHost: shop.test\r\n\rX: y\r\n\r\n', 400],
  'a blank before the first header line': ['GET / HTTP/1.1\r\n A: b\r\nHost: shop.test\r\n\r\n', 400],
})

cases('RFC 9112 §3: the request line', {
  'a method of our own making': [line('BREW / HTTP/1.1'), 'BREW / HTTP/1.1\nHost: shop.test'],
  'a method in lower case is another method': [line('get / HTTP/1.1'), 'get / HTTP/1.1\nHost: shop.test'],
  'HTTP/1.0': [line('GET / HTTP/1.0'), PLAIN],
  'HTTP/0.9': ['GET /\r\n\r\n', 400],
  'HTTP/1.10': [line('GET / HTTP/1.10'), 400],
  'HTTP/1.2': [line('GET / HTTP/1.2'), 505],
  'HTTP/2.0': [line('GET / HTTP/2.0'), 505],
  'HTTP/3.0': [line('GET / HTTP/3.0'), 505],
  'the HTTP/2 preface': ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505],
  'http/1.1': [line('GET / http/1.1'), 400],
  'HTTPS/1.1': [line('GET / HTTPS/1.1'), 400],
  'ICE/1.0': [line('GET / ICE/1.0'), 400],
  'no version': [line('GET / '), 400],
  'no target': [line('GET HTTP/1.1'), 400],
  'an empty target': [line('GET  HTTP/1.1'), 400],
  'two blanks before the version': [line('GET /  HTTP/1.1'), 400],
  'tabs between the parts': [line('GET\t/\tHTTP/1.1'), 400],
  'a blank before the method': [line(' GET / HTTP/1.1'), 400],
  'a blank behind the version': [line('GET / HTTP/1.1 '), 400],
  'a blank in the target': [line('GET /a b HTTP/1.1'), 400],
  'a colon in the method': [line('GE:T / HTTP/1.1'), 400],
  'a bracket in the method': [line('GE(T / HTTP/1.1'), 400],
  'a method of 65 characters': [line(`${'A'.repeat(65)} / HTTP/1.1`), 400],
  'a fragment': [line('GET /a#b HTTP/1.1'), 400],
  'a raw byte above 0x7f in the target': [line('GET /\xe9 HTTP/1.1'), 400],
  'a header line in its place': ['Host: shop.test\r\nGET / HTTP/1.1\r\n\r\n', 400],
  'a PROXY line before it': [`PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n${line('GET / HTTP/1.1')}`, 400],
})

cases('RFC 9112 §3.2: the target', {
  'every visible byte but # passes as it is': [
    line('GET /!"$%&\'()*+,-./0:;<=>?@A[\\]^_`a{|}~%zz%00 HTTP/1.1'),
    'GET /!"$%&\'()*+,-./0:;<=>?@A[\\]^_`a{|}~%zz%00 HTTP/1.1\nHost: shop.test',
  ],
  'dot segments and empty ones pass as they are': [line('GET //a/../b/./c HTTP/1.1'), 'GET //a/../b/./c HTTP/1.1\nHost: shop.test'],
  'absolute form of the same host becomes its path': [line('GET http://shop.test/a?b HTTP/1.1'), 'GET /a?b HTTP/1.1\nHost: shop.test'],
  'absolute form in upper case, with a port': [line('GET HTTP://SHOP.TEST:80/a HTTP/1.1'), 'GET /a HTTP/1.1\nHost: shop.test'],
  'absolute form without a path': [line('GET http://shop.test HTTP/1.1'), PLAIN],
  'absolute form with a query only': [line('GET http://shop.test?q HTTP/1.1'), 'GET /?q HTTP/1.1\nHost: shop.test'],
  'absolute form of another host': [line('GET http://evil.test/ HTTP/1.1'), 400],
  'absolute form of a host with ours in its userinfo': [line('GET http://shop.test@evil.test/ HTTP/1.1'), 400],
  'absolute form with userinfo': [line('GET http://user:pw@shop.test/ HTTP/1.1'), 400],
  'absolute form with a backslash': [line('GET http://shop.test\\@evil.test/ HTTP/1.1'), 400],
  'absolute form without authority': [line('GET http:///a HTTP/1.1'), 400],
  'absolute form with a bad port': [line('GET http://shop.test:8o/ HTTP/1.1'), 400],
  'absolute form of another scheme': [line('GET ftp://shop.test/ HTTP/1.1'), 400],
  'absolute form of file': [line('GET file:///etc/passwd HTTP/1.1'), 400],
  'absolute form without Host in HTTP/1.1': ['GET http://shop.test/ HTTP/1.1\r\n\r\n', 400],
  'authority form of GET': [line('GET shop.test:80 HTTP/1.1'), 400],
  'a path without its slash': [line('GET a HTTP/1.1'), 400],
  '@evil.test': [line('GET @evil.test/ HTTP/1.1'), 400],
  'CONNECT in authority form': ['CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: 169.254.169.254:80\r\n\r\n', 405],
  'CONNECT in origin form': [line('CONNECT / HTTP/1.1'), 405],
  TRACE: [line('TRACE / HTTP/1.1'), 405],
  'OPTIONS *': [line('OPTIONS * HTTP/1.1'), 'OPTIONS * HTTP/1.1\nHost: shop.test'],
  'OPTIONS in absolute form without a path': [line('OPTIONS http://shop.test HTTP/1.1'), 'OPTIONS * HTTP/1.1\nHost: shop.test'],
  'GET *': [line('GET * HTTP/1.1'), 400],
  '*/ of OPTIONS': [line('OPTIONS */ HTTP/1.1'), 400],
})

cases('RFC 9112 §3.2, RFC 3986 §3.2.2: Host', {
  'in upper case': [host('SHOP.Test'), PLAIN],
  'with a port': [host('shop.test:8080'), PLAIN],
  'with the highest port': [host('shop.test:65535'), PLAIN],
  'with an empty port': [host('shop.test:'), PLAIN],
  'with a trailing dot': [host('shop.test.'), PLAIN],
  'with a trailing dot and a port': [host('shop.test.:80'), PLAIN],
  'with blanks around it': ['GET / HTTP/1.1\r\nHost:  \tshop.test \r\n\r\n', PLAIN],
  'without a blank, its name in capitals': ['GET / HTTP/1.1\r\nHOST:shop.test\r\n\r\n', PLAIN],
  'an IPv6 literal': [host('[2001:DB8::1]:80'), 'GET / HTTP/1.1\nHost: [2001:db8::1]'],
  'an IPv4 address': [host('192.0.2.1'), 'GET / HTTP/1.1\nHost: 192.0.2.1'],
  'with an underscore': [host('a_b.test'), 'GET / HTTP/1.1\nHost: a_b.test'],
  'of 253 characters': [host(`${'a.'.repeat(124)}a.com`), `GET / HTTP/1.1\nHost: ${'a.'.repeat(124)}a.com`],
  'of 254 characters': [host(`${'a.'.repeat(125)}.com`.replace('..', '.b')), 400],
  'of 300 characters': [host('a'.repeat(300)), 400],
  missing: ['GET / HTTP/1.1\r\nA: b\r\n\r\n', 400],
  empty: [host(''), 400],
  'twice, the same': ['GET / HTTP/1.1\r\nHost: shop.test\r\nHost: shop.test\r\n\r\n', 400],
  'twice, different': ['GET / HTTP/1.1\r\nHost: shop.test\r\nA: b\r\nhOST: evil.test\r\n\r\n', 400],
  'a list': [host('shop.test, evil.test'), 400],
  'a second one in a folded line': ['GET / HTTP/1.1\r\nHost: shop.test\r\n Host: evil.test\r\n\r\n', 400],
  'with userinfo': [host('user@shop.test'), 400],
  'with a path': [host('shop.test/evil'), 400],
  'with a query': [host('shop.test?a'), 400],
  'with a fragment': [host('shop.test#a'), 400],
  'with a backslash': [host('shop.test\\evil'), 400],
  'with a scheme': [host('http://shop.test'), 400],
  'percent-encoded': [host('shop%2etest'), 400],
  'with a blank inside': [host('shop.test evil'), 400],
  'with a byte above 0x7f': [host('sh\xf6p.test'), 400],
  'with two trailing dots': [host('shop.test..'), 400],
  'with a leading dot': [host('.shop.test'), 400],
  'with port 65536': [host('shop.test:65536'), 400],
  'with a port of six digits': [host('shop.test:000080'), 400],
  'with a negative port': [host('shop.test:-1'), 400],
  'with a port in letters': [host('shop.test:http'), 400],
  'with two ports': [host('shop.test:80:80'), 400],
  'an IPv6 address without brackets': [host('2001:db8::1'), 400],
  'an open bracket': [host('[2001:db8::1'), 400],
  'brackets around a name': [host('[shop.test]'), 400],
  'brackets around too many groups': [host('[1:2:3:4:5:6:7:8:9]'), 400],
  'an IPv6 literal with a zone': [host('[fe80::1%25eth0]'), 400],
  'an IPv6 literal with a trailing dot': [host('[2001:db8::1].'), 400],
  'an IPv6 literal with text behind it': [host('[2001:db8::1]evil'), 400],
})

cases('RFC 9110 §5, RFC 9112 §5: fields', {
  'values keep tabs, blanks inside and bytes above 0x7f': [field('A: b\tc  d\xe9\xff'), `${PLAIN}\nA: b\tc  d\xe9\xff`],
  'an empty value': [field('A:'), `${PLAIN}\nA:`],
  'every character of a token in a name': [field("A!#$%&'*+-^`|~0: b"), `${PLAIN}\nA!#$%&'*+-^\`|~0: b`],
  'the same name twice, in order': [field('A: 1\r\nB: 2\r\na: 3'), `${PLAIN}\nA: 1\nB: 2\na: 3`],
  'names with underscore or dot are dropped, as apps behind CGI read them as others': [
    field('Content_Length: 5\r\nTransfer.Encoding: chunked\r\nX_Forwarded_For: 192.0.2.1\r\nA: b'),
    `${PLAIN}\nA: b`,
  ],
  'a blank before the colon': [field('A : b'), 400],
  'a tab before the colon': [field('A\t: b'), 400],
  'a blank before the colon of Content-Length': [field('Content-Length : 5'), 400],
  'a blank before the colon of Host': ['GET / HTTP/1.1\r\nHost : shop.test\r\n\r\n', 400],
  'an empty name': [field(': b'), 400],
  'no colon': [field('A'), 400],
  'a blank in a name': [field('A B: c'), 400],
  'a bracket in a name': [field('A(B): c'), 400],
  'a quote in a name': [field('"A": c'), 400],
  'a byte above 0x7f in a name': [field('\xc4: b'), 400],
  'a line folded by a blank': [field('A: b\r\n c'), 400],
  'a line folded by a tab': [field('A: b\r\n\tTransfer-Encoding: chunked'), 400],
  'Content-Length folded': [body('Content-Length:\r\n 5\r\n', 'hello'), 400],
  ...Object.fromEntries(
    CONTROLS.flatMap((char, index) => [
      [`control byte ${index === 31 ? 127 : char.charCodeAt(0)} in a value`, [field(`A: b${char}c`), 400] as const],
      [`control byte ${index === 31 ? 127 : char.charCodeAt(0)} in a name`, [field(`A${char}B: c`), 400] as const],
    ]),
  ),
})

cases('RFC 9112 §6.2, RFC 9110 §8.6: Content-Length', {
  'of a body': [body('Content-Length: 5\r\n', 'hello'), POSTED('hello')],
  'with leading zeros is written anew': [body('Content-Length: 0005\r\n', 'hello'), POSTED('hello')],
  'with blanks around it': [body('Content-Length:   5  \r\n', 'hello'), POSTED('hello')],
  '0 of a POST': [body('Content-Length: 0\r\n', ''), POSTED('')],
  'none of a POST is told as 0': [body('', ''), POSTED('')],
  'of a GET': [`${line('GET / HTTP/1.1', 'Content-Length: 5\r\n')}hello`, 'GET / HTTP/1.1\nHost: shop.test\nContent-Length: 5\n\nhello'],
  ...Object.fromEntries(
    [
      ...['+5', '-5', '0x5', '5_0', '1e1', '5.0', '"5"', '', '5 5', '5;', '5,', ',5', '5, 5', '5,5', '5, 6', '\xb5', '5\xa0', '\t5', '5\t'],
      ...['9007199254740992', '9223372036854775808', '18446744073709551621', '00000000000000005', '99999999999999999999999999'],
    ].map(value => [JSON.stringify(value), [body(`Content-Length: ${value}\r\n`, 'hello'), 400] as const]),
  ),
  'twice, the same': [body('Content-Length: 5\r\nContent-Length: 5\r\n', 'hello'), 400],
  'twice, different': [body('Content-Length: 5\r\nContent-Length: 6\r\n', 'hello'), 400],
  'twice, in different case': [body('Content-Length: 5\r\nA: b\r\ncontent-length: 0\r\n', 'hello'), 400],
})

cases('RFC 9112 §6.1: Transfer-Encoding', {
  chunked: [chunked('5\r\nhello\r\n0\r\n\r\n'), CHUNKED('hello')],
  'in any case': [body('tRANSFER-eNCODING: ChunKed\r\n', '5\r\nhello\r\n0\r\n\r\n'), CHUNKED('hello')],
  'of a GET': [
    `${line('GET / HTTP/1.1', 'Transfer-Encoding: chunked\r\n')}5\r\nhello\r\n0\r\n\r\n`,
    'GET / HTTP/1.1\nHost: shop.test\nTransfer-Encoding: chunked\n\nhello',
  ],
  'with Content-Length before it': [body('Content-Length: 15\r\nTransfer-Encoding: chunked\r\n', '5\r\nhello\r\n0\r\n\r\n'), 400],
  'with Content-Length behind it': [body('Transfer-Encoding: chunked\r\nContent-Length: 15\r\n', '5\r\nhello\r\n0\r\n\r\n'), 400],
  'twice, the same': [body('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'), 400],
  'twice, different': [body('Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'), 400],
  'in HTTP/1.0': [`${line('POST / HTTP/1.0', 'Transfer-Encoding: chunked\r\n')}0\r\n\r\n`, 400],
  'in HTTP/1.0 with Content-Length': [`${line('POST / HTTP/1.0', 'Transfer-Encoding: chunked\r\nContent-Length: 5\r\n')}hello`, 400],
  'with a tab behind it': [body('Transfer-Encoding: chunked\t\r\n', '0\r\n\r\n'), 400],
  'with a vertical tab before it': [body('Transfer-Encoding: \x0bchunked\r\n', '0\r\n\r\n'), 400],
  ...Object.fromEntries(
    [
      ...['gzip', 'gzip, chunked', 'chunked, gzip', 'chunked, chunked', 'chunked, identity', 'identity', 'xchunked', 'chunkedx', 'chunk'],
      ...['"chunked"', 'chunked;q=1', ',chunked', 'chunked,', 'chunked\xa0', '\xa0chunked', '', 'chunked chunked', 'trailers'],
    ].map(value => [JSON.stringify(value), [body(`Transfer-Encoding: ${value}\r\n`, '5\r\nhello\r\n0\r\n\r\n'), 501] as const]),
  ),
})

cases('RFC 9112 §7.1: chunks', {
  'none but the last': [chunked('0\r\n\r\n'), CHUNKED('')],
  'in capitals and with zeros before the size': [chunked('000000000000000A\r\n0123456789\r\n0\r\n\r\n'), CHUNKED('0123456789')],
  'the last one in many zeros': [chunked('5\r\nhello\r\n0000\r\n\r\n'), CHUNKED('hello')],
  'one byte each': [chunked(`${[...'hello'].map(char => `1\r\n${char}\r\n`).join('')}0\r\n\r\n`), CHUNKED('hello')],
  'with CRLF and a last chunk as data': [chunked('7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n'), CHUNKED('\r\n0\r\n\r\n')],
  'extensions are dropped': [chunked('5;a;b=c;d="e;f\\"\r"\r\nhello\r\n0\r\n\r\n'.replace('\r"', '"')), CHUNKED('hello')],
  'trailers pass, save those that come too late': [
    chunked('5\r\nhello\r\n0\r\nX-Sum: 1\r\nAuthorization: x\r\n\r\n'),
    CHUNKED('hello\nX-Sum: 1'),
  ],
  ...Object.fromEntries(
    [
      '0x5',
      '+5',
      '-5',
      '5_0',
      'g',
      '',
      ' 5',
      '5 ',
      '\t5',
      '5\t',
      '5\xa0',
      '5.0',
      '00000000000000005',
      '10000000000000005',
      '20000000000000',
    ]
      .concat([
        'ffffffffffffffff',
        '5\r',
        '5\n',
        '\n5',
        '5;\r',
        '5;a=',
        '5;=b',
        '5; a',
        '5 ;a',
        '5;a="b',
        '5;a="b"c',
        '5;a\0',
        '5;a\nb',
        '5;a\rb',
      ])
      .map(size => [`a size line ${JSON.stringify(size)}`, [chunked(`${size}\r\nhello\r\n0\r\n\r\n`), 400] as const]),
  ),
  'a size line ended by a bare LF': [chunked('5\nhello\r\n0\r\n\r\n'), 400],
  'data longer than the size': [chunked('4\r\nhello\r\n0\r\n\r\n'), 400],
  'data shorter than the size': [chunked('6\r\nhello\r\n0\r\n\r\n'), 400],
  'data ended by a bare LF': [chunked('5\r\nhello\n0\r\n\r\n'), 400],
  'data ended by a bare CR': [chunked('5\r\nhello\r0\r\n\r\n'), 400],
  'data without line end': [chunked('5\r\nhello0\r\n\r\n'), 400],
  'an extension of 2 kB': [chunked(`5;${'a'.repeat(2000)}\r\nhello\r\n0\r\n\r\n`), 400],
  '20 kB of extensions': [chunked(`${`1;${'a'.repeat(1000)}\r\nx\r\n`.repeat(20)}0\r\n\r\n`), 400],
  'a trailer with Content-Length': [chunked('0\r\nContent-Length: 5\r\n\r\n'), 400],
  'a trailer with Transfer-Encoding': [chunked('0\r\nA: b\r\ntransfer-encoding: chunked\r\n\r\n'), 400],
  'a trailer with Host': [chunked('0\r\nHost: evil.test\r\n\r\n'), 400],
  'a trailer with a blank before the colon': [chunked('0\r\nA : b\r\n\r\n'), 400],
  'a trailer with a folded line': [chunked('0\r\nA: b\r\n c\r\n\r\n'), 400],
  'a trailer with NUL': [chunked('0\r\nA: \0\r\n\r\n'), 400],
  'a trailer with bare LF': [chunked('0\r\nA: b\nC: d\r\n\r\n'), 400],
  'a trailer of 9 kB': [chunked(`0\r\n${`A: ${'b'.repeat(100)}\r\n`.repeat(90)}\r\n`), 400],
})

cases('RFC 9110 §7.6.1: fields of one hop', {
  'Connection and what it names': [field('Connection: x-hop, X-Other\r\nX-Hop: 1\r\nA: b\r\nx-other: 2'), `${PLAIN}\nA: b`],
  'Connection never takes Host, framing, credentials or cookies': [
    body(
      'Connection: host, content-length, transfer-encoding, authorization, cookie, cache-control, content-type\r\nAuthorization: a\r\nCookie: b\r\nCache-Control: c\r\nContent-Type: d\r\nContent-Length: 5\r\n',
      'hello',
    ),
    'POST / HTTP/1.1\nHost: shop.test\nAuthorization: a\nCookie: b\nCache-Control: c\nContent-Type: d\nContent-Length: 5\n\nhello',
  ],
  'Keep-Alive, TE, Trailer, Proxy-Connection, Upgrade without Connection, HTTP2-Settings': [
    field(
      'Keep-Alive: timeout=5\r\nTE: trailers\r\nTrailer: A\r\nProxy-Connection: close\r\nUpgrade: websocket\r\nHTTP2-Settings: x\r\nA: b',
    ),
    `${PLAIN}\nA: b`,
  ],
  'h2c in any spelling': [field('Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c, H2C/1, h2c-14\r\nHTTP2-Settings: AAMAAABk'), PLAIN],
  'Upgrade is written anew': [
    field('Connection: keep-alive, Upgrade\r\nUpgrade: websocket,h2c\r\nUpgrade: foo/2'),
    `${PLAIN}\nConnection: upgrade\nUpgrade: websocket, foo/2`,
  ],
  'empty options in Connection': [field('Connection: , ,\r\nA: b'), `${PLAIN}\nA: b`],
  'what only a trusted proxy may say': [
    field(
      'X-Forwarded-Host: evil\r\nForwarded: for=1\r\nX-Real-IP: 1\r\nX-SSL-Client-Verify: SUCCESS\r\nX-Forwarded-Client-Cert: x\r\nA: b',
    ),
    `${PLAIN}\nA: b`,
  ],
})

function cases(section: string, list: Cases): void {
  suite(section, () => {
    for (const [name, [sent, expected]] of Object.entries(list)) test(name, () => check(sent, expected))
  })
}

async function check(sent: string, expected: number | string): Promise<void> {
  // An HTTP/1.0 connection ends with its answer, so nothing can stand behind.
  const bytes = sent.includes(' HTTP/1.0\r\n') && typeof expected === 'string' ? sent : sent + LAST
  for (const [how, cuts] of deliveries(bytes.length)) {
    await using world = await startWorld(echoing)
    const client = await exchange(world.bed, bytes, cuts)
    const answers = readAnswers(client.text, [sent.slice(0, sent.indexOf(' ')), 'GET'])
    const arrived = world.app.received.map(readMessages)
    const messages = arrived.flatMap(connection => connection.messages)
    if (typeof expected === 'number') {
      assert.deepEqual(
        answers.map(answer => [answer.line.slice(9, 12), answer.whole, answer.fields.includes('Connection: close')]),
        [[String(expected), true, true]],
        how,
      )
      assert.deepEqual(messages, [], how)
      assert.equal(client.how, 'fin', how)
      await untilFreed(world)
    } else {
      const wanted = bytes === sent ? [expected] : [expected, 'GET /last HTTP/1.1\nHost: shop.test']
      assert.deepEqual(messages.map(written), wanted, how)
      assert.deepEqual(
        arrived.map(connection => connection.rest),
        arrived.map(() => ''),
        how,
      )
      assert.deepEqual(
        answers.map(answer => answer.line),
        wanted.map(() => 'HTTP/1.1 200 OK'),
        how,
      )
    }
  }
}
