import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import { LRUCache } from 'lru-cache'
import type { Certificate } from './certificates.ts'

/** How connections are secured, the same for all names. */
export type TlsPolicy = Pick<SecureContextOptions, 'minVersion' | 'maxVersion' | 'ciphers' | 'ecdhCurve'>

/**
 * The TLS contexts of a worker, one a certificate, made when a client first asks for it: a context costs about 2 ms and 27 KB, so 10,000 of
 * them at the start would stop the worker for 20 s. The least used are forgotten beyond `max`.
 */
export class TlsContexts {
  readonly #cache: LRUCache<string, SecureContext>
  #policy: TlsPolicy

  constructor(policy: TlsPolicy, { max = 2000 } = {}) {
    this.#policy = policy
    this.#cache = new LRUCache({ max })
  }

  /** The context of a certificate. @throws {Error} when OpenSSL refuses what was checked before */
  of(certificate: Pick<Certificate, 'id' | 'chain' | 'key'>): SecureContext {
    const known = this.#cache.get(certificate.id)
    if (known) return known
    const context = createSecureContext({ ...this.#policy, cert: certificate.chain, key: certificate.key, honorCipherOrder: true })
    this.#cache.set(certificate.id, context)
    return context
  }

  /** Takes another policy; contexts are made anew by it, running connections stay. */
  configure(policy: TlsPolicy): void {
    if (JSON.stringify(policy) === JSON.stringify(this.#policy)) return
    this.#policy = policy
    this.#cache.clear()
  }

  get size(): number {
    return this.#cache.size
  }
}
