import { isPassword } from '../domain/password.ts'
import { Refusal } from '../domain/refusal.ts'
import type { User } from '../domain/user.ts'
import type { Records } from '../records.ts'
import type { Throttle } from './throttle.ts'

// Each costs 16 MiB and a thread of four; more than these wait so long that they had better come again.
const CHECKS_MAX = 64

/** Checks names and passwords, as many at a time as the process can bear. */
export class Authentication {
  readonly #records: Records
  readonly #throttle: Throttle
  #checks = 0

  constructor(records: Records, throttle: Throttle) {
    this.#records = records
    this.#throttle = throttle
  }

  /**
   * @param address where the guess comes from
   * @returns the user, or `undefined` when the name or the password is wrong: which of them, nothing tells, not even the time
   * @throws {Refusal} 429 after too many wrong ones
   */
  async check(username: string, password: string, address: string): Promise<User | undefined> {
    this.#throttle.check(username, address)
    if (this.#checks >= CHECKS_MAX) throw new Refusal(429, { detail: 'Too many attempts at once: try again in a moment' })
    this.#checks++
    try {
      const user = this.#records.users.get(username)
      const isRight = await isPassword(password, user?.password)
      if (isRight && user?.isActive) {
        this.#throttle.succeeded(username, address)
        return user
      }
      this.#throttle.failed(username, address)
      return undefined
    } finally {
      this.#checks--
    }
  }
}
