import { StringDecoder } from 'node:string_decoder'

/** A watch event holds one object, which etcd caps at 1.5 MiB; one that is wrapped and escaped stays below this. */
const LINE_LENGTH_MAX = 16 * 1024 * 1024

/**
 * Splits a stream of UTF-8 into lines, without their ends. Bytes after the last line end are dropped: a cut stream must not pass for a
 * whole line.
 *
 * @throws {RangeError} for a line of more than 16 Mi characters
 */
export async function* readLines(stream: AsyncIterable<Uint8Array>): AsyncIterable<string> {
  const decoder = new StringDecoder('utf8')
  let parts: string[] = []
  let length = 0
  for await (const chunk of stream) {
    const text = decoder.write(chunk)
    let from = 0
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
      const line = parts.length === 0 ? text.slice(from, end) : parts.join('') + text.slice(from, end)
      parts = []
      length = 0
      from = end + 1
      if (line !== '') yield line
    }
    if (from < text.length) {
      parts.push(from === 0 ? text : text.slice(from))
      length += text.length - from
      if (length > LINE_LENGTH_MAX) throw new RangeError(`Cannot read a line of more than ${LINE_LENGTH_MAX} characters`)
    }
  }
}
