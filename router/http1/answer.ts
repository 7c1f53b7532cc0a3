import { type BodyLength, CHUNKED, UNTIL_CLOSE } from './body.ts'
import type { RequestHead } from './request-head.ts'

/** An answer's head as it goes to the client. */
export interface AnswerHead {
  readonly text: string
  /** What follows it. */
  readonly length: BodyLength
}

/**
 * Writes the head of an answer in the framing that the client understands (RFC 9112 §6).
 *
 * @param fields header lines that pass on, each with its CRLF, none of framing
 * @param length of the body as it comes
 * @param statedLength Content-Length of a body that does not follow (HEAD, 304); -1 for none
 * @param keepAlive whether the connection may live on
 */
export function answerHead(
  request: RequestHead,
  status: number,
  reason: string,
  fields: string,
  length: BodyLength,
  statedLength: number,
  keepAlive: boolean,
): AnswerHead {
  let framing = ''
  let sent = length
  if (request.method === 'HEAD' || status === 204 || status === 304) {
    sent = 0
    if (statedLength >= 0 && status !== 204) framing = `Content-Length: ${statedLength}\r\n`
  } else if (length >= 0) framing = `Content-Length: ${length}\r\n`
  else if (request.minor === 1) {
    framing = 'Transfer-Encoding: chunked\r\n'
    sent = CHUNKED
  } else sent = UNTIL_CLOSE
  const connection = !keepAlive || sent === UNTIL_CLOSE ? 'Connection: close\r\n' : request.minor === 1 ? '' : 'Connection: keep-alive\r\n'
  // Nearly all answers begin alike; each piece less is one less to put together.
  const statusLine = status === 200 && reason === 'OK' ? 'HTTP/1.1 200 OK\r\n' : `HTTP/1.1 ${status} ${reason}\r\n`
  return { text: `${statusLine}${fields}${framing}${connection}\r\n`, length: sent }
}
