import { createPrivateKey, generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import forge from 'node-forge'

/** A certificate (or chain) and its private key, both PEM. */
export interface KeyPair {
  readonly certificate: string
  readonly key: string
}

export interface IssueOptions {
  /** DNS names, wildcards and IP addresses that the certificate is for. */
  readonly names: readonly string[]
  readonly days: number
  /** The first of {@link names} by default. */
  readonly commonName?: string
  /** For `O=` of a client's subject: Kubernetes reads groups there. */
  readonly organization?: string
  /** For TLS clients instead of servers. */
  readonly client?: boolean
}

/** What a certificate says of itself. Names are `/C=US/CN=foo.com`, the fingerprint is SHA-256 in upper-case hex pairs. */
export interface CertificateDescription {
  readonly subject: string
  readonly issuer: string
  readonly commonName: string | null
  /** The DNS names and addresses of its subjectAltName. */
  readonly names: readonly string[]
  readonly notBefore: Date
  readonly notAfter: Date
  readonly fingerprint: string
}

const CLOCK_SKEW_MS = 300_000
const AUTHORITY_DAYS = 3650

/** Makes a certificate authority of one's own, for development and for the emulator: RSA 2048, ten years. */
export function createAuthority(commonName: string): KeyPair {
  const { keys, key } = rsaKeys()
  const certificate = blank(keys.publicKey, AUTHORITY_DAYS)
  const subject = [{ name: 'commonName', value: commonName }]
  certificate.setSubject(subject)
  certificate.setIssuer(subject)
  certificate.setExtensions([
    { name: 'basicConstraints', cA: true, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, digitalSignature: true, critical: true },
    { name: 'subjectKeyIdentifier' },
  ])
  certificate.sign(keys.privateKey, forge.md.sha256.create())
  return { certificate: forge.pki.certificateToPem(certificate), key }
}

/** Issues a certificate for servers or clients from an authority made here. */
export function issueCertificate(authority: KeyPair, options: IssueOptions): KeyPair {
  const issuer = forge.pki.certificateFromPem(authority.certificate)
  return issue(options, {
    subject: issuer.subject.attributes,
    key: forge.pki.privateKeyFromPem(pkcs1(authority.key)) as forge.pki.rsa.PrivateKey,
    keyIdentifier: issuer.generateSubjectKeyIdentifier().getBytes(),
  })
}

/** A certificate that vouches for itself: what a listener shows until it has a better one. */
export function selfSigned(options: IssueOptions): KeyPair {
  return issue(options)
}

/**
 * Reads the first certificate of a PEM text.
 *
 * @throws {Error} when there is none that can be read
 */
export function describeCertificate(pem: string): CertificateDescription {
  return describe(readCertificate(pem))
}

/**
 * Reads the first certificate of a PEM text, and whether a key is its: one reading for both costs half of two.
 *
 * @throws {Error} when either cannot be read; the message says which
 */
export function describePair(certificatePem: string, keyPem: string): CertificateDescription & { readonly isPair: boolean } {
  const certificate = readCertificate(certificatePem)
  return { ...describe(certificate), isPair: fits(certificate, keyPem) }
}

function describe(certificate: X509Certificate): CertificateDescription {
  const subject = oneLine(certificate.subject)
  return {
    subject,
    issuer: oneLine(certificate.issuer),
    commonName: /\/CN=([^/]*)/.exec(subject)?.[1] ?? null,
    names: alternativeNames(certificate.subjectAltName),
    notBefore: new Date(certificate.validFrom),
    notAfter: new Date(certificate.validTo),
    fingerprint: certificate.fingerprint256,
  }
}

/**
 * Whether a private key is the one of a certificate; every kind of key that OpenSSL knows.
 *
 * @throws {Error} when either cannot be read; the message says which
 */
export function isKeyOf(certificatePem: string, keyPem: string): boolean {
  return fits(readCertificate(certificatePem), keyPem)
}

function fits(certificate: X509Certificate, keyPem: string): boolean {
  try {
    return certificate.checkPrivateKey(createPrivateKey(keyPem))
  } catch (error) {
    throw new Error(`Could not load private key: ${(error as Error).message}`)
  }
}

/**
 * Opens a PKCS#12 file as browsers and keychains export it.
 *
 * @returns the chain, the key's own certificate first, and the key in PKCS#8
 * @throws {Error} for a wrong password or a file that holds no certificate with its key
 */
export function readPkcs12(bytes: Uint8Array, password: string): KeyPair {
  const { pkcs12, pki, asn1, util } = forge
  const file = pkcs12.pkcs12FromAsn1(asn1.fromDer(util.createBuffer(Buffer.from(bytes).toString('binary'))), password)
  const bags = (type: string) => file.getBags({ bagType: type })[type] ?? []
  const keyBag = [...bags(pki.oids['pkcs8ShroudedKeyBag']!), ...bags(pki.oids['keyBag']!)].find(bag => bag.key)
  const certificates = bags(pki.oids['certBag']!).flatMap(bag => (bag.cert ? [pki.certificateToPem(bag.cert)] : []))
  if (!keyBag?.key) throw new Error('Could not load private key: the file holds none')
  const key = createPrivateKey(pki.privateKeyToPem(keyBag.key)).export({ type: 'pkcs8', format: 'pem' }) as string
  const own = certificates.find(certificate => isKeyOf(certificate, key))
  if (!own) throw new Error('Could not load certificate: the file holds none that fits its key')
  return { certificate: [own, ...certificates.filter(certificate => certificate !== own)].join(''), key }
}

interface Issuer {
  readonly subject: forge.pki.CertificateField[]
  readonly key: forge.pki.rsa.PrivateKey
  readonly keyIdentifier: string
}

function issue(options: IssueOptions, issuer?: Issuer): KeyPair {
  const { keys, key } = rsaKeys()
  const certificate = blank(keys.publicKey, options.days)
  const subject = [
    { name: 'commonName', value: (options.commonName ?? options.names[0] ?? '').slice(0, 64) },
    ...(options.organization ? [{ name: 'organizationName', value: options.organization }] : []),
  ]
  certificate.setSubject(subject)
  certificate.setIssuer(issuer?.subject ?? subject)
  certificate.setExtensions([
    { name: 'basicConstraints', cA: false, critical: true },
    { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
    options.client ? { name: 'extKeyUsage', clientAuth: true } : { name: 'extKeyUsage', serverAuth: true },
    { name: 'subjectKeyIdentifier' },
    ...(issuer ? [{ name: 'authorityKeyIdentifier', keyIdentifier: issuer.keyIdentifier }] : []),
    ...(options.names.length > 0 ? [{ name: 'subjectAltName', altNames: options.names.map(alternativeName) }] : []),
  ])
  certificate.sign(issuer?.key ?? keys.privateKey, forge.md.sha256.create())
  return { certificate: forge.pki.certificateToPem(certificate), key }
}

/** node-forge takes seconds to find primes; OpenSSL, behind node:crypto, a tenth of one. */
function rsaKeys(): { keys: forge.pki.rsa.KeyPair; key: string } {
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const own = forge.pki.privateKeyFromPem(pkcs1(privateKey)) as forge.pki.rsa.PrivateKey
  return { keys: { privateKey: own, publicKey: forge.pki.setRsaPublicKey(own.n, own.e) as forge.pki.rsa.PublicKey }, key: privateKey }
}

function pkcs1(key: string): string {
  return createPrivateKey(key).export({ type: 'pkcs1', format: 'pem' }) as string
}

function blank(publicKey: forge.pki.rsa.PublicKey, days: number): forge.pki.Certificate {
  const certificate = forge.pki.createCertificate()
  certificate.publicKey = publicKey
  // A leading 0 bit keeps the number positive, a leading 1 bit keeps it 20 octets at most (RFC 5280 §4.1.2.2).
  certificate.serialNumber = `4${randomBytes(16).toString('hex').slice(1)}`
  certificate.validity.notBefore = new Date(Date.now() - CLOCK_SKEW_MS)
  certificate.validity.notAfter = new Date(Date.now() + days * 86_400_000)
  return certificate
}

function alternativeName(name: string): Record<string, unknown> {
  return isIP(name) ? { type: 7, ip: name } : { type: 2, value: name }
}

function readCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch (error) {
    throw new Error(`Could not load certificate: ${(error as Error).message}`)
  }
}

function oneLine(name: string): string {
  return name ? `/${name.split('\n').join('/')}` : ''
}

/** The DNS names and addresses of a subjectAltName, as `X509Certificate` writes it. */
export function alternativeNames(text: string | undefined): string[] {
  if (!text) return []
  return text.split(', ').flatMap(entry => /^(?:DNS|IP Address):(.*)$/.exec(entry)?.[1] ?? [])
}
