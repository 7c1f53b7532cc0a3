import type { ErrorCode } from '../serve/errors.ts'
import { readHost } from './authority.ts'
import { type BodyLength, CHUNKED } from './body.ts'
import { hasOption, lowerCase, readNumber, TOKEN, VALUE, withoutBlanks, withoutNamed, withoutTrailingBlanks } from './fields.ts'

/** A request as one strict reading of its head gives it; what goes to the app is written anew from this. */
export interface RequestHead {
  /** The head as it came, for the log only. */
  readonly raw: string
  readonly method: string
  /** Origin form, byte for byte, or `*`. */
  readonly target: string
  /** Lower-case, without port and trailing dot; '' when an HTTP/1.0 request names none. */
  readonly host: string
  readonly minor: 0 | 1
  /** The version that the client speaks, as the log writes it. */
  readonly version: '1.0' | '1.1' | '2.0'
  readonly keepAlive: boolean
  readonly length: BodyLength
  readonly expectsContinue: boolean
  /** Whether the client has said so (TE, RFC 9110 §10.1.4). */
  readonly takesTrailers: boolean
  /** `Trailer` lines, each with its CRLF: what stands behind the body if that has a place for it. */
  readonly trailer: string
  /** The protocols to which the client would change, without those that would hide requests from us (h2c, TLS); '' when none. */
  readonly upgrade: string
  /** The header lines that pass on, each with its CRLF: no framing, no hop-by-hop fields, none that the router writes itself. */
  readonly fields: string
  /** Lines that only a trusted peer may send: `Forwarded`, `X-Real-IP`, client certificates and the like. */
  readonly trustedFields: string
  /** The client's `X-Request-Id` and `X-Correlation-Id` lines, passed on where the router makes no ids. */
  readonly idFields: string
  readonly forwardedFor: string
  readonly forwardedProto: string
  readonly forwardedPort: string
  readonly correlationId: string
  /** Which content codings the client takes; '' when it does not say. The line passes on as well. */
  readonly acceptEncoding: string
  /** `CDN-Loop` (RFC 8586): which proxies this request has passed. */
  readonly loop: string
  /** What the access log says of it, made when it is first asked: a head that comes again and again is read once (see head-cache.ts). */
  inLog: HeadInLog | undefined
  /** {@link beginning} of it in one piece, where it has come again; else ''. */
  beginning: string
}

/** The parts of an access line that depend on the head alone. */
export interface HeadInLog {
  readonly user: string
  readonly request: string
  readonly agents: string
}

/** How large a request head may be, beside its total. */
export interface HeadLimits {
  readonly requestLineBytesMax: number
  readonly fieldCountMax: number
}

// One regular expression checks the whole head, compiled by V8 and linear: no name holds a colon, no value a CR; no obs-fold, no bare CR
// or LF, no blank before the colon, nothing before the first line but one empty line (RFC 9112 §2.2). The target is visible ASCII without "#".
const REQUEST_LINE = `^(?:\\r\\n)?${TOKEN}{1,64} [!"$-~]+ HTTP/1\\.[01]\\r\\n`
const REQUEST = new RegExp(`${REQUEST_LINE}(?:[A-Za-z0-9-]+:${VALUE}\\r\\n)*\\r\\n$`)
const REQUEST_WITH_ANY_TOKEN = new RegExp(`${REQUEST_LINE}(?:${TOKEN}+:${VALUE}\\r\\n)*\\r\\n$`)
// Apps behind CGI cannot tell `X_Forwarded_For` from `X-Forwarded-For`; nginx drops such names too, and those with a dot.
const AMBIGUOUS_LINE = new RegExp(`\\r\\n${TOKEN}*[_.]${TOKEN}*:[^\\r]*(?=\\r\\n)`, 'g')

// A second expression finds the few lines that mean something to us; all between them passes on as slices of the same string.
const REQUEST_MEANING =
  /\r\n(host|connection|content-length|transfer-encoding|expect|upgrade|te|trailer|keep-alive|proxy-connection|http2-settings|early-data|x-forwarded-[a-z-]+|forwarded|x-request-id|x-correlation-id|cdn-loop|x-request-start|x-real-ip|x-scheme|x-url-scheme|accept-encoding|front-end-https|(?:x-)?ssl-client-[a-z0-9-]+):[\t ]*([^\r]*)/gi

const ABSOLUTE_TARGET = /^https?:\/\/([^/?@\\]+)(?=[/?]|$)/i
const TRAILERS = /(?:^|[ ,\t])trailers(?:[ ,\t]|$)/i
// RFC 9110 §7.8. Names that were drafts of HTTP/2 (h2c-14) and versions (h2c/1) are as good as the name itself to somebody.
const PROTOCOL = new RegExp(`^${TOKEN}+(?:/${TOKEN}+)?$`)
const HIDES_REQUESTS = /^(?:h[23]|http|spdy|ssl|tls)/i

/**
 * Reads a request head.
 *
 * @param head the bytes up to and including the empty line, as latin1
 * @param limits a longer request line gives R42, more header lines give R41
 * @param version of the client's HTTP where the head was written by us for another one
 * @returns the head, or the code of the error that closes the connection
 */
export function parseRequestHead(head: string, limits: HeadLimits, version?: '2.0'): RequestHead | ErrorCode {
  let text = head
  if (!REQUEST.test(head)) {
    if (!REQUEST_WITH_ANY_TOKEN.test(head)) return requestFault(head)
    text = head.replace(AMBIGUOUS_LINE, '')
  }
  // The shortest line has four bytes, so a short head needs no count.
  if (head.length > limits.fieldCountMax * 4 && lineCount(head) - 2 > limits.fieldCountMax) return 'R41'
  // Neither method nor target holds a blank.
  const methodAt = head.charCodeAt(0) === 13 ? 2 : 0
  const methodEnd = head.indexOf(' ', methodAt)
  const targetEnd = head.indexOf(' ', methodEnd + 1)
  const method = head.slice(methodAt, methodEnd)
  let target = head.slice(methodEnd + 1, targetEnd)
  if (method.length + target.length + 10 > limits.requestLineBytesMax) return 'R42'
  const minor = head.charCodeAt(targetEnd + 8) === 49 ? 1 : 0
  if (method === 'CONNECT' || method === 'TRACE') return 'R11'

  const linesAt = targetEnd + 11
  let fields = ''
  let trustedFields = ''
  let idFields = ''
  let rawHost: string | undefined
  let connection = ''
  let lengthText: string | undefined
  let coding: string | undefined
  let expectation: string | undefined
  let upgrade = ''
  let takesTrailers = false
  let trailer = ''
  let forwardedFor = ''
  let forwardedProto = ''
  let forwardedPort = ''
  let correlationId = ''
  let acceptEncoding = ''
  let loop = ''

  let from = linesAt
  REQUEST_MEANING.lastIndex = linesAt - 2
  for (let line = REQUEST_MEANING.exec(text); line !== null; line = REQUEST_MEANING.exec(text)) {
    const start = line.index + 2
    const end = REQUEST_MEANING.lastIndex + 2
    if (start > from) fields += text.slice(from, start)
    from = end
    const value = withoutTrailingBlanks(line[2] as string)
    switch (lowerCase(line[1] as string)) {
      case 'host':
        if (rawHost !== undefined) return 'R40'
        rawHost = value
        break
      case 'connection':
        connection = connection === '' ? value : `${connection},${value}`
        break
      case 'content-length':
        if (lengthText !== undefined || text.slice(start, end).includes('\t')) return 'R40'
        lengthText = value
        break
      case 'transfer-encoding':
        // A tab around the value is allowed, and read in more than one way; nobody writes one in good faith.
        if (coding !== undefined || text.slice(start, end).includes('\t')) return 'R40'
        coding = value
        break
      case 'expect':
        expectation = expectation === undefined ? value : `${expectation},${value}`
        break
      case 'upgrade':
        upgrade = upgrade === '' ? value : `${upgrade},${value}`
        break
      case 'te':
        takesTrailers ||= TRAILERS.test(value)
        break
      case 'trailer':
        trailer += `Trailer: ${value}\r\n`
        break
      case 'keep-alive':
      case 'proxy-connection':
      case 'http2-settings':
      case 'early-data':
        break
      case 'accept-encoding':
        acceptEncoding = acceptEncoding === '' ? value : `${acceptEncoding},${value}`
        from = start
        break
      case 'x-forwarded-for':
        forwardedFor = forwardedFor === '' ? value : `${forwardedFor},${value}`
        break
      case 'x-forwarded-proto':
        forwardedProto = value
        break
      case 'x-forwarded-port':
        forwardedPort = value
        break
      case 'x-request-id':
        idFields += text.slice(start, end)
        break
      case 'cdn-loop':
        loop = loop === '' ? value : `${loop}, ${value}`
        break
      case 'x-correlation-id':
        idFields += text.slice(start, end)
        correlationId = value
        break
      default:
        trustedFields += text.slice(start, end)
    }
  }
  if (from < text.length - 2) fields += text.slice(from, text.length - 2)

  let length = 0
  if (coding !== undefined) {
    if (lengthText !== undefined || minor === 0) return 'R40'
    if (coding.length !== 7 || coding.toLowerCase() !== 'chunked') return 'R46'
    length = CHUNKED
  } else if (lengthText !== undefined) {
    length = readNumber(lengthText)
    if (!(length <= Number.MAX_SAFE_INTEGER)) return 'R40'
  }

  if (rawHost === undefined ? minor === 1 : rawHost === '') return 'R40'
  const host = rawHost === undefined ? '' : readHost(rawHost)
  if (host === undefined) return 'R40'
  if (target.charCodeAt(0) !== 47 && target !== '*') {
    const authority = ABSOLUTE_TARGET.exec(target)
    // RFC 9112 §3.2.2 lets the target win over Host; two names for one request are how caches were fooled, so they must agree.
    if (authority === null || readHost(authority[1] as string) !== host) return 'R40'
    target = target.slice(authority[0].length)
    if (target === '') target = method === 'OPTIONS' ? '*' : '/'
    else if (target.charCodeAt(0) === 63) target = `/${target}`
  }
  if (target === '*' && method !== 'OPTIONS') return 'R40'

  const expectsContinue = expectation !== undefined && minor === 1
  if (expectsContinue && expectation?.toLowerCase() !== '100-continue') return 'R48'

  let keepAlive = minor === 1
  if (connection === 'keep-alive' || connection === 'Keep-Alive') {
    keepAlive = true
    upgrade = ''
  } else if (connection !== '') {
    const options = connection.toLowerCase().split(',')
    keepAlive = minor === 1 ? !hasOption(options, 'close') : hasOption(options, 'keep-alive') && !hasOption(options, 'close')
    if (minor === 0 || !hasOption(options, 'upgrade')) upgrade = ''
    fields = withoutNamed(fields, options)
    trailer = withoutNamed(trailer, options)
    trustedFields = withoutNamed(trustedFields, options)
  } else upgrade = ''
  if (upgrade !== '') upgrade = harmlessProtocols(upgrade)

  return {
    raw: head,
    method,
    target,
    host,
    minor,
    version: version ?? (minor === 1 ? '1.1' : '1.0'),
    keepAlive,
    length,
    expectsContinue,
    takesTrailers,
    trailer,
    upgrade,
    fields,
    trustedFields,
    idFields,
    forwardedFor,
    forwardedProto,
    forwardedPort,
    correlationId,
    acceptEncoding,
    loop,
    inLog: undefined,
    beginning: '',
  }
}

/** How a request begins on its way to the app: its line, its host, and the header lines that pass on. */
export function beginning(head: RequestHead, fields: string): string {
  return `${head.method} ${head.target} HTTP/1.1\r\nHost: ${head.host}\r\n${fields}`
}

/** A copy that differs. */
export function changed(head: RequestHead, change: Partial<RequestHead>): RequestHead {
  return { ...head, ...change, beginning: '' }
}

/** Why a head is no request: the names of HTTP versions we do not speak get 505, all else 400. */
function requestFault(head: string): ErrorCode {
  const line = /^(?:\r\n)?[^ \r\n]+ [^ \r\n]+ ([^ \r\n]*)\r\n/.exec(head)
  return line !== null && /^HTTP\/[0-9]\.[0-9]$/.test(line[1] as string) && !/^HTTP\/1\.[01]$/.test(line[1] as string) ? 'R45' : 'R40'
}

function lineCount(head: string): number {
  let count = 0
  for (let at = head.indexOf('\n'); at >= 0; at = head.indexOf('\n', at + 1)) count++
  return count
}

/** An upgrade to h2c or TLS would carry requests past every check of ours (CVE class h2csmuggler), so it is never passed on. */
function harmlessProtocols(value: string): string {
  return value
    .split(',')
    .map(withoutBlanks)
    .filter(protocol => PROTOCOL.test(protocol) && !HIDES_REQUESTS.test(protocol))
    .join(', ')
}
