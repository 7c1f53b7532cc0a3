import type { OutputStream } from './container-process.ts'

/** One record of a container's log: a line, or a part of one. */
export interface LogRecord {
  /** RFC 3339 with nine digits of fraction, in UTC: compares as text. */
  readonly time: string
  readonly stream: OutputStream
  /** The line goes on in the stream's next record. */
  readonly isPartial: boolean
  /** Without the line's end. */
  readonly text: Buffer
}

/** A longer line is written in parts, as container runtimes do. */
export const RECORD_BYTES_MAX = 16 * 1024

const NEWLINE = 0x0a
const SPACE = 0x20
const PARTIAL = 0x50

/** Times that never repeat and never go back, so that a reader can resume after the last one it saw. */
export class LogClock {
  #ms = 0
  #ns = 0
  #prefix = ''

  /** RFC 3339 with nine digits of fraction. */
  next(): string {
    const now = performance.timeOrigin + performance.now()
    const ms = Math.floor(now)
    const ns = Math.floor((now - ms) * 1e6)
    if (ms > this.#ms || (ms === this.#ms && ns > this.#ns)) this.#set(ms, ns)
    else if (this.#ns < 999_999) this.#ns++
    else this.#set(this.#ms + 1, 0)
    return `${this.#prefix}${String(this.#ns).padStart(6, '0')}Z`
  }

  #set(ms: number, ns: number): void {
    if (ms !== this.#ms) this.#prefix = new Date(ms).toISOString().slice(0, -1)
    this.#ms = ms
    this.#ns = ns
  }
}

/**
 * Writes what a container put out as records of the CRI log format, `TIME STREAM F|P TEXT`. What has no line end yet becomes a partial record at
 * once: nothing waits in memory, so a killed kubelet loses nothing that it has read.
 *
 * @see https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md
 */
export function encodeRecords(stream: OutputStream, bytes: Buffer, clock: LogClock): Buffer {
  const parts: Buffer[] = []
  const add = (from: number, to: number, tag: 'F' | 'P') => {
    parts.push(Buffer.from(`${clock.next()} ${stream} ${tag} `, 'latin1'), bytes.subarray(from, to), Buffer.from('\n'))
  }
  let start = 0
  while (start < bytes.length) {
    const newline = bytes.indexOf(NEWLINE, start)
    const end = newline < 0 ? bytes.length : newline
    while (end - start > RECORD_BYTES_MAX) {
      add(start, start + RECORD_BYTES_MAX, 'P')
      start += RECORD_BYTES_MAX
    }
    add(start, end, newline < 0 ? 'P' : 'F')
    start = end + 1
  }
  return Buffer.concat(parts)
}

/** Reads one record, its line end already taken off; `undefined` for a line that is none. */
export function parseRecord(line: Buffer): LogRecord | undefined {
  const afterTime = line.indexOf(SPACE)
  const afterStream = line.indexOf(SPACE, afterTime + 1)
  if (afterTime < 20 || afterStream < 0 || line[afterStream + 2] !== SPACE) return undefined
  const stream = line.toString('latin1', afterTime + 1, afterStream)
  if (stream !== 'stdout' && stream !== 'stderr') return undefined
  return {
    time: line.toString('latin1', 0, afterTime),
    stream,
    isPartial: line[afterStream + 1] === PARTIAL,
    text: line.subarray(afterStream + 3),
  }
}

/** Brings an RFC 3339 time into the form of {@link LogRecord.time}. @throws {RangeError} for text that is none */
export function normaliseTime(text: string): string {
  const match = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.(\d{1,9}))?(?:[Zz]|[+-]\d\d:\d\d)$/.exec(text)
  const ms = Date.parse(text)
  if (!match || Number.isNaN(ms)) throw new RangeError(`Cannot read time "${text}": write it as 2006-01-02T15:04:05Z`)
  return `${new Date(ms).toISOString().slice(0, 19)}.${(match[1] ?? '').padEnd(9, '0')}Z`
}

/**
 * Puts partial records together, each stream by itself, so that lines of the two streams never mix. A line longer than the bound is
 * handed on in pieces.
 */
export class LineJoiner {
  readonly #withTimes: boolean
  readonly #open = new Map<OutputStream, { parts: Buffer[]; length: number; isContinued: boolean }>()

  constructor(withTimes: boolean) {
    this.#withTimes = withTimes
  }

  /** The bytes that are complete now, a line end included; none while the line goes on. */
  push({ time, stream, isPartial, text }: LogRecord): Buffer[] {
    let line = this.#open.get(stream)
    if (!line) {
      line = { parts: this.#withTimes ? [Buffer.from(`${time} `)] : [], length: 0, isContinued: false }
      this.#open.set(stream, line)
    }
    line.parts.push(text)
    line.length += text.length
    if (!isPartial) {
      this.#open.delete(stream)
      return [...line.parts, Buffer.from('\n')]
    }
    if (line.length < RECORD_BYTES_MAX) return []
    const ready = line.parts
    this.#open.set(stream, { parts: [], length: 0, isContinued: true })
    return ready
  }

  /** What has no line end, when no more will come. */
  flush(): Buffer[] {
    return [...this.#open.values()].flatMap(({ parts }) => parts)
  }
}
