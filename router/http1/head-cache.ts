import type { ErrorCode } from '../serve/errors.ts'
import { beginning, type HeadLimits, parseRequestHead, type RequestHead } from './request-head.ts'
import { parseResponseHead, type ResponseHead } from './response-head.ts'

const SLOTS = 256
// Longer heads carry cookies or tokens, differ from each other, and should not stay in memory.
const CHARS_MAX = 768
const STEP = 7

/**
 * Remembers the readings of heads that come again and again: pollers, health checks, callers of an API and their answers send the same bytes
 * each time, and comparing them costs a tenth of reading them. A reading depends on nothing but the bytes, so it may serve any connection.
 *
 * A head is kept when it comes twice in a row at its slot; what comes once leaves nothing behind but a number.
 */
export class HeadCache {
  readonly #limits: HeadLimits
  readonly #requests = new Memory<RequestHead>()
  readonly #answers = new Memory<ResponseHead>()

  constructor(limits: HeadLimits) {
    this.#limits = limits
  }

  /** As {@link parseRequestHead}. */
  request(text: string): RequestHead | ErrorCode {
    const hash = hashOf(text)
    const known = this.#requests.get(hash, text, '')
    if (known !== undefined) return known
    const head = parseRequestHead(text, this.#limits)
    if (typeof head !== 'string' && head.fields.length < CHARS_MAX && this.#requests.put(hash, text, '', head))
      head.beginning = copyOf(beginning(head, head.fields))
    return head
  }

  /** As {@link parseResponseHead}. */
  answer(text: string, method: string): ResponseHead | undefined {
    const hash = hashOf(text)
    const known = this.#answers.get(hash, text, method)
    if (known !== undefined) return known
    const head = parseResponseHead(text, method)
    if (head !== undefined) this.#answers.put(hash, text, method, head)
    return head
  }
}

class Memory<T> {
  /** The last hash seen at each slot. */
  readonly #seen = new Int32Array(SLOTS)
  readonly #texts: string[] = new Array<string>(SLOTS).fill('')
  readonly #methods: string[] = new Array<string>(SLOTS).fill('')
  readonly #heads: (T | undefined)[] = new Array<T | undefined>(SLOTS).fill(undefined)

  get(hash: number, text: string, method: string): T | undefined {
    const slot = hash & (SLOTS - 1)
    return this.#texts[slot] === text && this.#methods[slot] === method ? this.#heads[slot] : undefined
  }

  /** Returns whether it is kept from now on. */
  put(hash: number, text: string, method: string, head: T): boolean {
    const slot = hash & (SLOTS - 1)
    if (this.#seen[slot] !== hash) {
      this.#seen[slot] = hash
      return false
    }
    if (text.length > CHARS_MAX) return false
    this.#texts[slot] = text
    this.#methods[slot] = method
    this.#heads[slot] = head
    return true
  }
}

/** Text that was put together stays in pieces until somebody writes it; a copy is one piece. */
function copyOf(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}

/** Over the first characters, where targets differ, and then every seventh: a guess, as the texts are compared. */
function hashOf(text: string): number {
  let hash = text.length
  const dense = Math.min(24, text.length)
  for (let at = 4; at < dense; at++) hash = (Math.imul(hash, 31) + text.charCodeAt(at)) | 0
  const end = Math.min(text.length, 256)
  for (let at = dense; at < end; at += STEP) hash = (Math.imul(hash, 31) + text.charCodeAt(at)) | 0
  return hash ^ (hash >>> 9) ^ (hash >>> 18)
}
