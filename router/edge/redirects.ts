import { headValue } from '../http1/fields.ts'
import { type Reply, redirectReply } from '../serve/errors.ts'
import type { Exchange } from '../serve/exchange.ts'
import { findRedirect, type Redirect, redirectTarget } from '../table/extensions/redirects.ts'

/** To the one name of an app that asks for it: path, query and, where the client named one, the port stay. */
export function canonicalReply({ head, origin }: Exchange, canonicalHost: string): Reply | undefined {
  if (head.host === canonicalHost) return undefined
  const port = /:[0-9]{1,5}$/.exec(headValue(head.raw, 'host'))?.[0] ?? ''
  const target = head.target === '*' ? '/' : head.target
  // After a 301 browsers make a GET of a POST.
  const status = head.method === 'GET' || head.method === 'HEAD' ? 301 : 308
  return redirectReply(`${origin.secure ? 'https' : 'http'}://${canonicalHost}${port}${target}`, status)
}

/** To where a path has moved; the query stays. */
export function movedReply({ head }: Exchange, redirects: readonly Redirect[]): Reply | undefined {
  const query = head.target.indexOf('?')
  const path = query < 0 ? head.target : head.target.slice(0, query)
  const redirect = findRedirect(redirects, path)
  if (redirect === undefined) return undefined
  return redirectReply(redirectTarget(redirect, path) + (query < 0 ? '' : head.target.slice(query)), redirect.status)
}
