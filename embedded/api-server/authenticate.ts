import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'

/** Does the request come with the administrator's token or a certificate of our authority. There is one user, who may do all. */
export function isAuthentic(request: IncomingMessage, token: string): boolean {
  const [scheme, given = ''] = (request.headers.authorization ?? '').split(' ')
  if (scheme?.toLowerCase() === 'bearer') return isEqual(given, token)
  return (request.socket as TLSSocket).authorized === true
}

/** In a time that tells nothing of where they differ, or how long the right one is. */
function isEqual(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}
