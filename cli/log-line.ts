import { printableColours } from './printable.ts'

/** One line of an app's log, as the platform gives it with `format=json`. */
export interface LogLine {
  readonly app: string
  /** RFC 3339 in UTC with nine digits of a second: these texts sort as their times do. */
  readonly ts: string
  readonly source: string
  readonly text: string
  readonly level?: string
  readonly process?: string
  readonly release?: string
  readonly pod?: string
}

/** @returns `undefined` for what is no such line, as an older platform sends it */
export function parseLogLine(line: string): LogLine | undefined {
  if (!line.startsWith('{')) return undefined
  try {
    const value = JSON.parse(line) as Partial<LogLine>
    const isLine = [value.app, value.ts, value.source, value.text].every(field => typeof field === 'string')
    return isLine ? (value as LogLine) : undefined
  } catch {
    return undefined
  }
}

/** Who wrote a line: `deis[controller]` for the platform, else `shop[web.v3.k2x9f]`, as the classic clients show it. */
export function subjectOf(line: LogLine): string {
  if (line.source !== 'app') return `deis[${line.source}]`
  const parts = [line.process ?? 'app', line.release, line.pod?.split('-').at(-1)].filter(Boolean)
  return `${line.app}[${parts.join('.')}]`
}

/** The time and who wrote, then the text, with its colours or without any. */
export function formatLogLine(line: LogLine, options: { style: (subject: string, text: string) => string; hasColours: boolean }): string {
  const subject = subjectOf(line)
  const level = line.source === 'app' ? '' : `${line.level ?? 'INFO'} `
  const coloured = printableColours(line.text)
  const text = options.hasColours ? coloured : coloured.replace(/\x1b\[[0-9;:]*m/g, '')
  return `${options.style(subject, `${line.ts.slice(0, 19)}+00:00 ${subject}:`)} ${level}${text}`
}
