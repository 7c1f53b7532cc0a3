import { appendFile, mkdir, open, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type LogRecord, originOf } from './record.ts'
import { advance, inOrder, type LogStore, type Position, type Retention } from './store.ts'

interface Segment {
  /** Ascending; the name of its file. */
  readonly number: number
  bytes: number
  lines: number
}

interface AppFiles {
  readonly folder: string
  readonly segments: Segment[]
  readonly positions: Map<string, Position>
  /** One write at a time, in order. */
  tail: Promise<unknown>
}

/** An app keeps this many segments at most, so that the oldest tenth goes at once. */
const SEGMENT_COUNT = 10

/**
 * Lines in files of newline-delimited JSON, a folder an app, cut into segments that are let go whole. A line that a crash left half written
 * is cut off when the app is next opened.
 */
export class FileStore implements LogStore {
  readonly #folder: string
  readonly #retention: Retention
  readonly #apps = new Map<string, Promise<AppFiles>>()

  constructor(folder: string, retention: Retention) {
    this.#folder = folder
    this.#retention = retention
  }

  append(app: string, records: readonly LogRecord[]): Promise<void> {
    return this.#inTurn(app, async files => {
      const text = records.map(record => `${JSON.stringify(record)}\n`).join('')
      const bytes = Buffer.from(text)
      const segment = await this.#current(files)
      await appendFile(segmentPath(files, segment), bytes, { mode: 0o600 })
      segment.bytes += bytes.length
      segment.lines += records.length
      for (const record of records) {
        const origin = originOf(record)
        if (origin) advance(files.positions, origin, record.ts)
      }
    })
  }

  last(app: string, lineCount: number): Promise<LogRecord[]> {
    return this.#inTurn(app, async files => {
      const found: LogRecord[][] = []
      let missing = Math.min(lineCount, this.#retention.lineCountMax)
      for (const segment of files.segments.toReversed()) {
        if (missing <= 0) break
        const records = await readTail(segmentPath(files, segment), missing)
        missing -= records.length
        found.unshift(records)
      }
      return inOrder(found.flat())
    })
  }

  positions(app: string): Promise<ReadonlyMap<string, Position>> {
    return this.#inTurn(app, async files => files.positions)
  }

  async destroy(app: string): Promise<void> {
    await this.#inTurn(app, async files => {
      files.segments.length = 0
      files.positions.clear()
      await rm(files.folder, { recursive: true, force: true })
    })
    this.#apps.delete(app)
  }

  async sweep(now: number): Promise<void> {
    const oldest = now - this.#retention.ageMs
    for (const app of await readdir(this.#folder).catch(() => [])) {
      await this.#inTurn(app, async files => {
        while (files.segments[0]) {
          const { mtimeMs } = await stat(segmentPath(files, files.segments[0]))
          if (mtimeMs >= oldest) return
          await drop(files)
        }
        await rm(files.folder, { recursive: true, force: true })
        this.#apps.delete(app)
      })
    }
  }

  async close(): Promise<void> {
    const opened = await Promise.allSettled(this.#apps.values())
    await Promise.all(opened.map(outcome => outcome.status === 'fulfilled' && outcome.value.tail))
  }

  async #inTurn<T>(app: string, work: (files: AppFiles) => Promise<T>): Promise<T> {
    let opening = this.#apps.get(app)
    if (!opening) {
      opening = openApp(join(this.#folder, folderName(app)))
      this.#apps.set(app, opening)
      opening.catch(() => this.#apps.delete(app))
    }
    const files = await opening
    const turn = files.tail.then(() => work(files))
    files.tail = turn.catch(() => {})
    return turn
  }

  /** The segment to append to; a full one is closed, and the oldest lets its place. */
  async #current(files: AppFiles): Promise<Segment> {
    const { bytesMax, lineCountMax } = this.#retention
    const last = files.segments.at(-1)
    if (last && last.bytes < bytesMax / SEGMENT_COUNT && last.lines < lineCountMax / SEGMENT_COUNT) return last
    await mkdir(files.folder, { recursive: true, mode: 0o700 })
    // The positions of lines in older segments must outlive those segments, and be known without reading them.
    await writePositions(files)
    const next = { number: (last?.number ?? 0) + 1, bytes: 0, lines: 0 }
    files.segments.push(next)
    while (files.segments.length > SEGMENT_COUNT + 1) await drop(files)
    return next
  }
}

/** An app's id is a DNS label; anything else must not become a path. */
function folderName(app: string): string {
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(app)) throw new RangeError(`Cannot keep lines of app "${app}": its name is no DNS label`)
  return app
}

async function openApp(folder: string): Promise<AppFiles> {
  const files: AppFiles = { folder, segments: [], positions: new Map(), tail: Promise.resolve() }
  const names = await readdir(folder).catch(() => [])
  const numbers = names.flatMap(name => /^(\d+)\.ndjson$/.exec(name)?.[1] ?? []).map(Number)
  for (const number of numbers.sort((a, b) => a - b)) {
    const path = join(folder, `${number}.ndjson`)
    files.segments.push({ number, bytes: (await stat(path)).size, lines: 0 })
  }
  const kept = await readFile(join(folder, 'positions.json'), 'utf8').catch(() => '[]')
  for (const [origin, position] of JSON.parse(kept) as [string, Position][]) files.positions.set(origin, position)
  const last = files.segments.at(-1)
  if (last) await mend(files, last)
  return files
}

/** Counts the newest segment's lines, cuts off one that a crash left half, and brings the positions up to date. */
async function mend(files: AppFiles, segment: Segment): Promise<void> {
  const path = segmentPath(files, segment)
  const bytes = await readFile(path)
  const whole = bytes.lastIndexOf(10) + 1
  if (whole < bytes.length) await truncate(path, whole)
  segment.bytes = whole
  for (const line of bytes.toString('utf8', 0, whole).split('\n')) {
    if (line === '') continue
    segment.lines++
    const record = parse(line)
    const origin = record && originOf(record)
    if (record && origin) advance(files.positions, origin, record.ts)
  }
}

async function writePositions(files: AppFiles): Promise<void> {
  const path = join(files.folder, 'positions.json')
  await writeFile(`${path}.part`, JSON.stringify([...files.positions].slice(-1000)), { mode: 0o600 })
  await rename(`${path}.part`, path)
}

async function drop(files: AppFiles): Promise<void> {
  const [oldest] = files.segments
  if (!oldest) return
  await rm(segmentPath(files, oldest), { force: true })
  files.segments.shift()
}

/** The last lines of one file, read from its end in growing pieces. */
async function readTail(path: string, lineCount: number): Promise<LogRecord[]> {
  const file = await open(path, 'r').catch(() => undefined)
  if (!file) return []
  try {
    const { size } = await file.stat()
    for (let length = 64 * 1024; ; length *= 4) {
      const from = Math.max(0, size - length)
      const bytes = Buffer.alloc(size - from)
      await file.read(bytes, 0, bytes.length, from)
      const start = from === 0 ? 0 : bytes.indexOf(10) + 1
      const lines = bytes.toString('utf8', start).split('\n').filter(Boolean)
      if (lines.length >= lineCount || from === 0) return lines.slice(-lineCount).flatMap(line => parse(line) ?? [])
    }
  } finally {
    await file.close()
  }
}

function parse(line: string): LogRecord | undefined {
  try {
    return JSON.parse(line) as LogRecord
  } catch {
    return undefined
  }
}

function segmentPath(files: AppFiles, segment: Segment): string {
  return join(files.folder, `${segment.number}.ndjson`)
}
