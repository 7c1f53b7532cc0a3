import type { IncomingMessage } from 'node:http'
import type { Kind } from './kinds/kind.ts'
import { hasGroup, hasGroupVersion, kindAt } from './kinds/registry.ts'
import { ApiError, badRequest, unknownResource } from './status.ts'

/** What a path under `/api` or `/apis` names. */
export interface Target {
  readonly kind: Kind
  /** `''` for cluster-wide kinds and for lists over all namespaces. */
  readonly namespace: string
  /** `''` for the whole collection. */
  readonly name: string
  /** `status`, `scale`, `log` … or `''`. */
  readonly subresource: string
  /** What follows the subresource, for proxies. */
  readonly rest: string
}

/**
 * Reads a resource path.
 *
 * @returns `undefined` for a path that is no resource's
 * @throws {ApiError} 404 for a resource that is not served under a group and version that is
 */
export function parseTarget(path: string): Target | undefined {
  const parts = decodePath(path)
  const [root, ...tail] = parts
  if (root === 'api' && tail[0] === 'v1') return targetIn('', 'v1', tail.slice(1))
  if (root === 'apis' && tail.length > 1) return targetIn(tail[0] ?? '', tail[1] ?? '', tail.slice(2))
  return undefined
}

function targetIn(group: string, version: string, parts: readonly string[]): Target | undefined {
  if (!hasGroup(group)) return undefined
  if (parts.length === 0 || !hasGroupVersion(group, version)) throw unknownResource()
  if (parts[0] === 'namespaces' && parts.length > 2 && !(group === '' && (parts[2] === 'status' || parts[2] === 'finalize'))) {
    const [, namespace = '', plural = '', name = '', subresource = '', ...rest] = parts
    const kind = kindAt(group, version, plural)
    if (!kind?.namespaced) throw unknownResource()
    return { kind, namespace, name, subresource, rest: rest.join('/') }
  }
  const [plural = '', name = '', subresource = '', ...rest] = parts
  const kind = kindAt(group, version, plural)
  if (!kind || (kind.namespaced && name)) throw unknownResource()
  return { kind, namespace: '', name, subresource, rest: rest.join('/') }
}

function decodePath(path: string): string[] {
  try {
    return path.split('/').filter(Boolean).map(decodeURIComponent)
  } catch {
    throw badRequest('the path of the request is not a valid URL')
  }
}

/** 3 MiB, as the real server: the limit of etcd's requests, doubled. */
export const BODY_BYTES_MAX = 3 * 1024 * 1024

/** Reads a request's body. @throws {ApiError} 413 */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const tooLarge = () => new ApiError(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${BODY_BYTES_MAX}`)
  if (Number(request.headers['content-length'] ?? 0) > BODY_BYTES_MAX) throw tooLarge()
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > BODY_BYTES_MAX) throw tooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** A query parameter that is a whole number. @throws {ApiError} 400 */
export function integerParameter(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name)
  if (text === null || text === '') return undefined
  if (!/^[+-]?\d+$/.test(text)) throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`)
  return Number(text)
}

/** A query parameter that is a switch; present without a value means yes. @throws {ApiError} 400 */
export function flagParameter(query: URLSearchParams, name: string): boolean {
  const text = query.get(name)
  if (text === null) return false
  return !/^(0|false)$/i.test(text)
}
