/** A value in DER, ITU-T X.690: just what certificates and OCSP answers of tests are made of. */
export function der(tag: number, ...parts: readonly (Buffer | string)[]): Buffer {
  const content = Buffer.concat(parts.map(part => Buffer.from(part)))
  const { length } = content
  if (length < 128) return Buffer.concat([Buffer.from([tag, length]), content])
  const bytes = length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...bytes]), content])
}

export const sequence = (...parts: readonly Buffer[]) => der(0x30, ...parts)
export const octets = (content: Buffer) => der(0x04, content)
export const bits = (content: Buffer) => der(0x03, Buffer.from([0]), content)
export const boolean = (value: boolean) => der(0x01, Buffer.from([value ? 0xff : 0]))
export const enumerated = (value: number) => der(0x0a, Buffer.from([value]))
/** Within a context: constructed. */
export const context = (number: number, ...parts: readonly Buffer[]) => der(0xa0 | number, ...parts)

/** @param hex of a number that is not negative */
export function integer(hex: string): Buffer {
  const bytes = Buffer.from(hex.length % 2 ? `0${hex}` : hex, 'hex')
  return der(0x02, bytes[0]! & 0x80 ? Buffer.from([0]) : Buffer.alloc(0), bytes)
}

/** @param text as `2.5.29.17` */
export function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number)
  const bytes = [first * 40 + second]
  for (const number of rest) {
    const digits = [number & 0x7f]
    for (let left = number >>> 7; left > 0; left >>>= 7) digits.unshift((left & 0x7f) | 0x80)
    bytes.push(...digits)
  }
  return der(0x06, Buffer.from(bytes))
}

export function generalizedTime(ms: number): Buffer {
  return der(0x18, `${new Date(ms).toISOString().replace(/[-:T]|\.\d+Z/g, '')}Z`)
}
