import { CommandError } from './command-error.ts'

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/
const BARE = /^[A-Za-z0-9_./:@%+,=-]*$/
const ENTRY = /^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*/

/** Writes variables as a `.env` file, which a POSIX shell reads the same way, values of several lines included. */
export function formatEnvFile(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${quote(value)}\n`)
    .join('')
}

/**
 * Reads a `.env` file: `NAME=value` lines, `export` before them if you like, `#` comments. Single quotes keep everything as it is; in double
 * quotes `\n`, `\r`, `\t`, `\"`, `\\`, `\$` and `` \` `` stand for one character; both may span lines. Nothing is expanded.
 *
 * @throws {CommandError} that names the line which is none of that
 */
export function parseEnvFile(content: string): Record<string, string> {
  const values = new Map<string, string>()
  const text = content.replace(/^\ufeff/, '')
  let at = 0
  while (at < text.length) {
    const lineEnd = endOfLine(text, at)
    const line = text.slice(at, lineEnd)
    if (/^\s*(#|$)/.test(line)) {
      at = lineEnd + 1
      continue
    }
    const [head, name] = ENTRY.exec(line) ?? []
    if (!head || !name) throw fault(text, at, 'write it as NAME=value')
    const start = at + head.length
    const [value, end] = /^["']/.test(text.slice(start, start + 1)) ? readQuoted(text, start) : [bare(text.slice(start, lineEnd)), lineEnd]
    const rest = text.slice(end, endOfLine(text, end))
    if (!/^\s*(#.*)?$/.test(rest)) throw fault(text, end, 'nothing may follow the closing quote')
    values.set(name, value)
    at = endOfLine(text, end) + 1
  }
  return Object.fromEntries(values)
}

/** Reads `NAME=value` as it stands on a command line. @throws {CommandError} for a name that no variable can have */
export function parsePair(pair: string, example = 'NAME=value'): [name: string, value: string] {
  const at = pair.indexOf('=')
  if (at <= 0) throw new CommandError(`Cannot read "${pair}": write it as ${example}`, 2)
  return [pair.slice(0, at), pair.slice(at + 1)]
}

/** True for what can be the name of a variable. */
export function isVariableName(name: string): boolean {
  return NAME.test(name)
}

function quote(value: string): string {
  if (BARE.test(value)) return value
  if (!value.includes("'")) return `'${value}'`
  return `"${value.replace(/["\\$`]/g, '\\$&')}"`
}

/** An unquoted value ends at a comment that a space precedes. */
function bare(text: string): string {
  return text.replace(/(^|\s)#.*$/, '').trim()
}

function readQuoted(text: string, start: number): [value: string, end: number] {
  const mark = text[start]
  let value = ''
  for (let at = start + 1; at < text.length; at++) {
    const character = text[at]!
    if (character === mark) return [value, at + 1]
    if (character !== '\\' || mark === "'") value += character
    else {
      const escaped = text[++at] ?? ''
      value += { n: '\n', r: '\r', t: '\t', '"': '"', '\\': '\\', $: '$', '`': '`', '\n': '' }[escaped] ?? `\\${escaped}`
    }
  }
  throw fault(text, start, `the quote ${mark} is never closed`)
}

function endOfLine(text: string, from: number): number {
  const end = text.indexOf('\n', from)
  return end < 0 ? text.length : end
}

function fault(text: string, at: number, wanted: string): CommandError {
  return new CommandError(`Cannot read line ${text.slice(0, at).split('\n').length} of the .env file: ${wanted}`, 2)
}
