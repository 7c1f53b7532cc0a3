import { styleText } from 'node:util'
import { confirm, isCancel, password, text } from '@clack/prompts'
import { CommandError } from './command-error.ts'

type Style = Parameters<typeof styleText>[0]

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']

/** All that a command shows: results on standard output, progress and questions on standard error. Colours only for a terminal without `NO_COLOR`. */
export class Output {
  /** Results as JSON, for programs. */
  readonly isJson: boolean

  constructor(isJson: boolean) {
    this.isJson = isJson
  }

  line(content = ''): void {
    process.stdout.write(`${content}\n`)
  }

  /** The result of a command: the value itself with `--json`, else what `show` prints. */
  result(value: unknown, show: () => void): void {
    if (this.isJson) this.line(JSON.stringify(value, null, 2))
    else show()
  }

  title(content: string): void {
    this.line(this.style('bold', `=== ${content}`))
  }

  /** Columns two spaces apart; an empty table says so. */
  table(header: readonly string[], rows: readonly (readonly string[])[], whenEmpty: string): void {
    if (rows.length === 0) {
      this.line(this.style('dim', whenEmpty))
      return
    }
    const widths = header.map((name, column) => Math.max(name.length, ...rows.map(row => (row[column] ?? '').length)))
    const format = (row: readonly string[]) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd()
    this.line(this.style('dim', format(header.map(name => name.toUpperCase()))))
    for (const row of rows) this.line(format(row))
  }

  /** Names and values, the values in one column. */
  pairs(entries: readonly (readonly [string, string])[], whenEmpty = 'Nothing is set.'): void {
    if (entries.length === 0) {
      this.line(this.style('dim', whenEmpty))
      return
    }
    const width = Math.max(...entries.map(([name]) => name.length))
    for (const [name, value] of entries) this.line(`${name.padEnd(width)}  ${value.replaceAll('\n', `\n${' '.repeat(width + 2)}`)}`)
  }

  /** Shows that work goes on, with its time, until it is over. Nothing of it on a pipe but a line at the end. */
  async progress<T>(label: string, work: Promise<T>): Promise<T> {
    const startedAt = performance.now()
    const isLive = process.stderr.isTTY === true && !this.isJson && !process.env['CI'] && process.env['TERM'] !== 'dumb'
    const seconds = () => Math.round((performance.now() - startedAt) / 1000)
    let frame = 0
    const draw = () => process.stderr.write(`\r\x1b[K${FRAMES[frame++ % FRAMES.length]} ${label}… ${seconds()} s`)
    const timer = isLive ? setInterval(draw, 80) : undefined
    try {
      const value = await work
      if (!this.isJson) process.stderr.write(`${isLive ? '\r\x1b[K' : ''}${label}… done (${seconds()} s)\n`)
      return value
    } catch (error) {
      if (!this.isJson) process.stderr.write(`${isLive ? '\r\x1b[K' : ''}${label}… failed\n`)
      throw error
    } finally {
      clearInterval(timer)
    }
  }

  style(style: Style, content: string): string {
    return styleText(style, content, { stream: process.stdout })
  }

  note(content: string): void {
    if (!this.isJson) process.stderr.write(`${content}\n`)
  }
}

/** Asks for a text. @throws {CommandError} without a terminal: a script must give `flag` instead */
export function askText(message: string, flag: string): Promise<string> {
  return answered(text({ message, ...quiet(flag) }))
}

/** As {@link askText}, without showing what is typed. */
export function askPassword(message: string, flag: string): Promise<string> {
  return answered(password({ message, ...quiet(flag) }))
}

export function askConfirm(message: string, flag: string): Promise<boolean> {
  return answered(confirm({ message, initialValue: false, ...quiet(flag) }))
}

/** Refuses before a prompt is drawn that nobody could answer. */
function quiet(flag: string): object {
  if (!process.stdin.isTTY) throw new CommandError(`Cannot ask without a terminal: give ${flag}`, 2)
  return { output: process.stderr }
}

async function answered<T>(prompt: Promise<T>): Promise<Exclude<T, symbol>> {
  const answer = await prompt
  if (isCancel(answer)) throw new CommandError('Cancelled')
  return answer as Exclude<T, symbol>
}
