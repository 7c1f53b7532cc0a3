/**
 * One value of DER (X.690): the little of it that certificates and OCSP messages are made of. Written here, as a library for it takes a tenth of
 * a second and 20 MB to load, which a process that serves would take from its clients.
 */
export interface DerValue {
  /** The identifier octet: class, constructed or not, number. */
  readonly tag: number
  readonly content: Buffer
  /** With tag and length. */
  readonly bytes: Buffer
}

/** One value: tag, length, content (X.690 §8.1). */
export function der(tag: number, content: Buffer): Buffer {
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

export function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts))
}

/** An object identifier by its numbers. */
export function oid(first: number, second: number, ...rest: number[]): Buffer {
  const bytes = rest.flatMap(part => {
    const septets = [part & 0x7f]
    for (let left = part >> 7; left > 0; left >>= 7) septets.unshift((left & 0x7f) | 0x80)
    return septets
  })
  return der(0x06, Buffer.from([first * 40 + second, ...bytes]))
}

/** GeneralizedTime, whole seconds. */
export function generalizedTime(ms: number): Buffer {
  return der(0x18, Buffer.from(`${new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '')}`))
}

/** Reads the one value that bytes are. @throws {SyntaxError} when they are none, or more */
export function readDer(bytes: Buffer): DerValue {
  const [value, ...others] = readAll(bytes)
  if (value === undefined || others.length > 0) throw new SyntaxError('Cannot read DER: there is not one value')
  return value
}

/**
 * The values within a constructed one.
 *
 * @param tag which it must have: a sequence's by default
 * @throws {SyntaxError} when it is another, or its content is cut or not in DER
 */
export function partsOf(value: DerValue | undefined, tag = 0x30): readonly DerValue[] {
  return readAll(contentOf(value, tag))
}

/** The content of a value that must have a tag. @throws {SyntaxError} when it is another or absent */
export function contentOf(value: DerValue | undefined, tag: number): Buffer {
  if (value?.tag !== tag) throw new SyntaxError(`Cannot read DER: tag ${tag} is missing`)
  return value.content
}

/** The bits of a BIT STRING of whole octets. @throws {SyntaxError} when it is none */
export function bitsOf(value: DerValue | undefined): Buffer {
  const content = contentOf(value, 0x03)
  if (content[0] !== 0) throw new SyntaxError('Cannot read DER: a string of bits does not fill its octets')
  return content.subarray(1)
}

/** Milliseconds since the epoch, of a GeneralizedTime as RFC 5280 §4.1.2.5.2 wants it. @throws {SyntaxError} for any other */
export function timeOf(value: DerValue | undefined): number {
  const text = contentOf(value, 0x18).toString('latin1')
  const ms = Date.parse(text.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
  if (!/^\d{14}Z$/.test(text) || Number.isNaN(ms)) throw new SyntaxError('Cannot read DER: a time is not YYYYMMDDHHMMSSZ')
  return ms
}

function readAll(bytes: Buffer): DerValue[] {
  const values: DerValue[] = []
  for (let at = 0; at < bytes.length; ) {
    const value = readAt(bytes, at)
    values.push(value)
    at += value.bytes.length
  }
  return values
}

/** Lengths are definite and as short as they can be (X.690 §10.1), numbers of tags below 31: nothing here needs others. */
function readAt(bytes: Buffer, at: number): DerValue {
  const [tag = 0x1f, first = 0x80] = bytes.subarray(at, at + 2)
  const sizeBytes = first < 0x80 ? 0 : first & 0x7f
  if ((tag & 0x1f) === 0x1f || first === 0x80 || sizeBytes > 3) throw new SyntaxError('Cannot read DER: bad tag or length')
  const start = at + 2 + sizeBytes
  if (start > bytes.length) throw new SyntaxError('Cannot read DER: it is cut')
  const length = sizeBytes === 0 ? first : bytes.readUIntBE(at + 2, sizeBytes)
  if (sizeBytes > 0 && length < Math.max(0x80, 2 ** (8 * (sizeBytes - 1)))) throw new SyntaxError('Cannot read DER: a length is too long')
  if (start + length > bytes.length) throw new SyntaxError('Cannot read DER: it is cut')
  return { tag, content: bytes.subarray(start, start + length), bytes: bytes.subarray(at, start + length) }
}
