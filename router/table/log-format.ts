/** A piece of a log format: text as it stands (latin1), or the name of a variable. */
export type LogPiece = string | { readonly variable: string }

// The names that nginx has for what a router knows, `$app_name` of the Deis router, and three of our own: code, attempts, trace_id.
const VARIABLES: ReadonlySet<string> = new Set(
  (
    'time_iso8601 time_local msec app_name remote_addr remote_port remote_user status request request_method request_uri uri args query_string ' +
    'is_args bytes_sent body_bytes_sent server_name server_port server_protocol host scheme upstream_addr upstream_response_time ' +
    'upstream_header_time upstream_status request_time request_id request_length ssl_protocol ssl_cipher ssl_server_name ssl_session_reused pid code attempts trace_id'
  ).split(' '),
)
// Of any header field, cookie or argument, and of the answer's fields: `$http_x_forwarded_for`, `$cookie_session`, `$sent_http_content_type`.
const FAMILIES = /^(?:http|cookie|arg|sent_http)_[A-Za-z0-9_]{1,100}$/
// The router frames answers by itself, in each version of HTTP otherwise.
const FRAMING = /^sent_http_(?:connection|content_length|keep_alive|transfer_encoding|trailer|upgrade)$/
const FORMAT_LENGTH_MAX = 4096

/**
 * Reads an access log's format as nginx does: `$name` and `${name}` are variables.
 *
 * @returns its pieces in order
 * @throws {RangeError} for a variable that this router does not have, or a line break, which would make one line two
 * @see https://nginx.org/en/docs/http/ngx_http_log_module.html#log_format
 */
export function parseLogFormat(format: string): LogPiece[] {
  if (format.length > FORMAT_LENGTH_MAX) throw new RangeError(`Cannot use a log format of more than ${FORMAT_LENGTH_MAX} characters`)
  if (/[\0\r\n]/.test(format)) throw new RangeError('Cannot use a log format with a line break: a request is one line')
  const pieces: LogPiece[] = []
  let from = 0
  for (const match of format.matchAll(/\$(?:\{([^}]*)\}|(\w*))/g)) {
    const name = (match[1] ?? match[2] ?? '').toLowerCase()
    if (FRAMING.test(name)) throw new RangeError(`Cannot log "${match[0]}": what was sent is in $bytes_sent and $body_bytes_sent`)
    if (!VARIABLES.has(name) && !FAMILIES.test(name))
      throw new RangeError(
        `Cannot log "${match[0]}": write http_<field>, sent_http_<field>, cookie_<name>, arg_<name> or one of ${[...VARIABLES].join(' ')}`,
      )
    if (match.index > from) pieces.push(asLatin1(format.slice(from, match.index)))
    pieces.push({ variable: name })
    from = match.index + match[0].length
  }
  if (from < format.length) pieces.push(asLatin1(format.slice(from)))
  return pieces
}

/** Reads a format that is kept as it was written. @throws {RangeError} as {@link parseLogFormat} */
export function checkLogFormat(format: string): string {
  parseLogFormat(format)
  return format
}

function asLatin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}
