import { NotPlain } from './der-cursor.ts'

/** One object of a PEM text. */
export interface PemBlock {
  readonly label: string
  /** From `-----BEGIN` to the last dash. */
  readonly text: string
  /** DER. @throws {NotPlain} when its lines are not as every tool writes them */
  bytes(): Buffer
  /** Where the next one begins, or the text ends: nothing but blanks stands between. */
  readonly next: number
}

const BEGIN = '-----BEGIN '
const LINE_LENGTH = 64
const [LF, CR, SPACE] = [0x0a, 0x0d, 0x20]

/** Reads an object that begins at a place of a text, without looking through all of its characters; `undefined`: there is none. */
export function readPemBlock(all: string, at: number): PemBlock | undefined {
  if (!all.startsWith(BEGIN, at)) return undefined
  const labelEnd = all.indexOf('-----', at + BEGIN.length)
  const bodyFrom = labelEnd + 5
  const bodyEnd = all.indexOf('-----END ', bodyFrom)
  if (labelEnd < 0 || bodyEnd < 0) return undefined
  const label = all.slice(at + BEGIN.length, labelEnd)
  if (!all.startsWith(`${label}-----`, bodyEnd + 9)) return undefined
  const end = bodyEnd + 9 + label.length + 5
  let next = end
  while (next < all.length && isBlank(all.charCodeAt(next))) next++
  return { label, text: all.slice(at, end), bytes: () => decode(all, bodyFrom, bodyEnd), next }
}

/** Lines of 64 characters, and a last one. What is no character of base64 is skipped by its decoder, and shows by the length. */
function decode(all: string, from: number, end: number): Buffer {
  const lineEnd = all.charCodeAt(from) === CR ? 2 : 1
  for (let at = from; at < end; at += lineEnd + LINE_LENGTH) {
    if (all.charCodeAt(at + lineEnd - 1) !== LF || (lineEnd === 2 && all.charCodeAt(at) !== CR)) throw new NotPlain()
    if (at + lineEnd + LINE_LENGTH >= end && all.charCodeAt(end - 1) !== LF) throw new NotPlain()
  }
  const text = all.slice(from, end)
  const bytes = Buffer.from(text, 'base64')
  const characters = Math.ceil(bytes.length / 3) * 4
  const lines = Math.ceil(characters / LINE_LENGTH)
  // Of base64 for addresses these two are, and there alone.
  if (text.length !== characters + (lines + 1) * lineEnd || text.includes('-') || text.includes('_')) throw new NotPlain()
  return bytes
}

function isBlank(code: number): boolean {
  return code === LF || code === CR || code === SPACE
}
