import { isIP } from 'node:net'
import { statedAddress } from './stated-address.ts'

/** What a PROXY header says: the client's address, or nothing but its own length (`UNKNOWN`, `LOCAL`: health checks of the balancer). */
export interface ProxyHeader {
  readonly bytes: number
  readonly address?: string
  readonly port?: number
}

const V1_BYTES_MAX = 107
const V1_START = Buffer.from('PROXY ', 'latin1')
const V2_START = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const V2_FIXED_BYTES = 16
// Room for addresses and the usual TLVs; the format allows 64 KiB.
const V2_REST_BYTES_MAX = 2048
const PORT = /^(?:0|[1-9][0-9]{0,4})$/

/**
 * Reads a PROXY protocol header, version 1 or 2, from the front of a connection.
 *
 * @param bytes what has arrived so far
 * @returns the header; `undefined` while more must arrive; `false` when this is none
 * @see https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt §2.1, §2.2
 */
export function readProxyHeader(bytes: Buffer): ProxyHeader | undefined | false {
  if (startsAlike(bytes, V1_START)) return readV1(bytes)
  if (startsAlike(bytes, V2_START)) return readV2(bytes)
  return false
}

/** True while the bytes agree with `start` as far as both go. */
function startsAlike(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length)
  return bytes.compare(start, 0, length, 0, length) === 0
}

function readV1(bytes: Buffer): ProxyHeader | undefined | false {
  const text = bytes.toString('latin1', 0, V1_BYTES_MAX)
  const end = text.indexOf('\r\n')
  if (end < 0) return bytes.length >= V1_BYTES_MAX || text.includes('\n') ? false : undefined
  const words = text.slice(0, end).split(' ')
  if (words[1] === 'UNKNOWN') return { bytes: end + 2 }
  const [, family, source = '', destination = '', sourcePort = '', destinationPort = ''] = words
  const version = family === 'TCP4' ? 4 : family === 'TCP6' ? 6 : 0
  if (words.length !== 6 || version === 0 || isIP(source) !== version || isIP(destination) !== version) return false
  if (!isPort(sourcePort) || !isPort(destinationPort)) return false
  return { bytes: end + 2, address: statedAddress(source), port: Number(sourcePort) }
}

function isPort(text: string): boolean {
  return PORT.test(text) && Number(text) <= 65535
}

function readV2(bytes: Buffer): ProxyHeader | undefined | false {
  if (bytes.length < V2_FIXED_BYTES) return undefined
  const command = bytes[12] as number
  const family = bytes[13] as number
  const rest = bytes.readUInt16BE(14)
  if (command >> 4 !== 2 || (command & 15) > 1 || rest > V2_REST_BYTES_MAX) return false
  const length = V2_FIXED_BYTES + rest
  if (bytes.length < length) return undefined
  // LOCAL, or a family that says nothing about TCP: the connection is the peer's own.
  if ((command & 15) === 0 || family === 0) return { bytes: length }
  if (family === 0x11) {
    if (rest < 12) return false
    return { bytes: length, address: [...bytes.subarray(16, 20)].join('.'), port: bytes.readUInt16BE(24) }
  }
  if (family === 0x21) {
    if (rest < 36) return false
    return { bytes: length, address: addressOf(bytes.subarray(16, 32)), port: bytes.readUInt16BE(48) }
  }
  return false
}

/** 16 bytes as an IPv6 address in its usual short form. */
function addressOf(bytes: Buffer): string {
  return statedAddress(Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16)).join(':'))
}
