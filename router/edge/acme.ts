import type { RequestHead } from '../http1/request-head.ts'
import type { Reply } from '../serve/errors.ts'
import type { AcmeChallenge } from '../table/extensions/acme.ts'

const PATH = '/.well-known/acme-challenge/'

/**
 * Answers an authority that looks for a challenge (RFC 8555 §8.3), before all that keeps others out: it comes from anywhere, over plain HTTP,
 * and knows no password. A token that nobody waits for is the app's own business.
 */
export function challengeReply({ method, host, target }: RequestHead, challenges: readonly AcmeChallenge[]): Reply | undefined {
  if (!target.startsWith(PATH) || (method !== 'GET' && method !== 'HEAD')) return undefined
  const token = target.slice(PATH.length)
  const found = challenges.find(challenge => challenge.domain === host && challenge.token === token)
  if (found === undefined) return undefined
  return { status: 200, fields: 'Content-Type: text/plain\r\nCache-Control: no-store\r\n', body: found.keyAuthorization }
}
