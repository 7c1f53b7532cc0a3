import { missing } from '../domain/refusal.ts'
import type { Records } from '../records.ts'

/**
 * Takes back what has just been made in a user's name where his account was cancelled meanwhile: whoever registers that name next would
 * inherit it. An account is shut before it is looked at for what it owns, so one of the two sides sees the other.
 *
 * @throws {Refusal} 404 when there is no such user any more
 */
export async function unlessCancelled({ users }: Pick<Records, 'users'>, username: string, undo: () => Promise<unknown>): Promise<void> {
  if (users.get(username)?.isActive) return
  await undo()
  throw missing('User')
}
