import { cleanLine, cutLine, LineSplitter, maskSecrets } from './clean-text.ts'

/**
 * What the pusher reads. Lines that begin with `error:`, `hint:`, `warning:` or `success:` are coloured by git itself where that is wanted.
 * Nothing but text, line ends and, where the pusher asked for them, colours leaves through here, and no value of the app's config.
 */
export class PushOutput {
  readonly #write: (text: string) => Promise<void>
  readonly #color: boolean
  #mask = (line: string) => line
  #last: Promise<void> = Promise.resolve()

  constructor(write: (text: string) => Promise<void>, color: boolean) {
    this.#write = write
    this.#color = color
  }

  /** From here on the values of this config are not shown. */
  hide(config: Readonly<Record<string, string>>): void {
    this.#mask = maskSecrets(config)
  }

  /** Writes a text of one or more lines. */
  line(text: string): void {
    this.#send(text.split('\n'))
  }

  /** What went wrong, in one sentence, and what to do about it. */
  error(what: string, hint?: string): void {
    this.line(withKeyword('error', what))
    if (hint) this.line(withKeyword('hint', hint))
  }

  /** Takes the raw output of a program. Each call of the returned `push` resolves when the pusher can take more. */
  raw(bytesMax: number): { push(chunk: Uint8Array): Promise<void>; end(): void } {
    let bytes = 0
    let lines: string[] = []
    const splitter = new LineSplitter(line => lines.push(line))
    const flush = () => {
      if (lines.length > 0) this.#send(lines)
      lines = []
    }
    return {
      push: async chunk => {
        if (bytes > bytesMax) return
        bytes += chunk.length
        splitter.push(chunk)
        if (bytes > bytesMax) {
          splitter.end()
          lines.push(`warning: the output is longer than ${Math.round(bytesMax / 1024 ** 2)} MB, the rest of it is not shown`)
        }
        flush()
        await this.#last
      },
      end: () => {
        splitter.end()
        flush()
      },
    }
  }

  /** Resolves when all has been sent, or the pusher has gone. */
  flushed(): Promise<void> {
    return this.#last
  }

  #send(lines: readonly string[]): void {
    const clean = lines.flatMap(line => cutLine(cleanLine(this.#mask(line), this.#color)))
    this.#last = this.#write(`${clean.join('\n')}\n`)
  }
}

/** git colours each line by its own first word. */
function withKeyword(keyword: string, text: string): string {
  return text
    .trim()
    .split('\n')
    .map(line => `${keyword}: ${line}`)
    .join('\n')
}
