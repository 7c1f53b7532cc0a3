/** Ends a list of pkt-lines. */
export const FLUSH = '0000'

/**
 * Frames one line of git's protocol: four hex digits with the length of the whole, then the line.
 *
 * @throws {RangeError} for more than the 65516 bytes that a pkt-line can carry
 * @see https://git-scm.com/docs/protocol-common#_pkt_line_format
 */
export function pktLine(payload: string | Uint8Array): Buffer {
  const body = Buffer.from(payload as string)
  if (body.length > 65_516) throw new RangeError(`Cannot frame ${body.length} bytes: a pkt-line carries 65516 at most`)
  return Buffer.concat([Buffer.from((body.length + 4).toString(16).padStart(4, '0')), body])
}

/**
 * A refusal in place of git's first line. The client prints `fatal: remote error: <text>` and ends with code 128, where a text on standard
 * error would give no more than "Could not read from remote repository".
 */
export function remoteError(text: string): Buffer {
  return pktLine(`ERR ${text}\n`)
}

/** A refusal after the client has sent its commands: sideband 3, which it prints as `remote: <text>` before it fails. */
export function sidebandError(text: string): Buffer {
  return Buffer.concat([pktLine(`\x03${text}\n`), Buffer.from(FLUSH)])
}
