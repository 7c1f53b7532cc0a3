/** Frame types, RFC 9113 §6. */
export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const

export const FLAG = { ack: 0x1, endStream: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const

/** Error codes, RFC 9113 §7. */
export const CODE = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  settingsTimeout: 4,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  connectError: 10,
  enhanceYourCalm: 11,
  inadequateSecurity: 12,
  http11Required: 13,
} as const

export type Http2Code = (typeof CODE)[keyof typeof CODE]

/** Settings, RFC 9113 §6.5.2, RFC 8441 §3 and RFC 9218 §2.1. */
export const SETTING = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
  enableConnectProtocol: 8,
  noRfc7540Priorities: 9,
} as const

/** Octets of a frame's header. */
export const FRAME_HEAD = 9
/** The largest frame that a peer may send us: the smallest that SETTINGS_MAX_FRAME_SIZE can say. */
export const FRAME_BYTES_MAX = 16_384
export const WINDOW_MAX = 2 ** 31 - 1
export const WINDOW_DEFAULT = 65_535
/** What a client says first, RFC 9113 §3.4. */
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

/** Writes a frame's header; returns where its payload begins. */
export function writeFrameHead(out: Buffer, at: number, length: number, type: number, flags: number, stream: number): number {
  out[at] = length >> 16
  out[at + 1] = length >> 8
  out[at + 2] = length
  out[at + 3] = type
  out[at + 4] = flags
  out[at + 5] = stream >> 24
  out[at + 6] = stream >> 16
  out[at + 7] = stream >> 8
  out[at + 8] = stream
  return at + FRAME_HEAD
}

export function write32(out: Buffer, at: number, value: number): number {
  out[at] = value >>> 24
  out[at + 1] = value >> 16
  out[at + 2] = value >> 8
  out[at + 3] = value
  return at + 4
}

export function read32(bytes: Buffer, at: number): number {
  return (
    (((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)) >>> 0
  )
}
