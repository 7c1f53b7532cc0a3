import type { Annotations } from '../annotations.ts'
import { parseBoolean, parseTime } from '../values.ts'

/** Whose pages may read an app's answers (`x-cors-…`), https://fetch.spec.whatwg.org/#http-cors-protocol. */
export interface CorsSpec {
  /** `https://shop.example.com`, `https://*.example.com`, or `*` alone: any, without credentials. */
  readonly origins: readonly string[]
  readonly methods: readonly string[]
  readonly headers: readonly string[]
  readonly expose: readonly string[]
  readonly credentials: boolean
  readonly maxAgeSeconds: number
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']
const HEADERS = ['Accept', 'Authorization', 'Content-Type', 'If-Match', 'If-Modified-Since', 'If-None-Match', 'Range', 'X-Requested-With']

/** Reads the annotations of CORS; without `x-cors-origins` there is none, and the app answers for itself. */
export function readCors(annotations: Annotations, lastGood?: CorsSpec): CorsSpec | undefined {
  const read = annotations.items('x-cors-origins', parseOrigin)
  const origins = read?.length === 0 ? lastGood?.origins : read
  const list = (name: string, absent: readonly string[], before?: readonly string[]) => {
    const items = annotations.items(name, parseToken)
    return items === undefined ? absent : items.length > 0 ? items : (before ?? absent)
  }
  const methods = list('x-cors-methods', METHODS, lastGood?.methods)
  const headers = list('x-cors-headers', HEADERS, lastGood?.headers)
  const expose = list('x-cors-expose', [], lastGood?.expose)
  const wanted = annotations.one('x-cors-credentials', false, parseBoolean, lastGood?.credentials)
  const maxAgeMs = annotations.one('x-cors-max-age', 600_000, parseTime, lastGood && lastGood.maxAgeSeconds * 1000)
  if (origins === undefined || origins.length === 0) return undefined
  const any = origins.includes('*')
  // With both, any page of the web would act with its visitor's rights.
  if (any && wanted)
    annotations.fault('x-cors-credentials', 'true', 'Cannot let every origin send credentials: name the origins in x-cors-origins')
  return { origins, methods, headers, expose, credentials: wanted && !any, maxAgeSeconds: Math.floor(maxAgeMs / 1000) }
}

function parseOrigin(text: string): string {
  if (text === '*') return text
  const [, scheme = '', wildcard = '', host = '', port = ''] =
    /^([a-z][a-z0-9+.-]{0,30}):\/\/(\*\.)?([a-z0-9_-]+(?:\.[a-z0-9_-]+)*)(:\d{1,5})?\/?$/.exec(text.toLowerCase()) ?? []
  if (scheme === '' || (wildcard !== '' && !host.includes('.')))
    throw new RangeError(`Cannot read origin "${text}": write it as https://www.example.com, https://*.example.com or *`)
  // A browser never names the usual port.
  const isUsual = (scheme === 'https' && port === ':443') || (scheme === 'http' && port === ':80')
  return `${scheme}://${wildcard}${host}${isUsual ? '' : port}`
}

function parseToken(text: string): string {
  if (/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}$/.test(text)) return text
  throw new RangeError(`Cannot read "${text}": write names of methods or header fields, separated by commas`)
}
