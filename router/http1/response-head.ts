import { type BodyLength, CHUNKED, UNTIL_CLOSE } from './body.ts'
import { hasOption, lowerCase, readNumber, TOKEN, VALUE, withoutNamed, withoutTrailingBlanks } from './fields.ts'

/** An app's answer as one strict reading of its head gives it. */
export interface ResponseHead {
  readonly status: number
  readonly reason: string
  /** The header lines that pass on, each with its CRLF. */
  readonly fields: string
  /** 0 for an answer that has no body whatever its fields say. */
  readonly length: BodyLength
  /** The Content-Length of the body that a HEAD or 304 answer stands for; -1: none given. */
  readonly statedLength: number
  /** `Trailer` lines, each with its CRLF, of a body that has a place for them. */
  readonly trailer: string
  readonly keepAlive: boolean
  /** From `Keep-Alive: timeout=`; 0: none given. */
  readonly keepAliveMs: number
  readonly upgrade: string
}

// As of a request (see request-head.ts): one expression checks the head, another finds the lines that mean something to us.
const RESPONSE = new RegExp(`^HTTP/1\\.[01] [1-5][0-9]{2}(?: ${VALUE})?\\r\\n(?:${TOKEN}+:${VALUE}\\r\\n)*\\r\\n$`)

const RESPONSE_MEANING =
  /\r\n(connection|content-length|transfer-encoding|keep-alive|upgrade|te|trailer|proxy-connection|http2-settings):[\t ]*([^\r]*)/gi

/**
 * Reads an app's response head; an app is a tenant, so as strictly as a request.
 *
 * @param head the bytes up to and including the empty line, as latin1
 * @param method of the request: the answer to HEAD has no body
 * @returns the head, or undefined when it means nothing or two things
 */
export function parseResponseHead(head: string, method: string): ResponseHead | undefined {
  if (!RESPONSE.test(head)) return undefined
  const minor = head.charCodeAt(7) === 49 ? 1 : 0
  const status = readNumber(head.slice(9, 12))
  // HTTP/1.0 knows no interim answers (RFC 9110 §15.2): for some readers one is the last answer of its connection.
  if (minor === 0 && status < 200) return undefined
  let fields = ''
  let connection = ''
  let lengthText: string | undefined
  let coding: string | undefined
  let upgrade = ''
  let trailer = ''
  let keepAliveMs = 0
  let isLast = false
  const linesAt = head.indexOf('\r\n', 12) + 2
  let from = linesAt
  RESPONSE_MEANING.lastIndex = linesAt - 2
  for (let line = RESPONSE_MEANING.exec(head); line !== null; line = RESPONSE_MEANING.exec(head)) {
    const start = line.index + 2
    if (start > from) fields += head.slice(from, start)
    from = RESPONSE_MEANING.lastIndex + 2
    const value = withoutTrailingBlanks(line[2] as string)
    switch (lowerCase(line[1] as string)) {
      case 'connection':
        connection = connection === '' ? value : `${connection},${value}`
        break
      // As in a request: a tab around these is allowed, and read in more than one way.
      case 'content-length':
        if (lengthText !== undefined || head.slice(start, from).includes('\t')) return undefined
        lengthText = value
        break
      case 'transfer-encoding':
        if (coding !== undefined || head.slice(start, from).includes('\t')) return undefined
        coding = value
        break
      case 'upgrade':
        upgrade = upgrade === '' ? value : `${upgrade},${value}`
        break
      case 'trailer':
        trailer += `Trailer: ${value}\r\n`
        break
      case 'keep-alive':
        // What every Node app sends.
        if (value === 'timeout=5') keepAliveMs = 5000
        else {
          keepAliveMs = Number(/(?:^|[ ,])timeout=([0-9]{1,6})(?:[ ,]|$)/i.exec(value)?.[1] ?? 0) * 1000
          isLast = /(?:^|[ ,])(?:max|timeout)=0+(?:[ ,]|$)/i.test(value)
        }
        break
      default:
    }
  }
  if (from < head.length - 2) fields += head.slice(from, head.length - 2)

  let statedLength = -1
  if (lengthText !== undefined) {
    statedLength = readNumber(lengthText)
    if (!(statedLength <= Number.MAX_SAFE_INTEGER)) return undefined
  }
  if (coding !== undefined && (statedLength >= 0 || minor === 0 || coding.toLowerCase() !== 'chunked')) return undefined
  // RFC 9112 §6.3: no body after HEAD, 1xx, 204 and 304, whatever the fields say.
  const bodyless = method === 'HEAD' || status < 200 || status === 204 || status === 304
  const length = bodyless ? 0 : coding !== undefined ? CHUNKED : statedLength >= 0 ? statedLength : UNTIL_CLOSE

  let keepAlive = minor === 1
  if (connection === 'keep-alive' || connection === 'Keep-Alive') keepAlive = true
  else if (connection !== '') {
    const options = connection.toLowerCase().split(',')
    keepAlive = minor === 1 ? !hasOption(options, 'close') : hasOption(options, 'keep-alive') && !hasOption(options, 'close')
    fields = withoutNamed(fields, options)
    trailer = withoutNamed(trailer, options)
  }
  if (length !== CHUNKED) trailer = ''
  if (isLast) keepAlive = false
  return { status, reason: head.slice(13, linesAt - 2), fields, length, statedLength, trailer, keepAlive, keepAliveMs, upgrade }
}
