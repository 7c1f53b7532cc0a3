/** A watch event holds one object, which etcd caps at 1.5 MiB; one that is wrapped and escaped stays below this. */
const LINE_BYTES_MAX = 16 * 1024 * 1024

const LINE_END = 0x0a

/**
 * Splits a stream of UTF-8 into lines, without their ends; empty ones are left out. Bytes after the last line end never become a line: a cut
 * stream must not pass for a whole one.
 */
export class LineSplitter {
  /** Of a line that has not ended yet. */
  #parts: Buffer[] = []
  #bytes = 0

  /** @returns the lines that end in this chunk @throws {RangeError} for a line of more than 16 MiB */
  take(chunk: Buffer): string[] {
    const lines: string[] = []
    let from = 0
    for (let end = chunk.indexOf(LINE_END); end >= 0; end = chunk.indexOf(LINE_END, from)) {
      const line = this.#bytes === 0 ? chunk.toString('utf8', from, end) : this.#join(chunk.subarray(from, end))
      from = end + 1
      if (line !== '') lines.push(line)
    }
    if (from < chunk.length) this.#keep(chunk.subarray(from))
    return lines
  }

  #keep(part: Buffer): void {
    this.#parts.push(part)
    this.#bytes += part.length
    if (this.#bytes > LINE_BYTES_MAX) throw new RangeError(`Cannot read a line of more than ${LINE_BYTES_MAX} bytes`)
  }

  #join(last: Buffer): string {
    const line = Buffer.concat([...this.#parts, last]).toString()
    this.#parts = []
    this.#bytes = 0
    return line
  }
}
