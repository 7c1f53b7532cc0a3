import { type Certificate, isSkimmed, proven } from '../tls/certificates.ts'

export interface AuditOptions {
  /** The newest certificate of each Secret that somebody names. */
  readonly certificates: () => Iterable<readonly [secret: string, certificate: Certificate]>
  /** Hears of Secrets whose certificates are not what they seemed to be: they must be read again. */
  readonly onRefuted: (secrets: readonly string[]) => void
  readonly pauseMs?: number
}

/** Certificates a turn of the event loop: five milliseconds at most, as this process may serve. */
const PART = 20
/** Between two turns: 10,000 certificates take ten seconds, at a fifth of a core. */
const PAUSE_MS = 20

/**
 * Reads whole, in the background, what a start has only skimmed, so that it need not wait for it. Of a certificate that OpenSSL does not take
 * its owner is told then, as he would have been at the start.
 */
export class CertificateAudit {
  readonly #options: AuditOptions
  #timer: NodeJS.Timeout | undefined

  constructor(options: AuditOptions) {
    this.#options = options
  }

  start(): void {
    this.#goOn([...this.#options.certificates()].filter(([, certificate]) => isSkimmed(certificate)).values())
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #goOn(rest: Iterator<readonly [secret: string, certificate: Certificate]>): void {
    const refuted: string[] = []
    let count = 0
    for (; count < PART; count++) {
      const { value, done } = rest.next()
      if (done) break
      const [secret, certificate] = value
      if (!proven(certificate)) refuted.push(secret)
    }
    if (refuted.length > 0) this.#options.onRefuted(refuted)
    if (count === PART) this.#timer = setTimeout(() => this.#goOn(rest), this.#options.pauseMs ?? PAUSE_MS).unref()
  }
}
