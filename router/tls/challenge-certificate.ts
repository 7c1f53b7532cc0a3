import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { der, generalizedTime, oid, sequence } from './der.ts'

/** PEM. */
export interface ChallengeCertificate {
  readonly certificate: string
  readonly key: string
}

const DAY_MS = 86_400_000

/**
 * Makes the certificate by which a domain answers an authority over TLS (RFC 8737 §3): self-signed, for that one name, with the digest of the
 * key authorization.
 */
export function challengeCertificate(domain: string, keyAuthorization: string): ChallengeCertificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const digest = createHash('sha256').update(keyAuthorization).digest()
  const algorithm = sequence(oid(1, 2, 840, 10045, 4, 3, 2))
  const name = sequence(der(0x31, sequence(oid(2, 5, 4, 3), der(0x0c, Buffer.from('ACME challenge')))))
  const serial = Buffer.concat([Buffer.from([0x01]), randomBytes(15)])
  const extensions = sequence(
    // subjectAltName: dNSName is [2].
    sequence(oid(2, 5, 29, 17), der(0x04, sequence(der(0x82, Buffer.from(domain, 'latin1'))))),
    // id-pe-acmeIdentifier, critical.
    sequence(oid(1, 3, 6, 1, 5, 5, 7, 1, 31), der(0x01, Buffer.from([0xff])), der(0x04, der(0x04, digest))),
  )
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, serial),
    algorithm,
    name,
    sequence(generalizedTime(Date.now() - DAY_MS), generalizedTime(Date.now() + 7 * DAY_MS)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, extensions),
  )
  const signature = Buffer.concat([Buffer.from([0]), sign('sha256', body, privateKey)])
  const base64 = sequence(body, algorithm, der(0x03, signature)).toString('base64')
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${base64.replace(/.{64}/g, '$&\n').trimEnd()}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  }
}
