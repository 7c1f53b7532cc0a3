const { latin1Slice } = Buffer.prototype as { latin1Slice?: (start: number, end: number) => string }

/**
 * A piece of a buffer as latin1 text. `toString('latin1')` does the same after it has looked at its arguments, which costs as much again; the
 * method behind it has no documentation, so where it is missing `toString` stands in.
 */
export const latin1: (bytes: Buffer, start: number, end: number) => string =
  typeof latin1Slice === 'function'
    ? (bytes, start, end) => latin1Slice.call(bytes, start, end)
    : (bytes, start, end) => bytes.toString('latin1', start, end)
