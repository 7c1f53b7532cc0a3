import { type Certificate, isInTime } from '../tls/certificates.ts'
import type { TableDelta } from './spec.ts'

/** A clock that was set, or a machine that slept, is noticed after so long. */
const LOOK_AGAIN_MS = 3600_000

type Times = Pick<Certificate, 'notBeforeMs' | 'notAfterMs'>

/**
 * Tells at which moment certificates begin and end, as names are to be shown another from then on; what is chosen follows from the clock, and
 * without this it would be looked at with the next change only.
 */
export class CertificateTimes {
  readonly #onMoment: (keys: readonly string[]) => void
  readonly #now: () => number
  /** By key; and whether each was in its time when it was last looked at. */
  readonly #times = new Map<string, { readonly times: Times; isInTime: boolean }>()
  #timer: NodeJS.Timeout | undefined
  #nextMs = Number.POSITIVE_INFINITY

  /** @param onMoment hears the keys of those whose time has begun or ended */
  constructor(onMoment: (keys: readonly string[]) => void, now: () => number = Date.now) {
    this.#onMoment = onMoment
    this.#now = now
  }

  /** Takes the certificates that are others now, as a change of the table names them. */
  take(certificates: TableDelta['certificates']): void {
    if (certificates.length === 0) return
    const nowMs = this.#now()
    let nextMs = this.#nextMs
    for (const [key, certificate] of certificates) {
      if (!certificate) {
        this.#times.delete(key)
        continue
      }
      const { notBeforeMs = 0, notAfterMs } = certificate
      const times = { notBeforeMs, notAfterMs }
      this.#times.set(key, { times, isInTime: isInTime(times, nowMs) })
      nextMs = Math.min(nextMs, nextMoment(times, nowMs))
    }
    if (nextMs < this.#nextMs) this.#wait(nextMs, nowMs)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#times.clear()
  }

  #wait(nextMs: number, nowMs: number): void {
    clearTimeout(this.#timer)
    this.#nextMs = nextMs
    this.#timer = setTimeout(() => this.#look(), Math.min(nextMs - nowMs, LOOK_AGAIN_MS)).unref()
  }

  #look(): void {
    const nowMs = this.#now()
    const turned: string[] = []
    let nextMs = Number.POSITIVE_INFINITY
    for (const [key, entry] of this.#times) {
      nextMs = Math.min(nextMs, nextMoment(entry.times, nowMs))
      const isNow = isInTime(entry.times, nowMs)
      if (isNow !== entry.isInTime) turned.push(key)
      entry.isInTime = isNow
    }
    this.#wait(nextMs, nowMs)
    if (turned.length > 0) this.#onMoment(turned)
  }
}

/** Both ends belong to its time (RFC 5280 §4.1.2.5). */
function nextMoment({ notBeforeMs = 0, notAfterMs }: Times, nowMs: number): number {
  if (nowMs < notBeforeMs) return notBeforeMs
  return nowMs <= notAfterMs ? notAfterMs + 1 : Number.POSITIVE_INFINITY
}
