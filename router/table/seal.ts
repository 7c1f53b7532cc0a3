import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'

const CIPHER = 'aes-256-gcm'
const SALT_BYTES = 32
const TAG_BYTES = 16

/**
 * Encrypts the lines of one file, each on its own, so that a large file needs not be held at once. Every file has a key of its own, derived
 * from the operator's and a random salt (HKDF), so a line's number can be its nonce and none is used twice; a line that was changed, moved
 * or taken from another file does not open.
 */
export class Seal {
  /** Stands in the clear in its file. */
  readonly salt: string
  readonly #key: Buffer
  #line = 0

  /** @param key 32 bytes @param salt that of the file to read; absent: a new file */
  constructor(key: Uint8Array, salt = randomBytes(SALT_BYTES).toString('base64')) {
    this.salt = salt
    this.#key = Buffer.from(hkdfSync('sha256', key, Buffer.from(salt, 'base64'), 'drycc router saved table', 32))
  }

  /** The next line, in base64. */
  close(text: string): string {
    const cipher = createCipheriv(CIPHER, this.#key, this.#nonce())
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
    return Buffer.concat([sealed, cipher.getAuthTag()]).toString('base64')
  }

  /** The next line as it was. @throws {Error} with another key, or when it is not the line that was written there */
  open(line: string): string {
    const bytes = Buffer.from(line, 'base64')
    if (bytes.length < TAG_BYTES) throw new Error('Cannot decrypt the saved table: it was cut')
    const decipher = createDecipheriv(CIPHER, this.#key, this.#nonce())
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES))
    try {
      return decipher.update(bytes.subarray(0, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
    } catch (cause) {
      throw new Error('Cannot decrypt the saved table: it was sealed with another key, or changed', { cause })
    }
  }

  #nonce(): Buffer {
    const nonce = Buffer.alloc(12)
    nonce.writeUInt32BE(this.#line++, 8)
    return nonce
  }
}

/** Reads a key. @throws {RangeError} for what is not 32 bytes */
export function parseStateKey(text: string): Uint8Array {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex')
  if (/^[A-Za-z0-9+/]{43}=$/.test(text)) return Buffer.from(text, 'base64')
  throw new RangeError('Cannot read the key: write 32 random bytes in hexadecimal or base64, as of "openssl rand -hex 32"')
}
