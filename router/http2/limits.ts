/** What one HTTP/2 connection grants its client or app, beside the limits of every connection. */
export interface Http2Limits {
  readonly streamsMax: number
  readonly streamWindow: number
  readonly connectionWindow: number
  readonly trailerBytesMax: number
  readonly resetStreamsKept: number
  readonly controlBytesMax: number
  readonly upstreamStreamsMax: number
  readonly upstreamStreamWindow: number
  readonly upstreamConnectionWindow: number
}

export const HTTP2_LIMITS: Http2Limits = {
  // RFC 9113 §6.5.2 asks for 100 at least; more are refused with REFUSED_STREAM, and may be sent again.
  streamsMax: 128,
  // Bytes of one body that are kept while its app is not ready, so also what one upload brings in a round trip.
  streamWindow: 256 * 1024,
  // The same of all bodies of one connection together.
  connectionWindow: 1024 * 1024,
  trailerBytesMax: 8 * 1024,
  // Streams that we have reset and whose frames may still be on their way.
  resetStreamsKept: 256,
  // Acknowledgements and resets that wait for a client that does not read: beyond this it is an attack (CVE-2019-9512).
  controlBytesMax: 256 * 1024,
  // Exchanges on one connection to an app, or as few as it says: beyond them another connection is opened.
  upstreamStreamsMax: 100,
  // Bytes of one answer that are kept while its client is slow; 128 MB/s of one answer at a round trip of a millisecond.
  upstreamStreamWindow: 128 * 1024,
  // Granted anew as they are read, so that no slow client holds up the others.
  upstreamConnectionWindow: 1024 * 1024,
}
