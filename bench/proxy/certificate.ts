import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isInstalled } from '../children.ts'
import type { PeerOptions } from './peers.ts'

/** Makes a P-256 certificate for `*.test` in a folder; `undefined` where there is no openssl to make it. */
export function makeCertificate(folder: string): PeerOptions['tls'] {
  if (!isInstalled('openssl', 'version')) return undefined
  const certificateFile = join(folder, 'certificate.pem')
  const keyFile = join(folder, 'key.pem')
  const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30', '-subj', '/CN=*.test']
  const names = ['-addext', 'subjectAltName=DNS:*.test', '-keyout', keyFile, '-out', certificateFile]
  const { status, stderr } = spawnSync('openssl', [...args, ...names], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`Cannot make a certificate: ${stderr}`)
  return { certificateFile, keyFile, certificate: readFileSync(certificateFile, 'utf8'), key: readFileSync(keyFile, 'utf8') }
}
