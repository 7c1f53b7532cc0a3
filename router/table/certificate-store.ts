import type { Secret } from 'kubernetes-types/core/v1'
import { type Certificate, certificateWarnings, isFor, isInTime, proven, readCertificate } from '../tls/certificates.ts'
import type { Family, Fault } from './annotations.ts'
import type { App } from './app.ts'
import { type Candidate, chooseCertificates } from './certificate-choice.ts'
import { References } from './references.ts'

export interface CertificateStoreOptions {
  readonly family: Family
  /** The router's own, where the platform certificate is. */
  readonly namespace: string
  readonly oldCertificateKeys?: boolean
  /** What is wrong with the OCSP responses of a Secret's certificates. */
  readonly staplingFault?: (secret: string) => string | undefined
  readonly now?: () => number
}

export interface CertificateChanges {
  readonly certificates: (readonly [secret: string, certificate: Certificate | null])[]
  /** The apps whose hosts may have another certificate now. */
  readonly moved: ReadonlySet<string>
  /** The apps that name a Secret which was looked at. */
  readonly looked: ReadonlySet<string>
}

/** What is known of one Secret. */
interface Known {
  /** The newest that could be read. */
  readonly certificate?: Certificate
  /** The one before, as long as it is good for a name or a time that the newest is not. */
  readonly kept?: Certificate
  /** Why what stands there now cannot be used. */
  readonly fault?: string
  /** Whether each was in its time when the Secret was last looked at: others are chosen when that changes. */
  readonly standing: string
}

/** The certificates that routes name, and the platform's: read, checked, and kept at their last good state. */
export class CertificateStore {
  readonly #options: CertificateStoreOptions
  readonly #named = new References()
  readonly #known = new Map<string, Known>()
  /** The Secrets of the platform certificate, the preferred spelling first. */
  readonly #platform: readonly string[]

  constructor(options: CertificateStoreOptions) {
    this.#options = options
    const names = ['drycc-router-platform-cert', 'deis-router-platform-cert']
    if (options.family !== 'router.drycc.cc/') names.reverse()
    this.#platform = names.map(name => `${options.namespace}/${name}`)
  }

  /** Notes which Secrets an app names. @returns those that it did not name before, or names no more */
  name(app: string, secrets: Iterable<string>): ReadonlySet<string> {
    return this.#named.set(app, secrets)
  }

  /** Reads Secrets again. One that has become unreadable keeps its last good certificate; one that has gone does not. */
  read(find: (key: string) => Secret | undefined, keys: Iterable<string>): CertificateChanges {
    const certificates: (readonly [secret: string, certificate: Certificate | null])[] = []
    const moved = new Set<string>()
    const looked = new Set<string>()
    for (const key of keys) {
      const before = this.#known.get(key)
      const secret = this.#isWanted(key) ? find(key) : undefined
      const found = secret && this.#readSecret(secret, before)
      const now = found && { ...found, standing: this.#standing(found) }
      if (now) this.#known.set(key, now)
      else this.#known.delete(key)
      const changes = (['certificate', 'kept'] as const).filter(part => now?.[part]?.id !== before?.[part]?.id)
      for (const part of changes) certificates.push([part === 'kept' ? keptKey(key) : key, now?.[part] ?? null])
      for (const app of this.#named.get(key)) {
        looked.add(app)
        if (changes.length > 0 || now?.standing !== before?.standing) moved.add(app)
      }
    }
    return { certificates, moved, looked }
  }

  /**
   * The keys of the certificates that a domain is shown, one for each kind of key, between blanks.
   *
   * @param secrets those that the app names for it
   * @returns `undefined` where there is none
   */
  choose(secrets: readonly string[], domain: string): string | undefined {
    const candidates = secrets.flatMap(key => this.#candidates(key))
    const chosen = chooseCertificates(candidates, domain, this.#nowMs)
    return chosen.length > 0 ? chosen.map(({ key }) => key).join(' ') : undefined
  }

  /** Under which keys workers know them. */
  all(): (readonly [key: string, certificate: Certificate])[] {
    return [...this.#known.keys()].flatMap(secret => this.#candidates(secret).map(({ key, certificate }) => [key, certificate] as const))
  }

  /** The newest good one of each Secret. */
  current(): (readonly [secret: string, certificate: Certificate])[] {
    return [...this.#known].flatMap(([secret, { certificate }]) => (certificate ? [[secret, certificate] as const] : []))
  }

  /** All Secrets that somebody names, whether they exist or not. */
  wanted(): ReadonlySet<string> {
    return new Set([...this.#named.things(), ...this.#platform])
  }

  /** The key of the certificate for hosts without one of their own: the preferred spelling, unless only the other is in its time. */
  get defaultKey(): string | null {
    const all = this.#platform.flatMap(secret => this.#candidates(secret))
    return (all.find(({ certificate }) => isInTime(certificate, this.#nowMs)) ?? all[0])?.key ?? null
  }

  faultsOf(app: App): Fault[] {
    return Object.entries(app.certificates).flatMap(([domain, secrets]) =>
      secrets.flatMap(key => {
        // A short domain always has the platform's certificate (contract 5.3).
        if (!domain.includes('.')) return []
        return this.#faults('certificates', key, `${domain}:${key}`, domain) ?? [noSecret(`${domain}:${key}`, key)]
      }),
    )
  }

  platformFaults(): Fault[] {
    return this.#platform.flatMap(key => this.#faults('platform certificate', key, key) ?? [])
  }

  isPlatform(secret: string): boolean {
    return this.#platform.includes(secret)
  }

  #isWanted(key: string): boolean {
    return this.#named.has(key) || this.isPlatform(key)
  }

  get #nowMs(): number {
    return (this.#options.now ?? Date.now)()
  }

  #candidates(secret: string): Candidate[] {
    const { certificate, kept } = this.#known.get(secret) ?? {}
    return [...(certificate ? [{ key: secret, certificate }] : []), ...(kept ? [{ key: keptKey(secret), certificate: kept }] : [])]
  }

  #standing({ certificate, kept }: Omit<Known, 'standing'>): string {
    return [certificate, kept].map(one => one && isInTime(one, this.#nowMs)).join()
  }

  #readSecret(secret: Secret, before: Known | undefined): Omit<Known, 'standing'> {
    const { certificate: last, kept: older } = before ?? {}
    try {
      const certificate = readCertificate(secret, { oldKeys: this.#options.oldCertificateKeys ?? false })
      // The last one may be as bad as this; then what was kept before it still is the better.
      const kept = [last, older].find(
        other => other && other.id !== certificate.id && this.#isStillNeeded(other, certificate) && proven(other),
      )
      return { certificate, ...(kept && { kept }) }
    } catch (error) {
      const [good, stillGood] = [proven(last), proven(older)]
      return { ...(good && { certificate: good }), ...(stillGood && { kept: stillGood }), fault: (error as Error).message }
    }
  }

  #isStillNeeded(last: Certificate, certificate: Certificate): boolean {
    if (!isInTime(last, this.#nowMs)) return false
    return !isInTime(certificate, this.#nowMs) || last.names.some(name => !isFor(certificate, name.toLowerCase()))
  }

  /** @returns `undefined` where there is no such Secret */
  #faults(key: string, secret: string, value: string, domain?: string): Fault[] | undefined {
    const known = this.#known.get(secret)
    if (!known) return undefined
    const warnings = known.certificate ? certificateWarnings(known.certificate, domain, this.#nowMs) : []
    const stapling = this.#options.staplingFault?.(secret)
    return [...(known.fault ? [known.fault] : []), ...warnings, ...(stapling ? [stapling] : [])].map(message => ({
      key,
      value,
      message,
      secret,
    }))
  }
}

function keptKey(secret: string): string {
  return `${secret}#kept`
}

/** The Secret of a certificate, by the key under which workers know it. */
export function secretOf(key: string): string {
  return key.replace(/#kept$/, '')
}

function noSecret(value: string, key: string): Fault {
  return { key: 'certificates', value, message: `Cannot serve TLS: there is no Secret ${key}` }
}
