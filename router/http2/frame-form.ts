import { CODE, FLAG, FRAME, type Http2Code } from './frames.ts'
import { dependsOn } from './header-block.ts'

/**
 * What is wrong with a frame by itself, whatever came before: its length, and whether it belongs to a stream or to the connection (RFC 9113
 * §6). All of it is an error of the connection; where the RFC asks for one of the stream only, to end the connection is allowed (§5.4.2).
 *
 * @returns noError when all is well
 */
export function frameFault(type: number, flags: number, stream: number, bytes: Buffer, start: number, end: number): Http2Code {
  const length = end - start
  switch (type) {
    case FRAME.data:
      if (stream === 0) return CODE.protocolError
      return flags & FLAG.padded && length === 0 ? CODE.frameSizeError : CODE.noError
    case FRAME.headers:
    case FRAME.continuation:
      return stream === 0 ? CODE.protocolError : CODE.noError
    case FRAME.priority:
      if (stream === 0) return CODE.protocolError
      if (length !== 5) return CODE.frameSizeError
      return dependsOn(bytes, start) === stream ? CODE.protocolError : CODE.noError
    case FRAME.reset:
      if (stream === 0) return CODE.protocolError
      return length === 4 ? CODE.noError : CODE.frameSizeError
    case FRAME.settings:
      if (stream !== 0) return CODE.protocolError
      return length % 6 !== 0 || (flags & FLAG.ack && length > 0) ? CODE.frameSizeError : CODE.noError
    case FRAME.pushPromise:
      // A client cannot send one (§8.4), and we have said that we take none of an app.
      return CODE.protocolError
    case FRAME.ping:
      if (stream !== 0) return CODE.protocolError
      return length === 8 ? CODE.noError : CODE.frameSizeError
    case FRAME.goAway:
      if (stream !== 0) return CODE.protocolError
      return length >= 8 ? CODE.noError : CODE.frameSizeError
    case FRAME.windowUpdate:
      return length === 4 ? CODE.noError : CODE.frameSizeError
    default:
      return CODE.noError
  }
}
