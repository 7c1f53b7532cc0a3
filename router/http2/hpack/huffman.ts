// The code of RFC 7541 appendix B is canonical: the length of each symbol's code, in base 36, says all. The last one is EOS.
const LENGTHS =
  'dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6ca' +
  'd67777777777777777777777878djde6f56565666577666567655677777fbeds' +
  'kmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn' +
  'qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrq' +
  'u'
const EOS = 256

const lengths = Uint8Array.from(LENGTHS, digit => Number.parseInt(digit, 36))
const codes = canonicalCodes()

// One step a nibble: bits 0-8 the next state, bit 9 whether a symbol is complete, bits 10-17 that symbol, bit 18 that it is none.
const SYMBOL = 1 << 9
const SYMBOL_SHIFT = 10
const FAULT = 1 << 18
const STATE_MASK = SYMBOL - 1
const steps = new Uint32Array(256 * 16)
/** States in which a string may end: the padding is the beginning of EOS, all ones, of at most seven bits (RFC 7541 §5.2). */
const endsWell = new Uint8Array(256)
buildSteps()

let scratch = Buffer.allocUnsafeSlow(4096)

/** @returns the text as latin1; undefined when it holds EOS or wrong padding */
export function decodeHuffman(bytes: Buffer, start: number, end: number): string | undefined {
  // The shortest code has five bits.
  const most = Math.ceil(((end - start) * 8) / 5)
  if (most > scratch.length) scratch = Buffer.allocUnsafeSlow(most * 2)
  let state = 0
  let length = 0
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number
    let step = steps[(state << 4) | (byte >> 4)] as number
    if (step & SYMBOL) scratch[length++] = step >> SYMBOL_SHIFT
    if (step & FAULT) return undefined
    step = steps[((step & STATE_MASK) << 4) | (byte & 15)] as number
    if (step & SYMBOL) scratch[length++] = step >> SYMBOL_SHIFT
    if (step & FAULT) return undefined
    state = step & STATE_MASK
  }
  return endsWell[state] === 1 ? scratch.toString('latin1', 0, length) : undefined
}

/** Octets that a latin1 text takes. */
export function huffmanLength(text: string): number {
  let bits = 0
  for (let at = 0; at < text.length; at++) bits += lengths[text.charCodeAt(at)] as number
  return (bits + 7) >> 3
}

/** Writes a latin1 text; returns where it ends. */
export function encodeHuffman(text: string, out: Buffer, start: number): number {
  let at = start
  let held = 0
  let count = 0
  for (let index = 0; index < text.length; index++) {
    const symbol = text.charCodeAt(index)
    const length = lengths[symbol] as number
    // Seven bits held and thirty new ones: more than the bit operators take.
    held = held * 2 ** length + (codes[symbol] as number)
    count += length
    while (count >= 8) {
      count -= 8
      out[at++] = Math.floor(held / 2 ** count) & 0xff
      held %= 2 ** count
    }
  }
  if (count > 0) out[at++] = ((held << (8 - count)) | (0xff >> count)) & 0xff
  return at
}

function canonicalCodes(): Uint32Array {
  const made = new Uint32Array(lengths.length)
  const order = [...lengths.keys()].sort((a, b) => (lengths[a] as number) - (lengths[b] as number) || a - b)
  let code = 0
  let before = lengths[order[0] as number] as number
  for (const symbol of order) {
    const length = lengths[symbol] as number
    code *= 2 ** (length - before)
    before = length
    made[symbol] = code++
  }
  return made
}

/** The tree's inner nodes are the states. */
function buildSteps(): void {
  const children: (readonly [number, number] | [number, number])[] = [[-1, -1]]
  const symbolAt = (value: number) => -2 - value
  for (const [symbol, code] of codes.entries()) {
    let node = 0
    const length = lengths[symbol] as number
    for (let bit = length - 1; bit >= 0; bit--) {
      const side = Math.floor(code / 2 ** bit) % 2
      const branch = children[node] as [number, number]
      if (bit === 0) branch[side] = symbolAt(symbol)
      else {
        if (branch[side] === -1) branch[side] = children.push([-1, -1]) - 1
        node = branch[side] as number
      }
    }
  }
  for (let node = 0, ones = 0; ones < 8 && node >= 0; ones++) {
    endsWell[node] = 1
    node = (children[node] as [number, number])[1]
  }
  for (const state of children.keys()) {
    for (let nibble = 0; nibble < 16; nibble++) {
      let node = state
      let step = 0
      for (let bit = 3; bit >= 0; bit--) {
        const next = (children[node] as [number, number])[(nibble >> bit) & 1] as number
        if (next >= 0) node = next
        else {
          const symbol = -2 - next
          step = symbol === EOS ? FAULT : SYMBOL | (symbol << SYMBOL_SHIFT)
          node = 0
        }
      }
      steps[(state << 4) | nibble] = step | node
    }
  }
}
