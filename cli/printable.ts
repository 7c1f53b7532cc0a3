/**
 * What others wrote must not steer the terminal of who reads it: an app's name or a log line could hold sequences that hide text, set the
 * title or answer in the person's stead. Tab and line break stay.
 */
export function printable(text: string): string {
  return hasControls(text) ? text.replace(SEQUENCE, '').replace(CONTROL, '') : text
}

/** As {@link printable}, but colours (SGR) stay, as programs put them into their logs; they end with the text. */
export function printableColours(text: string): string {
  if (!hasControls(text)) return text
  const kept = text.replace(SEQUENCE, sequence => (SGR.test(sequence) ? sequence : '')).replace(CONTROL_BUT_SGR, '')
  return kept.includes('\x1b[') ? `${kept}\x1b[0m` : kept
}

/** Every text in a parsed JSON value made {@link printable}, names of properties too. */
export function printableValue<T>(value: T): T {
  if (typeof value === 'string') return printable(value) as T
  if (Array.isArray(value)) return value.map(printableValue) as T
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [printable(name), printableValue(inner)])) as T
}

// ECMA-48: OSC, DCS, SOS, PM and APC strings up to their end (BEL or ST), CSI sequences, and the two-byte escapes.
const SEQUENCE = /\x1b[\]PX^_](?:[^\x07\x1b]|\x1b(?!\\))*(?:\x07|\x1b\\)?|\x1b\[[0-?]*[ -/]*[@-~]?|\x1b[ -/]*[0-~]?/g
const SGR = /^\x1b\[[0-9;:]*m$/
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g
const CONTROL_BUT_SGR = /[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]|\x1b(?!\[[0-9;:]*m)/g

function hasControls(text: string): boolean {
  return /[\x00-\x08\x0b-\x1f\x7f-\x9f]/.test(text)
}
