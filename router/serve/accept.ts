/** One entry of a header field that lists what a client takes, with its weight (RFC 9110 §12.4.2). */
export interface Accepted {
  /** Lower-case, without parameters. */
  readonly name: string
  /** 0 to 1; 0: not acceptable. */
  readonly weight: number
}

// Longer lists are no browser's; they are read up to here, so that nobody makes us read 128 KB for one answer.
const LIST_BYTES_MAX = 2000

const WEIGHT = /^[\t ]*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[\t ]*$/i

/**
 * Reads a list such as `gzip;q=0.5, br` or `text/html, *\/*;q=0.1`. An entry that cannot be read is left out, and so are parameters other
 * than the weight; of a list of more than 2000 characters the rest is.
 */
export function parseAccepted(text: string): readonly Accepted[] {
  const accepted: Accepted[] = []
  for (const entry of text.slice(0, LIST_BYTES_MAX).split(',')) {
    const [name = '', ...parameters] = entry.split(';')
    const token = name.trim().toLowerCase()
    if (token === '') continue
    let weight = 1
    for (const parameter of parameters) {
      if (!/^[\t ]*q=/i.test(parameter)) continue
      weight = Number(WEIGHT.exec(parameter)?.[1] ?? Number.NaN)
    }
    if (!Number.isNaN(weight)) accepted.push({ name: token, weight })
  }
  return accepted
}
