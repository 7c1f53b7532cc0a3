import 'reflect-metadata'
import { createHash, webcrypto } from 'node:crypto'
import {
  cryptoProvider,
  Extension,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'

const EC = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
/** id-pe-acmeIdentifier, RFC 8737 §3. */
const ACME_IDENTIFIER = '1.3.6.1.5.5.7.1.31'
const DAY_MS = 86_400_000

cryptoProvider.set(webcrypto as Crypto)

/** A fresh key and the request to certify it. */
export interface SigningRequest {
  /** PKCS#8, PEM. */
  readonly key: string
  /** PKCS#10, DER. */
  readonly request: Buffer
}

/** Makes a P-256 key and a request for names (RFC 2986); the first is the subject too, where it fits there. */
export async function createSigningRequest(names: readonly string[]): Promise<SigningRequest> {
  const keys = await webcrypto.subtle.generateKey(EC, true, ['sign', 'verify'])
  const [first = ''] = names
  const request = await Pkcs10CertificateRequestGenerator.create({
    // RFC 5280, appendix A: a common name has 64 characters at most.
    name: first.length <= 64 ? `CN=${first}` : '',
    keys,
    signingAlgorithm: EC,
    extensions: [new SubjectAlternativeNameExtension(names.map(value => ({ type: 'dns', value })))],
  })
  return { key: await pemOfKey(keys.privateKey), request: Buffer.from(request.rawData) }
}

/**
 * The certificate that answers a tls-alpn-01 challenge (RFC 8737 §3): self-signed, for one name, with the digest of the key authorization.
 */
export async function createChallengeCertificate(name: string, keyAuthorization: string): Promise<{ certificate: string; key: string }> {
  const keys = await webcrypto.subtle.generateKey(EC, true, ['sign', 'verify'])
  const digest = createHash('sha256').update(keyAuthorization).digest()
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: 'CN=acme challenge',
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + 7 * DAY_MS),
    keys,
    signingAlgorithm: EC,
    extensions: [
      new SubjectAlternativeNameExtension([{ type: 'dns', value: name }]),
      // An OCTET STRING of 32 octets within the extension's own.
      new Extension(ACME_IDENTIFIER, true, Buffer.concat([Buffer.from([0x04, digest.length]), digest])),
    ],
  })
  return { certificate: `${certificate.toString('pem')}\n`, key: await pemOfKey(keys.privateKey) }
}

async function pemOfKey(key: webcrypto.CryptoKey): Promise<string> {
  const bytes = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key)).toString('base64')
  return `-----BEGIN PRIVATE KEY-----\n${bytes.replace(/.{64}/g, '$&\n').trimEnd()}\n-----END PRIVATE KEY-----\n`
}
