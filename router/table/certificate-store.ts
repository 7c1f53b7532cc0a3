import type { Secret } from 'kubernetes-types/core/v1'
import { type Certificate, certificateWarnings, readCertificate } from '../tls/certificates.ts'
import type { Family, Fault } from './annotations.ts'
import type { App } from './app.ts'
import { References } from './references.ts'

export interface CertificateStoreOptions {
  readonly family: Family
  /** The router's own, where the platform certificate is. */
  readonly namespace: string
  readonly oldCertificateKeys?: boolean
  readonly now?: () => number
}

export interface CertificateChanges {
  readonly certificates: (readonly [secret: string, certificate: Certificate | null])[]
  /** The apps whose hosts may have another certificate now. */
  readonly moved: ReadonlySet<string>
  /** The apps that name a Secret which was looked at. */
  readonly looked: ReadonlySet<string>
}

/** The certificates that routes name, and the platform's: read, checked, and kept at their last good state. */
export class CertificateStore {
  readonly #options: CertificateStoreOptions
  readonly #named = new References()
  readonly #known = new Map<string, { readonly certificate?: Certificate; readonly fault?: string }>()
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
    const certificates: CertificateChanges['certificates'] = []
    const moved = new Set<string>()
    const looked = new Set<string>()
    for (const key of keys) {
      const before = this.#known.get(key)
      const secret = this.#isWanted(key) ? find(key) : undefined
      const now = secret ? this.#readSecret(secret, before?.certificate) : undefined
      if (now) this.#known.set(key, now)
      else this.#known.delete(key)
      const isOther = now?.certificate?.id !== before?.certificate?.id
      if (isOther) certificates.push([key, now?.certificate ?? null])
      for (const app of this.#named.get(key)) {
        looked.add(app)
        if (isOther) moved.add(app)
      }
    }
    return { certificates, moved, looked }
  }

  /** Whether a Secret holds a certificate that can be served. */
  has(secret: string): boolean {
    return this.#known.get(secret)?.certificate !== undefined
  }

  all(): (readonly [secret: string, certificate: Certificate])[] {
    return [...this.#known].flatMap(([key, { certificate }]) => (certificate ? [[key, certificate] as const] : []))
  }

  /** All Secrets that somebody names, whether they exist or not. */
  wanted(): ReadonlySet<string> {
    return new Set([...this.#named.things(), ...this.#platform])
  }

  /** The Secret of the certificate for hosts without one of their own. */
  get defaultKey(): string | null {
    return this.#platform.find(key => this.has(key)) ?? null
  }

  faultsOf(app: App): Fault[] {
    return Object.entries(app.certificates).flatMap(([domain, key]) => {
      // A short domain always has the platform's certificate (contract 5.3).
      if (!domain.includes('.')) return []
      return this.#faults('certificates', key, `${domain}:${key}`, domain) ?? [noSecret(`${domain}:${key}`, key)]
    })
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

  #readSecret(secret: Secret, lastGood: Certificate | undefined) {
    try {
      return { certificate: readCertificate(secret, { oldKeys: this.#options.oldCertificateKeys ?? false }) }
    } catch (error) {
      return { ...(lastGood && { certificate: lastGood }), fault: (error as Error).message }
    }
  }

  /** @returns `undefined` where there is no such Secret */
  #faults(key: string, secret: string, value: string, domain?: string): Fault[] | undefined {
    const known = this.#known.get(secret)
    if (!known) return undefined
    const nowMs = (this.#options.now ?? Date.now)()
    const warnings = known.certificate ? certificateWarnings(known.certificate, domain, nowMs) : []
    return [...(known.fault ? [known.fault] : []), ...warnings].map(message => ({ key, value, message }))
  }
}

function noSecret(value: string, key: string): Fault {
  return { key: 'certificates', value, message: `Cannot serve TLS: there is no Secret ${key}` }
}
