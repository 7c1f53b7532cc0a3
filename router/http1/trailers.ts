import { withoutTrailingBlanks } from './fields.ts'

/** Fields that one message may have behind its body. */
export const TRAILER_COUNT_MAX = 100

// What frames, routes, decides or authenticates a message, or says what its body is, comes too late behind it (RFC 9110 §6.5.1); nor may a
// client say there what only we say (contract 5.5). A digest is made for this place (RFC 9530 §2).
const TOO_LATE = new RegExp(
  `^(?:${[
    ...['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'te', 'trailer', 'upgrade', 'http2-settings', 'host'],
    ...['cookie', 'set-cookie', 'authorization', 'proxy-authorization', 'proxy-authenticate', 'www-authenticate', 'authentication-info'],
    ...['content-(?!digest$|md5$).*', 'cache-control', 'pragma', 'age', 'date', 'expires', 'vary', 'location', 'retry-after', 'refresh'],
    ...['expect', 'max-forwards', 'range', 'if-.*', 'early-data', 'origin', 'strict-transport-security', 'access-control-.*', 'alt-svc'],
    ...[
      'forwarded',
      'x-forwarded-.*',
      'x-real-ip',
      'x-scheme',
      'x-url-scheme',
      'front-end-https',
      '(?:x-)?ssl-client-.*',
      'cdn-loop',
      'via',
    ],
    ...['x-request-id', 'x-correlation-id', 'x-request-start'],
  ].join('|')})$`,
)
// As in a request's head: an app behind CGI cannot tell such a name from another.
const AMBIGUOUS = /[_.]/

/** Whether a field may pass on behind a body. @param name in lower case */
export function mayTrail(name: string, ofRequest: boolean): boolean {
  return !TOO_LATE.test(name) && !(ofRequest && AMBIGUOUS.test(name))
}

/**
 * The lines of a trailer section that pass on, each with its CRLF.
 *
 * @param section checked lines, each with its CRLF (see body.ts)
 */
export function passingTrailers(section: string, ofRequest: boolean): string {
  if (section === '') return ''
  let passing = ''
  for (const line of section.split('\r\n')) {
    if (line !== '' && mayTrail(line.slice(0, line.indexOf(':')).toLowerCase(), ofRequest)) passing += `${withoutTrailingBlanks(line)}\r\n`
  }
  return passing
}
