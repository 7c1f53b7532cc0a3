import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import { cryptoProvider, Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension } from '@peculiar/x509'

const EC = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

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

async function pemOfKey(key: webcrypto.CryptoKey): Promise<string> {
  const bytes = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key)).toString('base64')
  return `-----BEGIN PRIVATE KEY-----\n${bytes.replace(/.{64}/g, '$&\n').trimEnd()}\n-----END PRIVATE KEY-----\n`
}
