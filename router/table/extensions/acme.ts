import type { Annotations } from '../annotations.ts'
import { parseDomain } from '../values.ts'

/** What an authority looks for to see that a domain leads here (RFC 8555 §8.1). */
export interface AcmeChallenge {
  readonly domain: string
  readonly token: string
  /** The token and the thumbprint of the account's key. */
  readonly keyAuthorization: string
}

/** As many as an app has domains. */
const COUNT_MAX = 256

/**
 * Reads `x-acme-challenges`: items `www.example.com TOKEN TOKEN.THUMBPRINT`. What stands here is answered in the app's name, so it holds for
 * the app's own domains only; which of several apps a host belongs to is decided before.
 *
 * @param domains the app's own; a wildcard stands for one label
 */
export function readChallenges(annotations: Annotations, domains: readonly string[]): readonly AcmeChallenge[] | undefined {
  const challenges = annotations.items('x-acme-challenges', item => parseChallenge(item, domains))
  if (challenges === undefined || challenges.length === 0) return undefined
  if (challenges.length > COUNT_MAX)
    annotations.fault('x-acme-challenges', String(challenges.length), `Cannot answer more than ${COUNT_MAX} challenges`)
  return challenges.slice(0, COUNT_MAX)
}

function parseChallenge(item: string, domains: readonly string[]): AcmeChallenge {
  // RFC 8555 §8.1 and RFC 7638: letters of base64url, and a thumbprint of 32 bytes.
  const [, name = '', token = '', keyAuthorization = ''] = /^(\S+) +([\w-]{1,200}) +([\w-]{1,200}\.[\w-]{43})$/.exec(item) ?? []
  if (!keyAuthorization.startsWith(`${token}.`) || token === '')
    throw new RangeError(`Cannot read challenge "${item}": write it as www.example.com TOKEN TOKEN.THUMBPRINT`)
  const domain = parseDomain(name)
  const isOwn = domains.includes(domain) || domains.includes(`*${domain.slice(domain.indexOf('.'))}`)
  if (!isOwn || !domain.includes('.') || domain.startsWith('*'))
    throw new RangeError(`Cannot answer challenges for "${domain}": write one of the app's own domains in full`)
  return { domain, token, keyAuthorization }
}
