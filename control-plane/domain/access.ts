import type { App } from './app.ts'
import type { User } from './user.ts'

/** Owner, collaborators and superusers: they read an app and change what runs. */
export function mayUse(user: User, app: App): boolean {
  return mayManage(user, app) || app.collaborators.includes(user.username)
}

/** Owner and superusers: they delete, share and hand over. */
export function mayManage(user: User, app: App): boolean {
  return user.isSuperuser || app.owner === user.username
}
