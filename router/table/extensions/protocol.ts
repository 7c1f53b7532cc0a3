import type { Annotations } from '../annotations.ts'
import { parseDomain, parseObjectName } from '../values.ts'

/** How an app is spoken to. */
export type ProtocolWish = 'http' | 'h2c' | HttpsWish

export interface HttpsWish {
  /** Whether it is HTTP/2; absent: HTTP/1.1. */
  readonly http2?: true
  /** Whether the app's certificate is checked. */
  readonly verify: boolean
  /** The name of a Secret of the app's namespace with the authority under `ca.crt`; absent: those that Node trusts. */
  readonly authority?: string
  /** The name that is asked for and that the certificate must have; absent: the Service's own. */
  readonly name?: string
}

/**
 * Reads `x-protocol`, and where there is none what the Service's port says (`appProtocol`).
 *
 * @returns `undefined` where nobody says anything: http
 */
export function readProtocol(
  annotations: Annotations,
  appProtocol: string | undefined,
  lastGood: ProtocolWish | undefined,
): ProtocolWish | undefined {
  const own = annotations.one('x-protocol', undefined, parseProtocol, lastGood)
  if (own !== undefined || appProtocol === undefined) return own
  const word = appProtocol.toLowerCase().replace(/^kubernetes\.io\//, '')
  if (word === 'https' || word === 'wss') return { verify: true }
  if (word === 'h2' || word === 'grpcs') return { verify: true, http2: true }
  if (word === 'h2c' || word === 'grpc') return 'h2c'
  return undefined
}

const HOW =
  'write http, h2c, https or h2, the last two with nothing, with insecure, or with ca=NAME-OF-A-SECRET and name=NAME-ON-THE-CERTIFICATE behind them'

/** @throws {RangeError} */
function parseProtocol(text: string): ProtocolWish {
  const [protocol, ...words] = text.split(/[\s,]+/)
  if (protocol === 'http' && words.length === 0) return 'http'
  if ((protocol === 'h2c' || protocol === 'grpc') && words.length === 0) return 'h2c'
  const isHttp2 = protocol === 'h2' || protocol === 'grpcs'
  if (protocol !== 'https' && !isHttp2) throw new RangeError(`Cannot read protocol "${text}": ${HOW}`)
  let verify = true
  let authority: string | undefined
  let name: string | undefined
  for (const word of words) {
    if (word === 'insecure') verify = false
    else if (word.startsWith('ca=')) authority = parseObjectName(word.slice(3))
    else if (word.startsWith('name=')) name = parseDomain(word.slice(5))
    else throw new RangeError(`Cannot read "${word}" of a protocol: ${HOW}`)
  }
  if (!verify && authority !== undefined) throw new RangeError('Cannot be insecure and have an authority: write one of the two')
  return {
    verify,
    ...(isHttp2 && { http2: true as const }),
    ...(authority !== undefined && { authority }),
    ...(name !== undefined && { name }),
  }
}
