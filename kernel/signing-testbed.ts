// It sets up the library.
import './signing-request.ts'
import { webcrypto } from 'node:crypto'
import {
  AuthorityKeyIdentifierExtension,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'

const EC = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17'

/** An authority for tests. */
export interface TestAuthority {
  /** PEM. */
  readonly certificate: string
  /** The names that a request (PKCS#10, DER) asks for; its signature is checked. */
  namesOf(request: Buffer): Promise<string[]>
  /** Certifies a request. @returns PEM */
  certify(request: Buffer, validity: { readonly notBefore: Date; readonly notAfter: Date }): Promise<string>
}

/** Makes an authority that certifies the requests of {@link createSigningRequest}. */
export async function createTestAuthority(commonName: string): Promise<TestAuthority> {
  const keys = await webcrypto.subtle.generateKey(EC, true, ['sign', 'verify'])
  const own = await X509CertificateGenerator.createSelfSigned({ name: `CN=${commonName}`, keys, signingAlgorithm: EC, serialNumber: '01' })
  let serial = 1
  const read = async (request: Buffer) => {
    const parsed = new Pkcs10CertificateRequest(new Uint8Array(request))
    if (!(await parsed.verify())) throw new Error('Cannot take the request: its signature is wrong')
    return parsed
  }
  const namesOf = async (request: Buffer) => {
    const extension = (await read(request)).getExtension(SUBJECT_ALTERNATIVE_NAME) as SubjectAlternativeNameExtension | null
    return (extension?.names.items ?? []).map(({ value }) => value)
  }
  return {
    certificate: `${own.toString('pem')}\n`,
    namesOf,
    async certify(request, { notBefore, notAfter }) {
      const { publicKey } = await read(request)
      const names = await namesOf(request)
      const certificate = await X509CertificateGenerator.create({
        ...{ publicKey, signingKey: keys.privateKey, signingAlgorithm: EC, issuer: own.subject, subject: '', notBefore, notAfter },
        // The first bit set: as a number it would be negative, if nobody put a zero before it.
        serialNumber: `f${(++serial).toString(16).padStart(7, '0')}`,
        extensions: [
          new SubjectAlternativeNameExtension(names.map(value => ({ type: 'dns', value }))),
          await AuthorityKeyIdentifierExtension.create(own),
        ],
      })
      return `${certificate.toString('pem')}\n`
    },
  }
}
