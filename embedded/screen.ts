import { styleText } from 'node:util'
import { formatDuration } from '../kernel/units.ts'

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']

/** Tells a person how a start goes: one line that moves on a terminal, one line a step elsewhere. Colours only where they are wanted. */
export class Screen {
  readonly #out: NodeJS.WriteStream
  readonly #isLive: boolean
  #timer: NodeJS.Timeout | undefined
  #text = ''
  #frame = 0
  #startedAt = 0

  constructor(out: NodeJS.WriteStream = process.stdout) {
    this.#out = out
    this.#isLive = out.isTTY === true && !process.env['CI'] && process.env['TERM'] !== 'dumb'
  }

  /** Begins a step and ends the one before. */
  step(text: string): void {
    this.done()
    this.#text = text
    this.#startedAt = performance.now()
    if (!this.#isLive) return
    this.#draw()
    this.#timer = setInterval(() => this.#draw(), 80)
  }

  done(): void {
    this.#end('green', '✓')
  }

  failed(): void {
    this.#end('red', '✗')
  }

  print(text = ''): void {
    this.#out.write(`${text}\n`)
  }

  style(format: 'bold' | 'dim' | 'cyan' | 'green' | 'red' | 'yellow', text: string): string {
    return styleText(format, text, { stream: this.#out })
  }

  #draw(): void {
    this.#frame = (this.#frame + 1) % FRAMES.length
    this.#out.write(`\r\x1b[K  ${FRAMES[this.#frame]} ${this.#text}`)
  }

  #end(colour: 'green' | 'red', mark: string): void {
    if (this.#text === '') return
    clearInterval(this.#timer)
    const took = this.style('dim', formatDuration(performance.now() - this.#startedAt))
    this.#out.write(`${this.#isLive ? '\r\x1b[K' : ''}  ${this.style(colour, mark)} ${this.#text} ${took}\n`)
    this.#text = ''
  }
}
