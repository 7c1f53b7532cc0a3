import { CODE, type Http2Code, read32, SETTING, WINDOW_DEFAULT, WINDOW_MAX } from './frames.ts'

const SETTING_BYTES = 6

/** What the peer has said of itself, RFC 9113 §6.5.2; what we have no use for is checked and forgotten. */
export class PeerSettings {
  initialWindow = WINDOW_DEFAULT
  headerTableBytesMax = 4096
  /** Streams that it takes at once; of an app only. */
  streamsMax = Number.POSITIVE_INFINITY
  /** Whether it takes an extended CONNECT (RFC 8441 §3); of an app only. */
  connectProtocol = false

  /**
   * Reads the payload of a SETTINGS frame.
   *
   * @param encoder is told each size of the table that it names, as a small one counts even if a larger follows (RFC 7541 §4.2)
   * @returns an error code for the connection; noError when all is well
   */
  read(bytes: Buffer, start: number, end: number, encoder: { tableBytesMax: number }): Http2Code {
    for (let at = start; at < end; at += SETTING_BYTES) {
      const value = read32(bytes, at + 2)
      switch (((bytes[at] as number) << 8) | (bytes[at + 1] as number)) {
        case SETTING.headerTableSize:
          if (value !== this.headerTableBytesMax) encoder.tableBytesMax = value
          this.headerTableBytesMax = value
          break
        case SETTING.enablePush:
        case SETTING.enableConnectProtocol:
        case SETTING.noRfc7540Priorities:
          if (value > 1) return CODE.protocolError
          if (bytes[at + 1] === SETTING.enableConnectProtocol) this.connectProtocol = value === 1
          break
        case SETTING.maxConcurrentStreams:
          this.streamsMax = value
          break
        case SETTING.initialWindowSize:
          if (value > WINDOW_MAX) return CODE.flowControlError
          this.initialWindow = value
          break
        case SETTING.maxFrameSize:
          // We send none above the least that it may say.
          if (value < 16_384 || value > 16_777_215) return CODE.protocolError
          break
        default:
      }
    }
    return CODE.noError
  }
}
