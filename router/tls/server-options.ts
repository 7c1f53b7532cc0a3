import { constants } from 'node:crypto'
import type { SecureContext, TLSSocket, TlsOptions } from 'node:tls'
import type { Log } from '../../kernel/log.ts'
import { type KeyPair, selfSigned } from '../../kernel/x509.ts'
import { stapleKey } from '../ocsp/subject.ts'
import { normalHost } from '../table/host.ts'
import type { Table } from '../table/table.ts'
import type { Certificate } from './certificates.ts'
import { TlsContexts } from './contexts.ts'
import type { NamesOnDemand } from './names-on-demand.ts'
import { keyExchangeGroups } from './policies.ts'

/** What all workers of one router share, so that a session begun with one is resumed by another. */
export interface TlsSecrets {
  /** 48 random bytes. */
  readonly ticketKeys: Uint8Array
}

// A handshake costs far more to answer than to ask for, and Node grants a connection three of them in ten minutes (CVE-2011-1473).
// Compression tells secrets by lengths (CRIME). Whoever names ChaCha20 first has no AES in hardware.
const SECURE_OPTIONS = constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_COMPRESSION | constants.SSL_OP_PRIORITIZE_CHACHA

/** Makes the https listener's options out of the table of the moment. */
export class ServerTls {
  #secrets: TlsSecrets
  readonly #contexts: TlsContexts
  readonly #log: Log
  /** Whether the handshake of this moment was given a context of its own. */
  #isChosen = false
  readonly #names: NamesOnDemand | undefined
  /** Shown where the router has no certificate of its own; made when it is needed, as an RSA key takes a third of a second. */
  #fallback: KeyPair | undefined

  /** @param names handshakes that wait for a certificate; absent: none does */
  constructor(table: Table, secrets: TlsSecrets, log: Log, names?: NamesOnDemand) {
    this.#names = names
    this.#secrets = secrets
    this.#contexts = new TlsContexts(policyOf(table))
    this.#log = log
  }

  /**
   * Options for the table: its default certificate, its protocol versions and, with `table`, the certificate of each name from the table
   * as it will then be.
   */
  options(table: () => Table): TlsOptions {
    const { tls, defaultCertificate } = table()
    if (!defaultCertificate) this.#fallback ??= selfSigned({ names: ['router.invalid'], days: 3650 })
    return {
      ...pairsOf(defaultCertificate, this.#fallback),
      ...policyOf(table()),
      honorCipherOrder: true,
      sessionTimeout: tls.sessionTimeoutSeconds,
      ticketKeys: Buffer.from(this.#secrets.ticketKeys),
      // The default is derived from the command line, which must not decide who resumes where.
      sessionIdContext: 'drycc-router',
      secureOptions: SECURE_OPTIONS | (tls.sessionTickets ? 0 : constants.SSL_OP_NO_TICKET),
      SNICallback: chooser((serverName, done, socket) => {
        const name = normalHost(serverName)
        const choose = () => this.#choose(table(), name, done, socket)
        if (!this.#names?.holds(name, table(), socket, choose)) choose()
      }),
    }
  }

  /** Takes the versions and ciphers of another table. @returns whether the listener's own options are others now */
  update(before: Table, now: Table): boolean {
    if (before.tls !== now.tls) this.#contexts.configure(policyOf(now))
    return before.tls !== now.tls || before.defaultCertificate?.id !== now.defaultCertificate?.id
  }

  /** Another key of session tickets, for all handshakes to come. */
  takeSecrets(secrets: TlsSecrets): void {
    this.#secrets = secrets
  }

  /**
   * The OCSP response to show in the handshake of this moment, where there is one.
   *
   * @param certificate of the context that it has, DER
   */
  staple(table: Table, certificate: Buffer): Uint8Array | undefined {
    if (table.stapleCount === 0) return undefined
    // Of several of the listener's own OpenSSL chooses one, and does not say which.
    if (!this.#isChosen && table.defaultCertificate?.others !== undefined) return undefined
    const staple = table.staple(stapleKey(certificate))
    return staple && staple.validUntilMs > Date.now() ? staple.response : undefined
  }

  /** Without a context the listener's own certificate is shown. */
  #choose(table: Table, name: string, done: Done, socket: TLSSocket | undefined): void {
    if (table.tls.unknownNames === 'refuse' && !table.knows(name)) {
      done(new UnknownNameError())
      return
    }
    const certificate = suited(table.certificates(name), socket)
    let context: SecureContext | undefined
    try {
      context = certificate && this.#contexts.of(certificate)
    } catch (error) {
      this.#log.error('certificate refused', { name, error: (error as Error).message })
    }
    // Within this call Node asks for the staple.
    this.#isChosen = context !== undefined
    done(null, context)
    this.#isChosen = false
  }
}

type Done = Parameters<NonNullable<TlsOptions['SNICallback']>>[1]

/** Node calls it as a method of the socket, which alone knows what the client can check. */
function chooser(choose: (name: string, done: Done, socket: TLSSocket | undefined) => void): NonNullable<TlsOptions['SNICallback']> {
  return function (this: TLSSocket | undefined, name, done) {
    choose(name, done, this)
  }
}

/**
 * Of certificates with different kinds of keys the one that a client can check: EC where it names such signatures, as those cost a tenth. Node
 * takes over one certificate of a context, so the choice cannot be left to OpenSSL.
 */
function suited(certificates: readonly Certificate[], socket: TLSSocket | undefined) {
  const [only] = certificates
  if (only === undefined || (certificates.length === 1 && only.others === undefined)) return only
  const all = certificates.flatMap(certificate => [certificate, ...(certificate.others ?? [])])
  const signatures = socket?.getSharedSigalgs?.() ?? []
  const kind = signatures.some(name => name.startsWith('ECDSA+')) ? 'ec' : 'rsa'
  return all.find(certificate => certificate.kind === kind) ?? only
}

/** Nobody has the name that a client asked for; the listener answers it with an alert. */
export class UnknownNameError extends Error {
  readonly code = 'ERR_TLS_UNKNOWN_NAME'
}

function pairsOf(certificate: Certificate | undefined, fallback: KeyPair | undefined): Pick<TlsOptions, 'cert' | 'key'> {
  if (!certificate) return { cert: fallback?.certificate, key: fallback?.key }
  const pairs = [certificate, ...(certificate.others ?? [])]
  return { cert: pairs.map(({ chain }) => chain), key: pairs.map(({ key }) => key) }
}

function policyOf({ tls }: Table) {
  const { minVersion, maxVersion, ciphers } = tls
  return { minVersion, maxVersion, ciphers, ecdhCurve: keyExchangeGroups() }
}
