import { createHash, randomBytes } from 'node:crypto'
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { parseRecord } from './log-records.ts'

const ID_DIGITS = 64
const PREFIX_DIGITS = 16
const MESSAGE_BYTES_MAX = 2048
const MESSAGE_LINES_MAX = 80

/** What the ids of all containers of one kubelet begin with: it is known by its home, of which a machine may have several. */
export function idPrefixOf(home: string): string {
  return createHash('sha256').update(home).digest('hex').slice(0, PREFIX_DIGITS)
}

/** A container id in the usual form, 64 hexadecimal digits, beginning with a kubelet's own. */
export function newContainerId(prefix: string): string {
  return (
    prefix +
    randomBytes(ID_DIGITS / 2)
      .toString('hex')
      .slice(prefix.length)
  )
}

/** RFC 3339 with milliseconds. */
export function timeNow(): string {
  return new Date().toISOString()
}

/** A time in the form of the Kubernetes API, which knows no fractions. */
export function wholeSeconds(time: string): string {
  return `${time.slice(0, 19)}Z`
}

/** The end of a log as a termination message: at most 80 lines and 2048 bytes. Empty when there is none. */
export function tailMessage(path: string): string {
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch {
    return ''
  }
  try {
    const { size } = fstatSync(fd)
    const block = Buffer.alloc(Math.min(size, 64 * 1024))
    readSync(fd, block, 0, block.length, size - block.length)
    const lines = block
      .toString('latin1')
      .split('\n')
      .slice(-MESSAGE_LINES_MAX - 1, -1)
    const texts = lines.map(line => parseRecord(Buffer.from(line, 'latin1'))).filter(record => record !== undefined)
    const text = texts.map(record => record.text.toString() + (record.isPartial ? '' : '\n')).join('')
    return Buffer.from(text).subarray(-MESSAGE_BYTES_MAX).toString()
  } finally {
    closeSync(fd)
  }
}
