import type { Annotations } from '../annotations.ts'
import { parseInteger, parseObjectName } from '../values.ts'

/** A share of an app's requests that another Service of its namespace gets. */
export interface CanaryWish {
  readonly service: string
  /** Of a hundred requests. */
  readonly weight: number
  /** A header field by which a client chooses: `always` or `never`. */
  readonly header?: string
  /** A cookie of the same use, looked at after the field. */
  readonly cookie?: string
}

/** What an app asks for in the choice of its endpoints. */
export interface SteeringWish {
  /** The name of the cookie that keeps a client with its endpoint. */
  readonly cookie?: string
  readonly canary?: CanaryWish
}

/** Reads `x-sticky-cookie` and `x-canary`. @returns `undefined` where there is neither */
export function readSteering(annotations: Annotations, lastGood: SteeringWish = {}): SteeringWish | undefined {
  const cookie = annotations.one('x-sticky-cookie', undefined, parseToken, lastGood.cookie)
  const canary = annotations.one('x-canary', undefined, parseCanary, lastGood.canary)
  if (cookie === undefined && canary === undefined) return undefined
  return { ...(cookie !== undefined && { cookie }), ...(canary && { canary }) }
}

const HOW = 'write it as service=shop-next weight=10, and header=X-Canary or cookie=canary if clients may choose'

/** @throws {RangeError} */
function parseCanary(text: string): CanaryWish {
  const words = text.split(/[\s,]+/).filter(Boolean)
  const values = new Map<string, string>()
  for (const word of words) {
    const [, name, value] = /^(service|weight|header|cookie)=(.+)$/.exec(word) ?? []
    if (name === undefined || value === undefined || values.has(name)) throw new RangeError(`Cannot read "${word}" of a canary: ${HOW}`)
    values.set(name, value)
  }
  const [service, weight, header, cookie] = ['service', 'weight', 'header', 'cookie'].map(name => values.get(name))
  if (service === undefined || weight === undefined) throw new RangeError(`Cannot read canary "${text}": ${HOW}`)
  return {
    service: parseObjectName(service),
    weight: parseInteger(weight, 0, 100),
    ...(header !== undefined && { header: parseToken(header) }),
    ...(cookie !== undefined && { cookie: parseToken(cookie) }),
  }
}

/** The name of a header field or of a cookie. @throws {RangeError} */
function parseToken(text: string): string {
  // Not all that a name may hold: it becomes part of a regular expression.
  if (/^[\w-]{1,64}$/.test(text)) return text
  throw new RangeError(`Cannot read name "${text}": write up to 64 letters, digits, hyphens and underscores`)
}
