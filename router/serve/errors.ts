/** Whose side failed: it decides the level of the log and where to look. */
export type Fault = 'client' | 'operator' | 'app' | 'router'

/** What there is to say of an error. */
export interface ErrorKind {
  /** 0: nothing can be answered any more, the code is for the log only. */
  readonly status: number
  readonly fault: Fault
  /** For the page: what happened, in the reader's words; never an address, a version or a stack. */
  readonly text: string
  /** For Retry-After, where waiting helps. */
  readonly retryAfterSeconds?: number
}

/**
 * Every error of the router by its code. Codes are API: they stand in pages, logs and metrics and never change their meaning. The README has
 * a table of them, which `UPDATE=1 npm test -- router/serve/errors.test.ts` writes.
 */
export const ERRORS = {
  R10: { status: 404, fault: 'client', text: 'There is no app at this address' },
  R11: { status: 405, fault: 'client', text: 'This method is not allowed here' },
  R12: { status: 403, fault: 'client', text: 'This app does not accept requests from your address' },
  R13: { status: 508, fault: 'operator', text: 'This request has come back to the router too often' },
  R14: { status: 401, fault: 'client', text: 'This app asks for a name and a password' },
  R15: { status: 429, fault: 'client', text: 'There were too many requests in a short time' },
  R16: { status: 421, fault: 'client', text: 'This connection was opened for another site' },
  R18: { status: 501, fault: 'client', text: 'This protocol cannot be reached here' },
  R19: { status: 503, fault: 'operator', text: 'Names and passwords cannot be checked at the moment', retryAfterSeconds: 5 },
  R20: { status: 503, fault: 'app', text: 'This app has nothing running that could answer', retryAfterSeconds: 10 },
  R21: { status: 503, fault: 'operator', text: 'This app is in maintenance and will be back soon', retryAfterSeconds: 120 },
  R22: { status: 503, fault: 'app', text: 'This app has as many requests under way as it may', retryAfterSeconds: 2 },
  R24: { status: 502, fault: 'app', text: 'This app speaks HTTP/2 and takes no WebSockets over it' },
  R25: { status: 502, fault: 'app', text: 'This app was to be spoken to in HTTP/2 over TLS, and does not offer it' },
  R30: { status: 502, fault: 'app', text: 'The app refused the connection' },
  R31: { status: 504, fault: 'app', text: 'The app did not accept the connection in time' },
  R32: { status: 504, fault: 'app', text: 'The app did not answer in time' },
  R33: { status: 502, fault: 'app', text: 'The app closed the connection without an answer' },
  R34: { status: 502, fault: 'app', text: 'The app sent an answer that is not valid HTTP' },
  R35: { status: 502, fault: 'app', text: 'The head of the app’s answer is too large' },
  R36: { status: 0, fault: 'app', text: 'The app stopped in the middle of its answer' },
  R37: { status: 502, fault: 'app', text: 'The app changed to a protocol that nobody asked for' },
  R38: { status: 502, fault: 'app', text: 'The app could not be reached over TLS as it asks to be' },
  R39: { status: 504, fault: 'app', text: 'The app took longer than it allows itself for a request' },
  R40: { status: 400, fault: 'client', text: 'The request is not valid HTTP' },
  R41: { status: 431, fault: 'client', text: 'The request’s header fields are too large' },
  R42: { status: 414, fault: 'client', text: 'The request’s address is too long' },
  R43: { status: 413, fault: 'client', text: 'The request’s body is larger than this app accepts' },
  R44: { status: 408, fault: 'client', text: 'The request did not arrive in time' },
  R45: { status: 505, fault: 'client', text: 'This version of HTTP is not supported' },
  R46: { status: 501, fault: 'client', text: 'This transfer coding is not supported' },
  R47: { status: 0, fault: 'client', text: 'The client went away before the answer was complete' },
  R48: { status: 417, fault: 'client', text: 'This expectation cannot be met' },
  R49: { status: 0, fault: 'client', text: 'The client took too long to take the answer' },
  R50: { status: 500, fault: 'router', text: 'The router failed' },
  R51: { status: 503, fault: 'router', text: 'The router has no place for another connection' },
} as const satisfies Record<string, ErrorKind>

export type ErrorCode = keyof typeof ERRORS

const STATUS_TEXTS: Record<number, string> = {
  200: 'OK',
  204: 'No Content',
  301: 'Moved Permanently',
  302: 'Found',
  303: 'See Other',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  413: 'Content Too Large',
  414: 'URI Too Long',
  417: 'Expectation Failed',
  421: 'Misdirected Request',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
  508: 'Loop Detected',
}

/** An answer that the router gives by itself. */
export interface Reply {
  readonly status: number
  /** Header lines, each with its CRLF; of an error those beside its page's. */
  readonly fields: string
  /** Not of an error, whose page is made when it is sent. */
  readonly body: string
  readonly code?: ErrorCode
}

/** The reason phrase of a status of ours. */
export function reasonOf(status: number): string {
  return STATUS_TEXTS[status] ?? ''
}

/**
 * An answer that tells an error; its page is made when it is sent.
 *
 * @param fields header lines beside those of the page, each with its CRLF
 */
export function errorReply(code: ErrorCode, fields = ''): Reply {
  return { status: ERRORS[code].status, code, fields, body: '' }
}

/** An empty redirect. */
export function redirectReply(location: string, status = 301): Reply {
  return { status, fields: `Location: ${location}\r\nContent-Type: text/plain\r\n`, body: '' }
}
