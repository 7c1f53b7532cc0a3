import { invalid } from './refusal.ts'
import { timestamp } from './timestamp.ts'

/** A token that opens the API, known by its SHA-256 only. */
export interface StoredToken {
  readonly hash: string
  readonly created: string
}

/** An account. `password` is what `hashPassword` made; an inactive one is being cancelled and opens nothing. */
export interface User {
  readonly username: string
  readonly email: string
  readonly firstName: string
  readonly lastName: string
  readonly isSuperuser: boolean
  readonly isStaff: boolean
  readonly isActive: boolean
  readonly dateJoined: string
  readonly lastLogin?: string
  readonly password: string
  readonly tokens: readonly StoredToken[]
}

const USERNAME = /^[\w.@+-]+$/
const USERNAME_LENGTH_MAX = 150
// Good enough to catch a slip of the keyboard; only a mail that arrives proves an address.
const EMAIL = /^[^\s@<>(),;:"[\]\\]+@[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/i
const EMAIL_LENGTH_MAX = 254
const NAME_LENGTH_MAX = 150

/** Checks the name of a new account. @throws {Refusal} 400 under `username` */
export function checkUsername(username: string): void {
  if (!username) throw invalid('username', 'This field may not be blank.')
  if (username.length > USERNAME_LENGTH_MAX)
    throw invalid('username', `Ensure this field has no more than ${USERNAME_LENGTH_MAX} characters.`)
  // `\w` of JavaScript is ASCII, and `$` without the flag `m` matches at the very end only: a trailing newline is refused.
  if (!USERNAME.test(username))
    throw invalid('username', 'Enter a valid username. This value may contain only letters, numbers and @/./+/-/_ characters.')
}

/** Checks an e-mail address; the empty one is fine. @throws {Refusal} 400 under `email` */
export function checkEmail(email: string): void {
  if (email && (email.length > EMAIL_LENGTH_MAX || !EMAIL.test(email))) throw invalid('email', 'Enter a valid email address.')
}

/** Checks a first or last name. @throws {Refusal} 400 under the field */
export function checkPersonName(field: 'first_name' | 'last_name', name: string): void {
  if (name.length > NAME_LENGTH_MAX) throw invalid(field, `Ensure this field has no more than ${NAME_LENGTH_MAX} characters.`)
}

/** The user as the API shows it. There is no `id`: clients rely on its absence. */
export function showUser(user: User) {
  return {
    email: user.email,
    username: user.username,
    first_name: user.firstName,
    last_name: user.lastName,
    is_superuser: user.isSuperuser,
    is_staff: user.isStaff,
    groups: [],
    user_permissions: [],
    // Clients cannot parse `null` here, so an account that never logged in shows the day it was made.
    last_login: timestamp(user.lastLogin ?? user.dateJoined),
    date_joined: timestamp(user.dateJoined),
    is_active: user.isActive,
  }
}
