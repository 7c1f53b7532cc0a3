import { createAuthority, issueCertificate } from '../../kernel/x509.ts'
import type { UpstreamTlsSpec } from './upstream-tls.ts'

/** The name on the certificate of test apps over TLS. */
export const NAME = 'shop.shop.svc'

const authority = createAuthority('Pods')

/** Certificate and key of test apps. */
export const POD_PAIR = issueCertificate(authority, { names: [NAME], days: 1 })

/** What an app with that certificate asks for. */
export const TRUSTING: UpstreamTlsSpec = { verify: true, authority: authority.certificate, name: NAME }

/** What that certificate does not satisfy, by why. */
export const DISTRUSTING: Readonly<Record<string, UpstreamTlsSpec>> = {
  'whose authority is another': { ...TRUSTING, authority: createAuthority('Other').certificate },
  'whose authority is not known': { ...TRUSTING, authority: '' },
  'that no authority of the world has signed': { verify: true, name: NAME },
  'of another name': { ...TRUSTING, name: 'other.shop.svc' },
}
