import { StringDecoder } from 'node:string_decoder'

/** A line without end is sent in pieces of this size. */
const LINE_CHARACTERS_MAX = 4096

/** Shorter values are words such as `true`, `8080` or `eu`: hiding them would black out the output and protect nothing. */
const SECRET_CHARACTERS_MIN = 6
const SECRET_NAME = /pass|secret|token|key|auth|cred|private|salt|dsn|uri|url|cert/i

// CSI, OSC and its relatives (ended by BEL or ST), and two-character escapes.
const ESCAPE = /\x1b(?:\[([0-?]*)[ -/]*([@-~])|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~]?)/g
// C0 without tab, DEL, C1, and the marks that turn the direction of text around.
const CONTROL = /[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]/g

/**
 * Makes one line of a build fit for a pusher's terminal: nothing but text and, when asked for, colours (SGR with semicolons). Current git shows
 * any other control as `^[`, and an old one would let a build move the pusher's cursor.
 */
export function cleanLine(line: string, color: boolean): string {
  // A progress bar draws over itself with carriage returns: what was drawn last counts.
  const last = line.replace(/\r+$/, '').split('\r').at(-1)!
  const colours: string[] = []
  // Kept colours hide behind a private character while the other controls go.
  const text = last
    .replaceAll('\ue000', '')
    .replace(ESCAPE, (_, parameters: string | undefined, final: string | undefined) => {
      if (!color || final !== 'm' || !/^[0-9;]*$/.test(parameters ?? '')) return ''
      colours.push(`\x1b[${parameters}m`)
      return '\ue000'
    })
    .replace(CONTROL, '')
    .replaceAll('\ue000', () => colours.shift() ?? '')
  const reset = text.lastIndexOf('\x1b[') >= 0 && !/\x1b\[0?m[^\x1b]*$/.test(text) ? '\x1b[0m' : ''
  return expandTabs(text) + reset
}

/**
 * Makes a filter that hides an app's secrets: every config value that is long enough and not a plain word, also where it is spread over
 * lines, quoted as JSON or encoded for a URL.
 */
export function maskSecrets(config: Readonly<Record<string, string>>): (line: string) => string {
  const secrets = Object.entries(config).flatMap(([name, value]) => value.split(/\r?\n/).flatMap(line => forms(name, line.trim())))
  if (secrets.length === 0) return line => line
  // The longest first, so that a value within another does not leave the other's end in sight.
  const ordered = [...new Set(secrets)].sort((a, b) => b.length - a.length)
  const pattern = new RegExp(ordered.map(secret => RegExp.escape(secret)).join('|'), 'g')
  return line => line.replace(pattern, '********')
}

function forms(name: string, value: string): string[] {
  if (value.length < SECRET_CHARACTERS_MIN) return []
  if (!SECRET_NAME.test(name) && /^(?:[a-z]+|\d+|\/[\w./-]*)$/.test(value)) return []
  return [value, JSON.stringify(value).slice(1, -1), encodeURIComponent(value)]
}

/** Splits bytes into lines, and lines that have no end into pieces. */
export class LineSplitter {
  readonly #decoder = new StringDecoder('utf8')
  readonly #onLine: (line: string) => void
  #pending = ''

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine
  }

  push(chunk: Uint8Array): void {
    const lines = (this.#pending + this.#decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))).split('\n')
    this.#pending = lines.pop()!
    for (const line of lines) this.#emit(line)
    // A progress bar without line ends: only what it shows now is kept.
    if (this.#pending.length > LINE_CHARACTERS_MAX && this.#pending.includes('\r')) this.#pending = this.#pending.split('\r').at(-1)!
    if (this.#pending.length > 16 * LINE_CHARACTERS_MAX) {
      this.#emit(this.#pending)
      this.#pending = ''
    }
  }

  end(): void {
    this.#pending += this.#decoder.end()
    if (this.#pending !== '') this.#emit(this.#pending)
    this.#pending = ''
  }

  #emit(line: string): void {
    this.#onLine(line)
  }
}

/** Cuts a line into pieces that a terminal and git's sideband take. */
export function cutLine(line: string): string[] {
  if (line.length <= LINE_CHARACTERS_MAX) return [line]
  const pieces: string[] = []
  for (let at = 0; at < line.length; at += LINE_CHARACTERS_MAX) pieces.push(line.slice(at, at + LINE_CHARACTERS_MAX))
  return pieces
}

function expandTabs(text: string): string {
  if (!text.includes('\t')) return text
  let column = 0
  return text.replace(/\t|[^\t]+/g, part => {
    const out = part === '\t' ? ' '.repeat(8 - (column % 8)) : part
    column += out.replace(/\x1b\[[0-9;]*m/g, '').length
    return out
  })
}
