import { isIP } from 'node:net'
import { type Fields, field, isFields, optionalText } from './fields.ts'
import { invalid } from './refusal.ts'

/** The certificate authority that an app's owner chose; '' is not set. */
export interface AppIssuer {
  readonly email: string
  /** Of the directory. */
  readonly server: string
  readonly key_id: string
  /** base64url; never shown. */
  readonly key_secret: string
}

export const NO_ISSUER: AppIssuer = { email: '', server: '', key_id: '', key_secret: '' }

const TEXT_LENGTH_MAX = 2048

/**
 * Lays the field `issuer` of a request over the one that stands; what it leaves out stays.
 *
 * @param isTrusted whether the operator named a directory himself; others must be names on the public internet, over https
 * @returns `undefined` where the request has no such field
 * @throws {Refusal} 400 under `issuer`
 */
export function mergeIssuer(fields: Fields, standing: AppIssuer, isTrusted: (server: string) => boolean): AppIssuer | undefined {
  const value = field(fields, 'issuer')
  if (value === undefined) return undefined
  if (value === null) return NO_ISSUER
  if (!isFields(value)) throw invalid('issuer', 'Expected a dictionary of items.')
  const read = (name: keyof AppIssuer) => {
    const text = optionalText(value, name) ?? standing[name]
    if (text.length > TEXT_LENGTH_MAX) throw invalid('issuer', `${name} has more than ${TEXT_LENGTH_MAX} characters`)
    return text
  }
  const issuer = { email: read('email'), server: read('server'), key_id: read('key_id'), key_secret: read('key_secret') }
  if (issuer.email !== '' && !/^[^\s@,;<>]+@[^\s@,;<>]+$/.test(issuer.email)) throw invalid('issuer', 'email is no address')
  if ((issuer.key_id === '') !== (issuer.key_secret === '')) throw invalid('issuer', 'key_id and key_secret belong together')
  if (issuer.key_id !== '' && issuer.server === '') throw invalid('issuer', 'key_id and key_secret are of a server: name it')
  if (!/^[\w-]*={0,2}$/.test(issuer.key_secret)) throw invalid('issuer', 'key_secret must be base64url, as the authority gives it')
  if (issuer.server !== '' && !isTrusted(issuer.server)) checkServer(issuer.server)
  return issuer
}

/** As the API shows it. */
export function showIssuer(issuer: AppIssuer): AppIssuer {
  return { ...issuer, key_secret: issuer.key_secret === '' ? '' : '********' }
}

function checkServer(server: string): void {
  const { protocol, hostname, username, password } = URL.parse(server) ?? {}
  const isName = hostname?.includes('.') === true && isIP(hostname.replace(/^\[|\]$/g, '')) === 0
  if (protocol !== 'https:' || !isName || username !== '' || password !== '')
    throw invalid('issuer', 'server must be the address of an ACME directory, as https://acme.example.com/directory')
}
