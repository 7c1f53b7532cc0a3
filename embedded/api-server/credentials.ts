import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createAuthority, describeCertificate, issueCertificate, type KeyPair } from '../../kernel/x509.ts'

/** What the server shows to clients and expects of them. */
export interface ServerCredentials {
  readonly authority: KeyPair
  readonly server: KeyPair
  /** The administrator's bearer token. */
  readonly token: string
}

const CERTIFICATE_DAYS = 825
const RENEW_BEFORE_MS = 30 * 24 * 3_600_000

/**
 * Reads the keys under a folder, making what is missing or about to expire. Every file is for its owner only.
 *
 * @param home the folder, or `undefined` to keep nothing
 */
export function openCredentials(home: string | undefined): ServerCredentials {
  if (home) mkdirSync(home, { recursive: true, mode: 0o700 })
  const authority = keep(home, 'ca', () => createAuthority('drycc embedded Kubernetes'))
  const server = keep(home, 'server', () =>
    issueCertificate(authority, {
      names: ['localhost', '127.0.0.1', '::1', 'kubernetes', 'kubernetes.default', 'kubernetes.default.svc'],
      days: CERTIFICATE_DAYS,
      commonName: 'kube-apiserver',
    }),
  )
  return { authority, server, token: keepToken(home) }
}

/** Writes the administrator's kubeconfig, for kubectl and for every role. @returns its path */
export function writeKubeconfig(home: string, url: string, { authority, token }: ServerCredentials): string {
  const path = join(home, 'kubeconfig')
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'drycc',
    clusters: [
      { name: 'drycc', cluster: { server: url, 'certificate-authority-data': Buffer.from(authority.certificate).toString('base64') } },
    ],
    users: [{ name: 'admin', user: { token } }],
    contexts: [{ name: 'drycc', context: { cluster: 'drycc', user: 'admin', namespace: 'default' } }],
  }
  // JSON is YAML, and needs no library to write.
  writeFile(path, `${JSON.stringify(config, undefined, 2)}\n`)
  return path
}

function keep(home: string | undefined, name: string, make: () => KeyPair): KeyPair {
  if (!home) return make()
  const certificatePath = join(home, `${name}.crt`)
  const keyPath = join(home, `${name}.key`)
  if (existsSync(certificatePath) && existsSync(keyPath)) {
    const certificate = readFileSync(certificatePath, 'utf8')
    if (describeCertificate(certificate).notAfter.getTime() - Date.now() > RENEW_BEFORE_MS) {
      return { certificate, key: readFileSync(keyPath, 'utf8') }
    }
  }
  const pair = make()
  writeFile(keyPath, pair.key)
  writeFile(certificatePath, pair.certificate)
  return pair
}

function keepToken(home: string | undefined): string {
  const path = home ? join(home, 'token') : ''
  if (path && existsSync(path)) {
    const token = readFileSync(path, 'utf8').trim()
    if (token) return token
  }
  const token = randomBytes(32).toString('base64url')
  if (path) writeFile(path, `${token}\n`)
  return token
}

/** Written aside and renamed, so that a reader never sees half of it. */
function writeFile(path: string, content: string): void {
  const part = `${path}.${process.pid}.part`
  writeFileSync(part, content, { mode: 0o600 })
  chmodSync(part, 0o600)
  renameSync(part, path)
}
