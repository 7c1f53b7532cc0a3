import { styleText } from 'node:util'
import { CommandError } from './command-error.ts'
import { printable } from './printable.ts'
import { showProgress } from './progress.ts'
import { padEnd, textWidth } from './text-width.ts'

type Style = Parameters<typeof styleText>[0]

/**
 * All that a command shows: results on standard output, progress, notes and failures on standard error. Colours only for a terminal without
 * `NO_COLOR`. With `--json` standard output holds the result as JSON and nothing else, standard error one JSON object if the command fails.
 */
export class Output {
  /** Results as JSON, for programs. */
  readonly isJson: boolean

  constructor(isJson: boolean) {
    this.isJson = isJson
  }

  /** True when a person reads the results, so that nothing in them may steer his terminal. */
  get isForTerminal(): boolean {
    return process.stdout.isTTY === true && !this.isJson
  }

  /** True when colours are shown: on a terminal, without `NO_COLOR`, or with `FORCE_COLOR`. */
  get hasColours(): boolean {
    return this.style('red', '.') !== '.'
  }

  line(content = ''): void {
    process.stdout.write(`${content}\n`)
  }

  /** The result of a command: the value itself with `--json`, else what `show` prints. */
  result(value: unknown, show: () => void): void {
    if (this.isJson) this.line(jsonOf(value, 2))
    else show()
  }

  /** The result of a command that has nothing to show but that it is done. */
  done(value: object, note?: string): void {
    this.result(value, () => note === undefined || this.note(note))
  }

  title(content: string): void {
    this.line(this.style('bold', `=== ${content}`))
  }

  /** What stands in the place of an empty list. */
  empty(content: string): void {
    this.line(this.style('dim', content))
  }

  /** Columns two spaces apart; an empty table says so. */
  table(header: readonly string[], rows: readonly (readonly string[])[], whenEmpty: string): void {
    if (rows.length === 0) {
      this.empty(whenEmpty)
      return
    }
    const widths = header.map((name, column) => Math.max(name.length, ...rows.map(row => textWidth(row[column] ?? ''))))
    const format = (row: readonly string[]) =>
      row
        .map((cell, column) => padEnd(cell, widths[column]!))
        .join('  ')
        .trimEnd()
    this.line(this.style('dim', format(header.map(name => name.toUpperCase()))))
    for (const row of rows) this.line(format(row))
  }

  /** Names and values, the values in one column. */
  pairs(entries: readonly (readonly [string, string])[], whenEmpty = 'Nothing is set.'): void {
    if (entries.length === 0) {
      this.empty(whenEmpty)
      return
    }
    const width = Math.max(...entries.map(([name]) => textWidth(name)))
    for (const [name, value] of entries)
      this.line(`${padEnd(name, width)}  ${value.replaceAll('\n', `\n${' '.repeat(width + 2)}`)}`.trimEnd())
  }

  /** Shows that work goes on, with its time, until it is over. */
  progress<T>(label: string, work: Promise<T>): Promise<T> {
    return showProgress(label, work, { isSilent: this.isJson })
  }

  style(style: Style, content: string): string {
    return styleText(style, content, { stream: process.stdout })
  }

  /** Something said beside the result. */
  note(content: string): void {
    if (!this.isJson) process.stderr.write(`${printable(content)}\n`)
  }

  /** Tells why the command failed. @returns the exit code */
  failure(error: unknown): number {
    const { message } = error as Error
    const exitCode = error instanceof CommandError ? error.exitCode : 1
    const status = error instanceof CommandError ? error.status : undefined
    if (this.isJson) process.stderr.write(`${jsonOf({ error: { message, exitCode, ...(status ? { status } : {}) } })}\n`)
    else process.stderr.write(`${styleText('red', 'Error:', { stream: process.stderr })} ${printable(message)}\n`)
    return exitCode
  }
}

/** JSON that is harmless in a terminal too: `JSON.stringify` escapes C0 controls, but leaves DEL and C1 as they are. */
export function jsonOf(value: unknown, indent?: number): string {
  return JSON.stringify(value ?? null, null, indent).replace(/[\x7f-\x9f]/g, control => `\\u00${control.charCodeAt(0).toString(16)}`)
}
