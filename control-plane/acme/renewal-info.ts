import { X509Certificate } from 'node:crypto'
import { retryAfter } from './problem.ts'

/** When a certificate should be renewed, RFC 9773 §4.2. */
export interface RenewalWindow {
  readonly startMs: number
  readonly endMs: number
  /** How long the answer holds; absent: the server does not say. */
  readonly againAfterMs?: number
  /** Where the authority says why. */
  readonly explanation?: string
}

const URL_LENGTH_MAX = 500

/** Reads a RenewalInfo object. @returns `undefined` for what is none; a window that ends before it begins counts as no answer (§4.2) */
export function readRenewalInfo(
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string | string[] | undefined>>,
): RenewalWindow | undefined {
  const { suggestedWindow, explanationURL } = (body ?? {}) as {
    suggestedWindow?: { start?: unknown; end?: unknown }
    explanationURL?: unknown
  }
  const startMs = timeOf(suggestedWindow?.start)
  const endMs = timeOf(suggestedWindow?.end)
  if (status !== 200 || !(startMs < endMs)) return undefined
  const againAfterMs = retryAfter(headers['retry-after'])
  const url = typeof explanationURL === 'string' && explanationURL.length <= URL_LENGTH_MAX ? URL.parse(explanationURL) : null
  return {
    ...{ startMs, endMs },
    ...(againAfterMs !== undefined && { againAfterMs }),
    ...(url?.protocol === 'https:' && { explanation: url.href }),
  }
}

/**
 * The name of a certificate in renewal information (RFC 9773 §4.1): the octets of the authority's key identifier and those of the serial
 * number as DER writes them, each in base64url.
 *
 * @returns `undefined` where a certificate does not tell the authority's key
 */
export function renewalId(certificatePem: string): string | undefined {
  const { raw } = new X509Certificate(certificatePem)
  const [certificate] = parts(raw)
  const [body] = parts(certificate?.content)
  const fields = parts(body?.content)
  const serial = fields.find(({ tag }) => tag === INTEGER)?.content
  const [extensions] = parts(fields.find(({ tag }) => tag === EXTENSIONS)?.content)
  for (const extension of parts(extensions?.content)) {
    const [id, ...rest] = parts(extension.content)
    if (!id?.content.equals(AUTHORITY_KEY_IDENTIFIER)) continue
    const [identifier] = parts(rest.at(-1)?.content)
    const key = parts(identifier?.content).find(({ tag }) => tag === KEY_IDENTIFIER)?.content
    if (serial && key) return `${key.toString('base64url')}.${serial.toString('base64url')}`
  }
  return undefined
}

const INTEGER = 0x02
/** [3] of a TBSCertificate, [0] of an AuthorityKeyIdentifier (RFC 5280 §4.1, §4.2.1.1). */
const EXTENSIONS = 0xa3
const KEY_IDENTIFIER = 0x80
/** 2.5.29.35 */
const AUTHORITY_KEY_IDENTIFIER = Buffer.from([0x55, 0x1d, 0x23])

interface Part {
  readonly tag: number
  readonly content: Buffer
}

/** What stands in a DER value, which OpenSSL has read before. */
function parts(der: Buffer = Buffer.alloc(0)): Part[] {
  const found: Part[] = []
  for (let at = 0; at + 2 <= der.length; ) {
    const short = der.readUInt8(at + 1)
    const octets = short < 0x80 ? 0 : short & 0x7f
    const length = octets === 0 ? short : der.readUIntBE(at + 2, octets)
    const begin = at + 2 + octets
    found.push({ tag: der.readUInt8(at), content: der.subarray(begin, begin + length) })
    at = begin + length
  }
  return found
}

/** Of RFC 3339. */
function timeOf(value: unknown): number {
  return typeof value === 'string' && /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d/.test(value) ? Date.parse(value) : Number.NaN
}
