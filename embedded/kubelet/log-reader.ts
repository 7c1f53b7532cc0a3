import { type FileHandle, open } from 'node:fs/promises'
import { type LogFile, listSegments, segmentPath } from './log-file.ts'
import { LineJoiner, parseRecord } from './log-records.ts'

export interface LogQuery {
  /** Go on with what comes until the container ends. */
  readonly follow?: boolean
  /** Only the last lines. */
  readonly tailLines?: number
  /** Only records from this time on, in the form of `normaliseTime()`. */
  readonly since?: string
  /** Put its time before each line. */
  readonly timestamps?: boolean
  readonly limitBytes?: number
}

interface Position {
  /** `undefined` is the current file of a log that nobody writes any more. */
  readonly segment: number | undefined
  readonly offset: number
}

const BLOCK_BYTES = 64 * 1024
const NEWLINE = 0x0a

/**
 * Reads the log of one run of a container as the container wrote it, also across rotated files; a reader so slow that a file was removed
 * before it got there goes on with the oldest that is left.
 *
 * @param live the log while it is written; without it the files are all there is
 */
export async function* readLog(path: string, live: LogFile | undefined, query: LogQuery, signal: AbortSignal): AsyncGenerator<Buffer> {
  let bytesLeft = query.limitBytes ?? Number.POSITIVE_INFINITY
  for await (const bytes of readLines(path, live, query, signal)) {
    yield bytes.length > bytesLeft ? bytes.subarray(0, bytesLeft) : bytes
    if ((bytesLeft -= bytes.length) <= 0) return
  }
}

async function* readLines(path: string, live: LogFile | undefined, query: LogQuery, signal: AbortSignal): AsyncGenerator<Buffer> {
  const joiner = new LineJoiner(query.timestamps ?? false)
  let position = await startOf(path, live, query)
  for (;;) {
    const file = await openSegment(path, live, position.segment)
    let { offset } = position
    let rest: Buffer = Buffer.alloc(0)
    try {
      while (file) {
        if (signal.aborted) return
        // Asked before reading: what is written afterwards is found by the next turn.
        const mayGrow = live !== undefined && !live.isClosed && live.segment === position.segment
        const block = Buffer.allocUnsafe(BLOCK_BYTES)
        const { bytesRead } = await file.read(block, 0, block.length, offset)
        offset += bytesRead
        if (bytesRead > 0) {
          const { lines, rest: open } = linesOf(Buffer.concat([rest, block.subarray(0, bytesRead)]), joiner, query.since)
          rest = open
          if (lines.length > 0) yield lines
        } else if (mayGrow && query.follow) {
          const { size } = await file.stat()
          if (size <= offset && live.segment === position.segment) await live.changed(signal)
        } else break
      }
    } finally {
      await file?.close()
    }
    const next = nextSegment(path, live, position.segment)
    if (next === 'end') break
    position = { segment: next, offset: 0 }
  }
  const last = Buffer.concat(joiner.flush())
  if (last.length > 0) yield last
}

/** Takes the whole records out of a block. */
function linesOf(block: Buffer, joiner: LineJoiner, since: string | undefined): { lines: Buffer; rest: Buffer } {
  const lines: Buffer[] = []
  let start = 0
  for (let end = block.indexOf(NEWLINE); end >= 0; end = block.indexOf(NEWLINE, start)) {
    const record = parseRecord(block.subarray(start, end))
    if (record && (since === undefined || record.time >= since)) lines.push(...joiner.push(record))
    start = end + 1
  }
  return { lines: Buffer.concat(lines), rest: block.subarray(start) }
}

async function openSegment(path: string, live: LogFile | undefined, segment: number | undefined): Promise<FileHandle | undefined> {
  const isCurrent = segment === live?.segment
  try {
    const file = await open(isCurrent ? path : segmentPath(path, segment!), 'r')
    if (!isCurrent || segment === live?.segment) return file
    // The current file became a full one between the question and the opening.
    await file.close()
    return await openSegment(path, live, segment)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return undefined
  }
}

function nextSegment(path: string, live: LogFile | undefined, segment: number | undefined): number | undefined | 'end' {
  if (segment === live?.segment) return 'end'
  return listSegments(path).find(full => full > segment!) ?? live?.segment
}

/** Where reading begins: at the oldest file, or so far from the end that the asked number of lines follows. */
async function startOf(path: string, live: LogFile | undefined, { tailLines }: LogQuery): Promise<Position> {
  const files: (number | undefined)[] = [...listSegments(path), live?.segment]
  if (tailLines === undefined) return { segment: files[0], offset: 0 }
  let wanted = tailLines
  for (const segment of files.reverse()) {
    const file = await openSegment(path, live, segment)
    if (!file) continue
    try {
      const { size } = await file.stat()
      const { offset, lines } = await seekLines(file, size, wanted)
      if (offset > 0 || lines === wanted) return { segment, offset }
      wanted -= lines
    } finally {
      await file.close()
    }
  }
  return { segment: files.at(-1), offset: 0 }
}

/**
 * Looks backwards for the place after which so many lines end.
 *
 * @returns that offset; 0 with the number of lines found when the file has no more than were wanted
 */
async function seekLines(file: FileHandle, size: number, wanted: number): Promise<{ offset: number; lines: number }> {
  for (let length = BLOCK_BYTES; ; length *= 2) {
    const from = Math.max(0, size - length)
    const block = Buffer.allocUnsafe(size - from)
    const { bytesRead } = await file.read(block, 0, block.length, from)
    let lines = 0
    for (let end = block.lastIndexOf(NEWLINE, bytesRead - 1); end >= 0; ) {
      const before = end === 0 ? -1 : block.lastIndexOf(NEWLINE, end - 1)
      // Cut at its front, perhaps: a larger block shows it whole.
      if (before < 0 && from > 0) break
      const record = parseRecord(block.subarray(before + 1, end))
      if (record && !record.isPartial && lines++ === wanted) return { offset: from + end + 1, lines: wanted }
      end = before
    }
    if (from === 0) return { offset: 0, lines }
  }
}
