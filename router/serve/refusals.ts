import type { Socket } from 'node:net'
import { errorPage } from './error-page.ts'
import { ERRORS, reasonOf } from './errors.ts'

/** So many refused connections are told why; beyond that they are closed without a word, as each needs a descriptor to be told. */
const TOLD_MAX = 64
/** How long a refused client may take to hear it. */
const TELL_MS = 1000

/** Sends away who came while there was no place: with 503 and `Retry-After`, so that clients and balancers try elsewhere or later. */
export class Refusals {
  readonly #open = new Set<Socket>()

  /** @param socket of plain HTTP, paused, nothing read of it @returns the bytes that were sent; 0: it was closed without a word */
  refuse(socket: Socket): number {
    if (this.#open.size >= TOLD_MAX) {
      socket.destroy()
      return 0
    }
    this.#open.add(socket)
    const late = setTimeout(() => socket.destroy(), TELL_MS)
    socket.on('error', () => {})
    socket.once('close', () => {
      clearTimeout(late)
      this.#open.delete(socket)
    })
    // What the client sends meanwhile is dropped: left unread, it would make the close a reset, and that could overtake the answer.
    socket.resume()
    const answer = answerText()
    socket.end(answer, 'latin1')
    return answer.length
  }

  stop(): void {
    for (const socket of this.#open) socket.destroy()
  }
}

function answerText(): string {
  const { status } = ERRORS.R51
  const { fields, body } = errorPage('R51', undefined)
  return `HTTP/1.1 ${status} ${reasonOf(status)}\r\n${fields}Retry-After: 1\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`
}
