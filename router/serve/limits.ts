import { HTTP2_LIMITS, type Http2Limits } from '../http2/limits.ts'

/** What one worker grants its peers. Each value has a default that {@link DEFAULT_LIMITS} explains; the operator may change any. */
export interface Limits extends Http2Limits {
  readonly requestLineBytesMax: number
  readonly fieldCountMax: number
  readonly responseHeadBytesMax: number
  readonly interimCountMax: number
  readonly encodersMax: number
  readonly connectionsMax: number
  readonly appRequestsMax: number
  readonly rateClientsMax: number
  readonly clientShare: number
  readonly gitConnectionsMax: number
  readonly handshakesMax: number
  readonly handshakeMs: number
  readonly clientHandshakesPerSecondMax: number
  readonly nameHandshakesPerSecondMax: number
  readonly onDemandWaitMs: number
  readonly onDemandWaitingMax: number
  readonly giveWayMs: number
  readonly idleUpstreamsMax: number
  readonly idleUpstreamMs: number
  readonly slowStartMs: number
  readonly bufferedBytesMax: number
  readonly stashBytesMax: number
  readonly drainBodyBytesMax: number
  readonly firstByteMs: number
  readonly headMs: number
  readonly bodyWindowMs: number
  readonly bodyBytesPerSecondMin: number
  readonly sendStallMs: number
  readonly halfClosedMs: number
  readonly lingerMs: number
  readonly lingerBytesMax: number
  readonly tickMs: number
}

export const DEFAULT_LIMITS: Limits = {
  ...HTTP2_LIMITS,
  // A longer request line gets 414; RFC 9112 §3 asks for 8000 octets at least.
  requestLineBytesMax: 16 * 1024,
  // More header fields than this get 431; browsers send under 30.
  fieldCountMax: 200,
  // A longer response head gets 502; the contract's 4 KB made deis/router#293.
  responseHeadBytesMax: 128 * 1024,
  // 1xx answers passed per request; an app could otherwise send them for ever.
  interimCountMax: 16,
  // Answers being compressed as they come, each with 0.3 to 1 MB of memory; those beyond go as they are.
  encodersMax: 256,
  // Client connections of one worker. When all are taken the longest idle one makes room; where none idles the newcomer gets 503.
  connectionsMax: 50_000,
  // Of these, what one IPv4 address or IPv6 /64 may hold, trusted proxies excepted: four clients at least are needed to fill a worker, and a
  // company behind one address has room for 12,500.
  clientShare: 0.25,
  // Of the git port, apart from the others. The builder takes 128.
  gitConnectionsMax: 256,
  // TLS handshakes under way; a stalled one then gives way. One costs up to half a millisecond of a core, so this is a second of work.
  handshakesMax: 2_000,
  // From the first byte of TLS to the end of the handshake: far more than an honest client needs, wherever it is.
  handshakeMs: 10_000,
  // TLS handshakes that one IPv4 address or IPv6 /64 begins, trusted proxies excepted, and full ones for one name; five seconds' worth may come at
  // once. A fifth of a core for one client, two fifths for a name, so that no tenant's flood takes the handshakes of the others.
  clientHandshakesPerSecondMax: 500,
  nameHandshakesPerSecondMax: 1_000,
  // Handshakes that wait for a certificate which is being had because of them: an authority takes 3 to 8 s, clients wait 10 s and more, and the
  // handshake as a whole has 10 s. Each holds a connection, so an attacker who makes up names has no more than these.
  onDemandWaitMs: 8_000,
  onDemandWaitingMax: 100,
  // Who idles, or is in a handshake, for less than this is not closed to make room: it is about to go on.
  giveWayMs: 1_000,
  // Requests in flight of one app that does not say (`x-requests-max`): half the connections, so that one which hangs leaves room for all others.
  appRequestsMax: 25_000,
  // Clients whose rates are remembered, of all apps; each costs some 100 bytes.
  rateClientsMax: 100_000,
  // Kept-alive connections per endpoint.
  idleUpstreamsMax: 256,
  // Node's own servers close at 5 s: to reuse a connection at that moment costs a failed request.
  idleUpstreamMs: 4_000,
  // An endpoint that joins others, or returns after failures, gets its whole share only after this: caches and JIT compilers are cold.
  slowStartMs: 10_000,
  // Bodies that one worker gathers for apps that ask for it (`x-request-buffering`); beyond it they are passed on as they come.
  bufferedBytesMax: 64 * 1024 * 1024,
  // Bytes of pipelined requests (or of an upgraded protocol) kept while an answer is under way; then reading stops.
  stashBytesMax: 64 * 1024,
  // When the router answers by itself: a body up to this is read to its end and the connection kept, a longer one closes it.
  drainBodyBytesMax: 64 * 1024,
  // A connection that has never said anything.
  firstByteMs: 30_000,
  // From the first byte of a head to its last, however often bytes arrive.
  headMs: 20_000,
  // A body must bring the minimum rate in every window; there is no limit on its whole time (traefik#10611).
  bodyWindowMs: 20_000,
  bodyBytesPerSecondMin: 50,
  // A client that takes nothing of an answer for so long is dropped. Linux reports room only when a third of the socket's buffer is free.
  sendStallMs: 120_000,
  // A client that has ended its side after a request still gets its answer, but most such clients are gone: an app that is silent for so long
  // is not kept busy for them.
  halfClosedMs: 60_000,
  // After a last answer, what still arrives is read and dropped, so that no reset destroys the answer on its way (RFC 9112 §9.6).
  lingerMs: 2_000,
  lingerBytesMax: 16 * 1024 * 1024,
  tickMs: 250,
}

// A worker for so few connections is one for few apps; half of them would starve each.
const SHARE_MIN = 64

/** The limits of a worker: what is given, else the defaults; with fewer connections an app that does not say may have half of those. */
export function limitsOf(given: Partial<Limits> = {}): Limits {
  const limits = { ...DEFAULT_LIMITS, ...given }
  return { ...limits, appRequestsMax: given.appRequestsMax ?? Math.min(limits.appRequestsMax, shareOf(limits.connectionsMax)) }
}

/** Requests in flight that one app may have of so many connections. */
export function shareOf(connectionsMax: number): number {
  return Math.max(SHARE_MIN, Math.ceil(connectionsMax / 2))
}
