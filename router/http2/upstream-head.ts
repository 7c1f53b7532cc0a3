import { createHash } from 'node:crypto'

const HOP_BY_HOP = /^(?:transfer-encoding|connection|upgrade|te|keep-alive|proxy-connection|http2-settings):[^\r]*\r\n/gim
const UPGRADE = /\r\nUpgrade: ([^\r]*)\r\n$/
const KEY = /^sec-websocket-key:[\t ]*([^\r]*)\r\n/im
// RFC 6455 §1.3.
const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** A request as HTTP/2 says it. */
export interface UpstreamHead {
  readonly method: string
  /** The pseudo-header fields and all others, as lines, each with its CRLF. */
  readonly lines: string
  /** Of a WebSocket (RFC 8441): what HTTP/1.1 has in Sec-WebSocket-Accept; absent: it is none. */
  readonly accept?: string
}

/**
 * Reads the head that goes to an app, as it is written for HTTP/1.1, and says the same in HTTP/2 (RFC 9113 §8.3). What only one connection
 * means is left out, and so is a change to a protocol other than WebSocket, which a server may pass over (RFC 9110 §7.8).
 *
 * @param text up to and including its empty line
 * @param takesTrailers whether the client has said so
 * @param scheme of the connection to the app
 */
export function upstreamHead(text: string, takesTrailers: boolean, scheme: 'http' | 'https'): UpstreamHead {
  const methodEnd = text.indexOf(' ')
  const targetEnd = text.indexOf(' ', methodEnd + 1)
  const hostStart = text.indexOf('\r\n') + 2
  const hostEnd = text.indexOf('\r\n', hostStart)
  const method = text.slice(0, methodEnd)
  const path = text.slice(methodEnd + 1, targetEnd)
  // «Host: » comes first.
  const host = text.slice(hostStart + 6, hostEnd)
  const authority = host === '' ? '' : `:authority: ${host}\r\n`
  const rest = text.slice(hostEnd + 2, -2)
  let fields = rest.replace(HOP_BY_HOP, '')
  if (takesTrailers) fields += 'te: trailers\r\n'
  const key = method === 'GET' && isWebSocket(text) ? KEY.exec(rest)?.[1] : undefined
  if (key === undefined) return { method, lines: `:method: ${method}\r\n:scheme: ${scheme}\r\n:path: ${path}\r\n${authority}${fields}` }
  return {
    method,
    lines: `:method: CONNECT\r\n:protocol: websocket\r\n:scheme: ${scheme}\r\n:path: ${path}\r\n${authority}${fields.replace(KEY, '')}`,
    accept: createHash('sha1')
      .update(key.trim() + WEBSOCKET_GUID)
      .digest('base64'),
  }
}

function isWebSocket(text: string): boolean {
  const wanted = UPGRADE.exec(text.slice(0, -2))
  return wanted !== null && (wanted[1] as string).toLowerCase().split(', ').includes('websocket')
}
