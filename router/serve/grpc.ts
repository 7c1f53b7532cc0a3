import { headValue } from '../http1/fields.ts'
import type { RequestHead } from '../http1/request-head.ts'
import { ERRORS, type ErrorCode } from './errors.ts'

const GRPC = /^application\/grpc(?:$|[+; \t])/i

/** Of the status codes of gRPC those that stand for one of HTTP; any other is 2, UNKNOWN (gRPC, http-grpc-status-mapping.md). */
const GRPC_STATUS: ReadonlyMap<number, number> = new Map([
  [400, 13], // INTERNAL
  [401, 16], // UNAUTHENTICATED
  [403, 7], // PERMISSION_DENIED
  [404, 12], // UNIMPLEMENTED
  ...[429, 502, 503, 504].map(status => [status, 14] as const), // UNAVAILABLE
])
const UNKNOWN = 2

/** Whether whoever asks understands answers of gRPC only; gRPC-Web is another protocol, whose clients read the status of HTTP. */
export function isGrpc(head: RequestHead): boolean {
  return GRPC.test(headValue(head.raw, 'content-type'))
}

/**
 * An error as gRPC tells it: an answer of a head alone, whose status of HTTP is 200 (gRPC, PROTOCOL-HTTP2.md, «Trailers-Only»).
 *
 * @returns header lines, each with its CRLF
 */
export function grpcErrorFields(code: ErrorCode): string {
  const { status, text } = ERRORS[code]
  return `Content-Type: application/grpc\r\ngrpc-status: ${GRPC_STATUS.get(status) ?? UNKNOWN}\r\ngrpc-message: ${percentEncoded(`${text} (${code})`)}\r\n`
}

/** As PROTOCOL-HTTP2.md asks of Status-Message: all but visible ASCII, and the percent sign, as octets of UTF-8. */
function percentEncoded(text: string): string {
  return text.replace(/[^ -$&-~]+/gu, part => Buffer.from(part, 'utf8').toString('hex').toUpperCase().replace(/../g, '%$&'))
}
