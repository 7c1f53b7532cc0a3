import { hash, randomBytes } from 'node:crypto'
import type { Credentials } from '../table/credentials.ts'
import { Generations } from './generations.ts'
import { isPassword, isSlow, PASSWORD_BYTES_MAX } from './password.ts'
import { SlowPasswords } from './slow-passwords.ts'

/** Whether somebody may come in: known at once, to be told later, or not to be known now. */
export type Verdict = 'yes' | 'no' | 'later' | 'busy'

type Answer = (isRight: boolean | undefined) => void

/** Verdicts kept: 70 bytes each. */
const KEPT_COUNT_MAX = 20_000
const WAITING_PER_APP_MAX = 32
const HEADER_CHARS_MAX = 2048

/**
 * Checks the credentials of Basic authentication (RFC 7617). A slow hash is computed once for each header that comes, right or wrong, and
 * once for all who wait for the same one; what is kept is a keyed digest, never a password.
 */
export class Gate {
  readonly #verdicts = new Generations<boolean>(KEPT_COUNT_MAX / 2)
  readonly #waiting = new Map<string, Answer[]>()
  readonly #slow = new SlowPasswords(WAITING_PER_APP_MAX)
  readonly #salt = randomBytes(16).toString('base64')

  /**
   * @param app whose turn it costs
   * @param header the value of Authorization
   * @param answer called after `later`, once; undefined when it cannot be told
   */
  check(app: string, credentials: Credentials, header: string, answer: Answer): Verdict {
    if (header === '' || header.length > HEADER_CHARS_MAX) return 'no'
    const key = hash('sha256', `${this.#salt}${app} ${credentials.id} ${header}`, 'base64')
    const known = this.#verdicts.get(key)
    if (known !== undefined) return known ? 'yes' : 'no'
    const waiting = this.#waiting.get(key)
    if (waiting !== undefined) {
      waiting.push(answer)
      return 'later'
    }
    const given = readBasic(header)
    if (given === undefined) return 'no'
    const stored = credentials.users.find(([name]) => name === given.name)?.[1]
    // An unknown name takes as long as a known one.
    const compared = stored ?? (credentials.users[0]?.[1] as string)
    if (!isSlow(compared)) {
      const isRight = isPassword(given.password, compared) && stored !== undefined
      this.#verdicts.set(key, isRight)
      return isRight ? 'yes' : 'no'
    }
    const answers = [answer]
    const done: Answer = isRight => {
      this.#waiting.delete(key)
      const verdict = isRight === undefined ? undefined : isRight && stored !== undefined
      if (verdict !== undefined) this.#verdicts.set(key, verdict)
      for (const tell of answers) tell(verdict)
    }
    if (!this.#slow.check(app, { password: given.password, stored: compared, done })) return 'busy'
    this.#waiting.set(key, answers)
    return 'later'
  }

  stop(): Promise<void> {
    return this.#slow.stop()
  }
}

function readBasic(header: string): { name: string; password: Buffer } | undefined {
  const token = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header)?.[1]
  const bytes = Buffer.from(token ?? '', 'base64')
  const colon = bytes.indexOf(58)
  if (colon < 1 || bytes.length - colon - 1 > PASSWORD_BYTES_MAX) return undefined
  return { name: bytes.toString('utf8', 0, colon), password: bytes.subarray(colon + 1) }
}
