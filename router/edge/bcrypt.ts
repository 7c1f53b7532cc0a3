/**
 * bcrypt as `htpasswd -B` writes it (`$2y$`, `$2b$`, `$2a$`), which Node's crypto does not know.
 *
 * @see https://www.usenix.org/legacy/events/usenix99/provos/provos.pdf
 */

const ROUND_COUNT = 16
const KEY_COUNT = ROUND_COUNT + 2
const BOX_SIZE = 256
const KEY_BYTES_MAX = 72
const MAGIC = 'OrpheanBeholderScryDoubt'
const NO_SALT = new Int32Array(4)
const DIGITS = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** Blowfish's first state is nothing but the digits of pi: 18 subkeys, then four boxes. */
let initial: Int32Array | undefined

/**
 * Hashes a password.
 *
 * @param setting the front of a hash, `$2y$05$` and the 22 characters of its salt
 * @returns the whole hash
 */
export function bcrypt(password: Buffer, setting: string): string {
  const cost = Number(setting.slice(4, 6))
  const salt = decode(setting.slice(7, 29))
  // The end of a C string is part of the key.
  const key = wordsOf(Buffer.concat([password, Buffer.of(0)]).subarray(0, KEY_BYTES_MAX), KEY_COUNT)
  initial ??= digitsOfPi(KEY_COUNT + 4 * BOX_SIZE)
  const state = new Blowfish(initial.slice(0, KEY_COUNT), initial.slice(KEY_COUNT))
  state.expand(key, wordsOf(salt, 4))
  const saltKey = wordsOf(salt, KEY_COUNT)
  for (let round = 2 ** cost; round > 0; round--) {
    state.expand(key, NO_SALT)
    state.expand(saltKey, NO_SALT)
  }
  const text = wordsOf(Buffer.from(MAGIC, 'latin1'), 6)
  for (let at = 0; at < 6; at += 2) for (let round = 0; round < 64; round++) state.encipher(text, at)
  const out = Buffer.alloc(24)
  for (const [index, word] of text.entries()) out.writeInt32BE(word, index * 4)
  return setting.slice(0, 29) + encode(out.subarray(0, 23))
}

class Blowfish {
  readonly #keys: Int32Array
  readonly #boxes: Int32Array
  readonly #block = new Int32Array(2)

  constructor(keys: Int32Array, boxes: Int32Array) {
    this.#keys = keys
    this.#boxes = boxes
  }

  /** Mixes a key of 18 words and a salt of four into the state. */
  expand(key: Int32Array, salt: Int32Array): void {
    const block = this.#block.fill(0)
    for (let at = 0; at < this.#keys.length; at++) (this.#keys[at] as number) ^= key[at] as number
    let saltAt = 0
    for (const part of [this.#keys, this.#boxes]) {
      for (let at = 0; at < part.length; at += 2) {
        ;(block[0] as number) ^= salt[saltAt] as number
        ;(block[1] as number) ^= salt[saltAt + 1] as number
        saltAt ^= 2
        this.encipher(block, 0)
        part[at] = block[0] as number
        part[at + 1] = block[1] as number
      }
    }
  }

  encipher(words: Int32Array, at: number): void {
    const keys = this.#keys
    const boxes = this.#boxes
    let left = (words[at] as number) ^ (keys[0] as number)
    let right = words[at + 1] as number
    for (let round = 1; round <= ROUND_COUNT; round += 2) {
      right ^= mix(boxes, left) ^ (keys[round] as number)
      left ^= mix(boxes, right) ^ (keys[round + 1] as number)
    }
    words[at] = right ^ (keys[ROUND_COUNT + 1] as number)
    words[at + 1] = left
  }
}

function mix(boxes: Int32Array, word: number): number {
  const sum = ((boxes[word >>> 24] as number) + (boxes[BOX_SIZE + ((word >>> 16) & 255)] as number)) | 0
  return ((sum ^ (boxes[2 * BOX_SIZE + ((word >>> 8) & 255)] as number)) + (boxes[3 * BOX_SIZE + (word & 255)] as number)) | 0
}

/** Bytes as big-endian words, over and over from the front until there are enough. */
function wordsOf(bytes: Uint8Array, count: number): Int32Array {
  const words = new Int32Array(count)
  for (let at = 0; at < count * 4; at++) words[at >> 2] = ((words[at >> 2] as number) << 8) | (bytes[at % bytes.length] as number)
  return words
}

/** The digits of pi behind the point, in words of 32 bits, by Machin's formula: some 40 ms, once, where a table would be 4 KB of source. */
function digitsOfPi(wordCount: number): Int32Array {
  const guardBits = 64n
  const one = 1n << (BigInt(wordCount) * 32n + guardBits)
  const pi = 16n * arctanOfInverse(5n, one) - 4n * arctanOfInverse(239n, one)
  const hex = ((pi - 3n * one) >> guardBits).toString(16).padStart(wordCount * 8, '0')
  return Int32Array.from({ length: wordCount }, (_, at) => Number.parseInt(hex.slice(at * 8, at * 8 + 8), 16) | 0)
}

function arctanOfInverse(x: bigint, one: bigint): bigint {
  let power = one / x
  let sum = power
  for (let divisor = 3n, sign = -1n; power > 0n; divisor += 2n, sign = -sign) {
    power /= x * x
    sum += (sign * power) / divisor
  }
  return sum
}

/** bcrypt's own base64: six bits a character, the first ones first, no padding. */
function encode(bytes: Uint8Array): string {
  let text = ''
  for (let bit = 0; bit < bytes.length * 8; bit += 6) {
    const pair = ((bytes[bit >> 3] as number) << 8) | (bytes[(bit >> 3) + 1] ?? 0)
    text += DIGITS[(pair >> (10 - (bit & 7))) & 63]
  }
  return text
}

function decode(text: string): Uint8Array {
  const bytes = new Uint8Array((text.length * 6) >> 3)
  for (let at = 0; at < bytes.length; at++) {
    const digit = Math.floor((at * 8) / 6)
    const pair = (DIGITS.indexOf(text[digit] as string) << 6) | DIGITS.indexOf(text[digit + 1] as string)
    bytes[at] = (pair >> (4 - ((at * 8) % 6))) & 255
  }
  return bytes
}
