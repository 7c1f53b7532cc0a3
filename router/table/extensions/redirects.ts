import type { Annotations } from '../annotations.ts'
import { parseDomain, parsePathPrefix } from '../values.ts'

/** A path that has moved (`x-redirects`). */
export interface Redirect {
  /** The path as it begins, whole segments of it; without a slash at its end, so `''` is every path. */
  readonly from: string
  /** Only this very path, nothing below it. */
  readonly exact: boolean
  /** A path of the same host, or an absolute address of http or https; without query. */
  readonly to: string
  readonly status: RedirectStatus
}

export type RedirectStatus = 301 | 302 | 303 | 307 | 308

/** Each costs a comparison a request. */
const COUNT_MAX = 200

/**
 * Reads `x-redirects`: items `/old /new`, `/blog https://blog.example.com 302` or, for that one path alone, `=/ /home`.
 * Those that would lead to themselves, at once or through others, are dropped and told.
 *
 * @param domains the app's own, as addresses of theirs are followed like paths
 */
export function readRedirects(annotations: Annotations, domains: readonly string[], lastGood?: readonly Redirect[]) {
  const read = annotations.items('x-redirects', parseRedirect)
  if (read === undefined) return undefined
  if (read.length === 0) return lastGood
  const kept = sortRedirects(read.slice(0, COUNT_MAX))
  if (read.length > COUNT_MAX) annotations.fault('x-redirects', String(read.length), `Cannot use more than ${COUNT_MAX} redirects`)
  const circular = kept.filter(redirect => isCircular(redirect, kept, domains))
  for (const { from, to } of circular)
    annotations.fault(
      'x-redirects',
      `${from || '/'} ${to}`,
      'Cannot redirect: the target leads back to it, write "=" before a path to mean it alone',
    )
  return kept.filter(redirect => !circular.includes(redirect))
}

/** Reads `x-canonical-host`: one of the app's own domains. @throws {RangeError} */
export function parseCanonicalHost(text: string, domains: readonly string[]): string {
  const host = parseDomain(text)
  const isOwn = domains.some(
    domain =>
      domain === host ||
      (domain.startsWith('*.') && host.endsWith(domain.slice(1))) ||
      (!domain.includes('.') && host.startsWith(`${domain}.`)),
  )
  if (host.startsWith('*.') || !host.includes('.') || !isOwn)
    throw new RangeError(`Cannot use "${text}" as canonical host: write one of the app's own domains in full, as www.example.com`)
  return host
}

/** The redirect that a path takes: the longest wins, one for the very path before one for all below. */
export function findRedirect(redirects: readonly Redirect[], path: string): Redirect | undefined {
  return redirects.find(({ from, exact }) =>
    exact ? path === (from || '/') : path.startsWith(from) && (path.length === from.length || path.charCodeAt(from.length) === 47),
  )
}

/** Where a redirect sends a path. @returns a path of the same host, or an absolute address */
export function redirectTarget({ from, to }: Redirect, path: string): string {
  const rest = path.slice(from.length)
  const target = rest === '' || rest === '/' ? to : (to.endsWith('/') ? to.slice(0, -1) : to) + rest
  // `//evil.example` and `/\evil.example` are addresses of another host to a browser.
  return /^\/[/\\]/.test(target) ? target.replace(/^[/\\]+/, '/') : target
}

function parseRedirect(item: string): Redirect {
  const [, equals, from = '', to = '', status = '301'] = /^(=?)(\/\S*)\s+(\S+)(?:\s+(30[12378]))?$/.exec(item) ?? []
  if (from === '') throw new RangeError(`Cannot read redirect "${item}": write it as /old /new, or /old https://www.example.com/new 302`)
  const path = parsePathPrefix(from)
  return { from: path.replace(/\/+$/, ''), exact: equals === '=', to: parseTarget(to), status: Number(status) as RedirectStatus }
}

function parseTarget(text: string): string {
  if (text.startsWith('/') && !/^\/[/\\]/.test(text)) return parsePathPrefix(text)
  const [, scheme, authority, path = ''] = /^(https?):\/\/([^/?#@\\]+)(\/.*)?$/i.exec(text) ?? []
  if (scheme === undefined || authority === undefined)
    throw new RangeError(`Cannot redirect to "${text}": write a path, or an address as https://www.example.com/new, without query`)
  const [host = '', port] = authority.split(':')
  const domain = parseDomain(host)
  if (domain.startsWith('*.') || (port !== undefined && !/^\d{1,5}$/.test(port)))
    throw new RangeError(`Cannot redirect to "${text}": write the host as www.example.com or www.example.com:8443`)
  return `${scheme.toLowerCase()}://${domain}${port === undefined ? '' : `:${port}`}${path === '' ? '' : parsePathPrefix(path)}`
}

function sortRedirects(redirects: readonly Redirect[]): Redirect[] {
  return redirects.toSorted((a, b) => b.from.length - a.from.length || Number(b.exact) - Number(a.exact))
}

/**
 * Whether following leads back. A circle never touches what stands behind the longest of its paths, so it shows when each is followed from
 * its own path; one that grows with each step shows by not ending.
 */
function isCircular(start: Redirect, redirects: readonly Redirect[], domains: readonly string[]): boolean {
  let path = start.from || '/'
  let next: Redirect | undefined = start
  for (let step = 0; step <= redirects.length; step++) {
    const target: string | undefined = ownPath(redirectTarget(next, path), domains)
    if (target === undefined) return false
    path = target
    next = findRedirect(redirects, path)
    if (next === undefined) return false
    if (next === start) return true
  }
  return false
}

/** The path of a target that is the app's again; `undefined`: it leaves. */
function ownPath(target: string, domains: readonly string[]): string | undefined {
  if (target.startsWith('/')) return target
  const [, host = '', path = '/'] = /^https?:\/\/([^/:]+)(?::\d+)?(\/.*)?$/.exec(target) ?? []
  const isOwn = domains.some(domain => domain === host || (domain.startsWith('*.') && host.endsWith(domain.slice(1))))
  return isOwn ? path : undefined
}
