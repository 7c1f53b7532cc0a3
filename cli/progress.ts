import { constants } from 'node:os'
import { styleText } from 'node:util'
import { textWidth } from './text-width.ts'

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const FRAME_MS = 80
const CLEAR = '\r\x1b[K'
const HIDE_CURSOR = '\x1b[?25l'
const SHOW_CURSOR = '\x1b[?25h'

export interface ProgressOptions {
  /** Shows nothing at all. */
  readonly isSilent: boolean
  /** Leaves no line behind when it is over. */
  readonly isFleeting?: boolean
}

/**
 * Shows on standard error that work goes on and for how long: a spinner on a terminal, on a pipe (or with `CI` set) one line at the end.
 * A signal meanwhile ends the process with 128 + its number, the cursor restored; the platform goes on with what it was asked.
 */
export async function showProgress<T>(label: string, work: Promise<T>, { isSilent, isFleeting }: ProgressOptions): Promise<T> {
  const { stderr } = process
  const startedAt = performance.now()
  const isLive = !isSilent && stderr.isTTY === true && !process.env['CI'] && process.env['TERM'] !== 'dumb'
  const seconds = () => Math.round((performance.now() - startedAt) / 1000)
  const time = () => (seconds() > 0 ? ` (${duration(seconds())})` : '')

  let frame = 0
  const draw = () => {
    const text = `${label}…${time()}`
    // A line that wraps could not be cleared any more.
    const fitting = textWidth(text) + 2 < (stderr.columns || 80) ? text : `${[...text].slice(0, (stderr.columns || 80) - 4).join('')}…`
    stderr.write(`${CLEAR}${styleText('cyan', FRAMES[frame++ % FRAMES.length]!, { stream: stderr })} ${fitting}`)
  }
  const end = (outcome: string) => {
    if (!isSilent) stderr.write(`${isLive ? CLEAR : ''}${isFleeting ? '' : `${label}… ${outcome}\n`}`)
  }
  const onSignal = (signal: NodeJS.Signals) => {
    end(signal === 'SIGINT' ? 'interrupted: the platform may go on with it' : 'ended')
    process.exit(128 + constants.signals[signal])
  }
  const restoreCursor = () => stderr.write(SHOW_CURSOR)

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, onSignal)
  if (isLive) {
    process.once('exit', restoreCursor)
    stderr.write(HIDE_CURSOR)
    draw()
  }
  const timer = isLive ? setInterval(draw, FRAME_MS) : undefined
  try {
    const value = await work
    end(`${styleText('green', 'done', { stream: stderr })}${time()}`)
    return value
  } catch (error) {
    end(styleText('red', 'failed', { stream: stderr }))
    throw error
  } finally {
    clearInterval(timer)
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, onSignal)
    if (isLive) {
      process.off('exit', restoreCursor)
      restoreCursor()
    }
  }
}

function duration(seconds: number): string {
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}
