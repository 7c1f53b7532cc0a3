/** What a client says at the beginning of a TLS connection, as far as it matters before the handshake. */
export interface ClientHello {
  /** As it was sent; '' for none. */
  readonly serverName: string
  /** Of ALPN. */
  readonly protocols: readonly string[]
}

/** With post-quantum keys they have 2 KB; what is longer is left to OpenSSL. */
export const HELLO_BYTES_MAX = 8 * 1024

const SERVER_NAME = 0
const ALPN = 16

/**
 * Reads a ClientHello from the front of a connection (RFC 8446 §4.1.2), in however many records it came.
 *
 * @returns `undefined` while more must come, `null` for what is none
 */
export function readClientHello(bytes: Buffer): ClientHello | undefined | null {
  try {
    const message = gather(bytes)
    return message && parse(message)
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
}

/** The handshake message that the first records hold. @throws {RangeError} when they hold no ClientHello */
function gather(bytes: Buffer): Buffer | undefined {
  const parts: Buffer[] = []
  let wanted = 4
  let have = 0
  for (let at = 0; have < wanted; ) {
    if (at >= HELLO_BYTES_MAX || (at < bytes.length && bytes[at] !== 22)) throw new RangeError('This is no handshake')
    if (bytes.length < at + 5) return undefined
    const length = bytes.readUInt16BE(at + 3)
    if (length === 0 || length > HELLO_BYTES_MAX) throw new RangeError('This is no record')
    const part = bytes.subarray(at + 5, at + 5 + length)
    parts.push(part)
    have += part.length
    at += 5 + length
    if (wanted === 4) {
      const head = Buffer.concat(parts)
      if (head.length > 0 && head[0] !== 1) throw new RangeError('This is no ClientHello')
      if (head.length >= 4) wanted += head.readUIntBE(1, 3)
      if (wanted > HELLO_BYTES_MAX) throw new RangeError('This is too long')
    }
    if (part.length < length && have < wanted) return undefined
  }
  return Buffer.concat(parts).subarray(4, wanted)
}

/** @throws {RangeError} when it ends too soon */
function parse(message: Buffer): ClientHello {
  // Version and random, then session id, cipher suites and compression methods.
  let at = 2 + 32
  at += 1 + message.readUInt8(at)
  at += 2 + message.readUInt16BE(at)
  at += 1 + message.readUInt8(at)
  let serverName = ''
  const protocols: string[] = []
  const end = at === message.length ? at : at + 2 + message.readUInt16BE(at)
  for (at += 2; at < end; ) {
    const type = message.readUInt16BE(at)
    const body = message.subarray(at + 4, at + 4 + message.readUInt16BE(at + 2))
    at += 4 + message.readUInt16BE(at + 2)
    // RFC 6066 §3: a list of one, of type host_name.
    if (type === SERVER_NAME && body.readUInt8(2) === 0) serverName = body.toString('latin1', 5, 5 + body.readUInt16BE(3))
    if (type !== ALPN) continue
    for (let place = 2; place < body.length; place += 1 + body.readUInt8(place))
      protocols.push(body.toString('latin1', place + 1, place + 1 + body.readUInt8(place)))
  }
  return { serverName, protocols }
}
