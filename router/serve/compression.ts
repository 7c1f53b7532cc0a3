import { headValue } from '../http1/fields.ts'
import type { RequestHead } from '../http1/request-head.ts'
import type { ResponseHead } from '../http1/response-head.ts'
import type { Coding } from '../table/extensions/compression.ts'
import type { GzipSettings, Policy } from '../table/route.ts'
import { chooseCoding } from './coding.ts'

/** How an answer is sent when the client's wishes about its coding play a part in it. */
export interface CompressionPlan {
  /** Absent: the answer goes as it is. */
  readonly coding?: Coding
  /** The header lines of the answer, each with its CRLF. */
  readonly fields: string
}

/** Whether an answer is long enough to be worth a look; one whose length nobody knows is (contract section 2, `nginx.gzip.minLength`). */
export function isWorthCompressing(answer: ResponseHead, own: Policy['compression'], settings: GzipSettings): boolean {
  return (
    settings.enabled &&
    (answer.statedLength < 0 || answer.statedLength >= (own === undefined ? settings.minLengthBytes : own.minLengthBytes))
  )
}

/**
 * Decides about one answer. Of a listed type it varies by Accept-Encoding, compressed or not, so that no cache gives one client what
 * another asked for. It goes as it is when it has a coding or a range already, forbids changes, or carries a digest of its bytes.
 *
 * @param fields of the answer, each line with its CRLF
 * @param isBusy whether there are codecs enough: then it is sent as it is
 * @returns undefined for an answer that is nobody's to compress
 */
export function planCompression(
  request: RequestHead,
  status: number,
  fields: string,
  own: Policy['compression'],
  settings: GzipSettings,
  isBusy: boolean,
): CompressionPlan | undefined {
  if (status === 204 || status === 206 || own?.codings.length === 0) return undefined
  if (status === 304) return planRevalidation(request, fields, settings)
  if (request.acceptEncoding === '' && !settings.vary) return undefined
  const type = TYPE.exec(fields)
  // Most answers that are no text end here, at a third of the cost of reading all fields.
  if (type === null || !isListed((type[1] as string).trimEnd().toLowerCase(), settings.types)) return undefined
  const meaning = readFields(fields)
  if (!meaning.isPlain) return undefined
  const varied = settings.vary && !meaning.varies ? `${fields}Vary: Accept-Encoding\r\n` : fields
  const coding =
    !isBusy && mayCompress(request, settings) ? chooseCoding(request.acceptEncoding, own?.codings ?? settings.codings) : undefined
  return coding === undefined ? { fields: varied } : { coding, fields: `${encodedFields(varied)}Content-Encoding: ${coding}\r\n` }
}

/**
 * A 304 has the ETag and Vary that the 200 would have (RFC 9110 §15.4.5): whoever asks by the weak one has a compressed answer of ours, as
 * its app knows the strong one. There is no type by which to tell.
 */
function planRevalidation(request: RequestHead, fields: string, settings: GzipSettings): CompressionPlan | undefined {
  const tag = STRONG_TAG.exec(fields)?.[1]
  if (tag === undefined || !headValue(request.raw, 'if-none-match').includes(`W/${tag}`)) return undefined
  const varied = settings.vary && !readFields(fields).varies ? `${fields}Vary: Accept-Encoding\r\n` : fields
  return { fields: encodedFields(varied) }
}

const STRONG_TAG = /^etag:[\t ]*("[^"\r]*")/im
const TYPE = /^content-type:[\t ]*([^;\r]*)/im
const MEANING =
  /^(content-type|content-encoding|content-range|cache-control|vary|content-md5|digest|content-digest|repr-digest):[\t ]*([^\r]*)/gim

function readFields(fields: string): { readonly isPlain: boolean; readonly varies: boolean } {
  let types = 0
  let isPlain = true
  let varies = false
  MEANING.lastIndex = 0
  for (let line = MEANING.exec(fields); line !== null; line = MEANING.exec(fields)) {
    const value = line[2] as string
    switch ((line[1] as string).toLowerCase()) {
      case 'content-type':
        // Two types are none.
        if (++types > 1) isPlain = false
        break
      case 'cache-control':
        if (/(?:^|[,\t ])no-transform(?:[,\t ]|$)/i.test(value)) isPlain = false
        break
      case 'vary':
        if (/(?:^|[,\t ])(?:accept-encoding|\*)(?:[,\t ]|$)/i.test(value)) varies = true
        break
      default:
        isPlain = false
    }
  }
  return { isPlain, varies }
}

/** `*` is any type, `text/*` any of its kind; gRPC has a compression of its own. */
function isListed(type: string, types: ReadonlySet<string>): boolean {
  if (types.has(type)) return true
  if (!types.has('*') && !types.has(`${type.slice(0, type.indexOf('/'))}/*`)) return false
  return !type.startsWith('application/grpc') && !type.startsWith('multipart/')
}

function mayCompress(request: RequestHead, settings: GzipSettings): boolean {
  if (request.acceptEncoding === '' || (request.minor === 0 && settings.minVersion === '1.1')) return false
  if (!settings.proxied && headValue(request.raw, 'via') !== '') return false
  return !/(?:^|[,\t ])no-transform(?:[,\t ]|$)/i.test(headValue(request.raw, 'cache-control'))
}

/** Other bytes than the app's: equal in meaning only (RFC 9110 §8.8.3.3), and no range of them can be had. */
function encodedFields(fields: string): string {
  return fields.replace(/^etag:[\t ]*"/gim, 'ETag: W/"').replace(/^accept-ranges:[^\n]*\n/gim, '')
}
