import type { ServerResponse } from 'node:http'
import type { Listener } from './hub.ts'
import type { LogRecord } from './record.ts'

/** Text that waits for one slow reader at most; what comes above it is left out and counted. */
const WAITING_BYTES_MAX = 1024 * 1024

export interface Follower {
  readonly take: Listener
  /** Sends what stood before, then what {@link take} has heard meanwhile. */
  begin(history: readonly LogRecord[]): void
  end(): void
}

/**
 * Sends lines to one reader as they come. A reader who is too slow loses lines, never memory of ours, and is told how many in a line of its
 * own (`L11`, the code that Heroku's users know).
 */
export function sendLines(response: ServerResponse, render: (records: readonly LogRecord[]) => string, timeoutMs?: number): Follower {
  let waiting: readonly LogRecord[][] | LogRecord[][] = []
  let hasBegun = false
  let dropped = 0

  function send(records: readonly LogRecord[]): void {
    if (response.writableEnded || response.destroyed) return
    if (response.writableLength > WAITING_BYTES_MAX) {
      dropped += records.length
      return
    }
    if (dropped > 0) {
      const notice: LogRecord = {
        ts: sortableNow(),
        source: 'controller',
        level: 'WARN',
        text: `L11 reader too slow: ${dropped} lines dropped`,
      }
      dropped = 0
      response.write(render([notice]))
    }
    const text = render(records)
    if (text !== '') response.write(text)
  }

  const end = () => {
    clearTimeout(timer)
    if (!response.writableEnded) response.end()
  }
  const timer = timeoutMs === undefined ? undefined : setTimeout(end, timeoutMs)
  response.once('close', () => clearTimeout(timer))
  // The notice must not wait for the next line of a quiet app.
  response.on('drain', () => dropped > 0 && send([]))

  return {
    take: records => (hasBegun ? send(records) : void (waiting as LogRecord[][]).push([...records])),
    begin(history) {
      hasBegun = true
      send(history)
      for (const records of waiting) send(records)
      waiting = []
    },
    end,
  }
}

function sortableNow(): string {
  return new Date().toISOString().replace('Z', '000000Z')
}
