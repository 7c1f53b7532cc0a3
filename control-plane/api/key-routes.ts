import { randomUUID } from 'node:crypto'
import { requiredText } from '../domain/fields.ts'
import { invalid, missing } from '../domain/refusal.ts'
import { checkKeyId, parsePublicKey, type SshKey, showKey } from '../domain/ssh-key.ts'
import { now } from '../domain/timestamp.ts'
import type { Records } from '../records.ts'
import { page } from './page.ts'
import { created, noContent, ok } from './reply.ts'
import type { Routes } from './routes.ts'
import { unlessCancelled } from './unless-cancelled.ts'

const KEYS_MAX = 200

/** The SSH keys with which a user pushes. */
export function keyRoutes(routes: Routes, { users, sshKeys, claims }: Pick<Records, 'users' | 'sshKeys' | 'claims'>): void {
  const ownKeys = (username: string) => sshKeys.list().filter(key => key.owner === username)

  routes.user('/v2/keys/', {
    GET: call => page(call, ownKeys(call.user.username), showKey),
    async POST({ user, body }) {
      const id = requiredText(body, 'id')
      const text = requiredText(body, 'public')
      checkKeyId(id)
      const { fingerprint } = parsePublicKey(text)
      if (ownKeys(user.username).length >= KEYS_MAX) throw invalid('id', `A user can have ${KEYS_MAX} keys`)
      const key: SshKey = { uuid: randomUUID(), owner: user.username, id, public: text, fingerprint, created: now(), updated: now() }
      const isHeld = (holder: string) => sshKeys.get(holder)?.id === id
      if (!(await claims.take('key-id', id, fingerprint, isHeld))) throw invalid('id', 'SSH Key with this id already exists.')
      if (!(await sshKeys.create(key))) {
        // The name was for this key only, unless it is what the standing key is called.
        if (sshKeys.get(fingerprint)?.id !== id) await claims.release('key-id', id)
        throw invalid('public', 'Public Key is already in use')
      }
      await unlessCancelled({ users }, user.username, () => drop(key))
      return created(showKey(key))
    },
  })

  routes.user('/v2/keys/:id', {
    GET: ({ user, params }) => ok(showKey(find(user.username, params['id']))),
    async DELETE({ user, params }) {
      const key = find(user.username, params['id'])
      await drop(key)
      return noContent()
    },
  })

  async function drop({ fingerprint, id }: SshKey): Promise<void> {
    await sshKeys.remove(fingerprint)
    await claims.release('key-id', id)
  }

  /** Others' keys look as if there were none. */
  function find(username: string, id: string | undefined): SshKey {
    const key = ownKeys(username).find(own => own.id === id)
    if (!key) throw missing('Key')
    return key
  }
}
