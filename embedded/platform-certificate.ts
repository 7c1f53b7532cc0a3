import type { Secret } from 'kubernetes-types/core/v1'
import { PLATFORM_NAMESPACE, ROUTER_PREFIX } from '../kernel/contract.ts'
import { find, type KubernetesApi, modify } from '../kernel/kubernetes/api.ts'
import { startInformer } from '../kernel/kubernetes/informer.ts'
import { RESOURCES } from '../kernel/kubernetes/objects.ts'
import { startReconciler } from '../kernel/kubernetes/reconciler.ts'
import type { Running } from '../kernel/lifecycle.ts'
import type { Log } from '../kernel/log.ts'
import { createAuthority, describeCertificate, issueCertificate, type KeyPair } from '../kernel/x509.ts'
import type { Home } from './home.ts'

const SECRET = 'drycc-router-platform-cert'
/** What public authorities may issue at most, and every client accepts; renewed at each start. */
const DAYS = 397
const RENEW_DAYS = 30
/** A TLS handshake carries the certificate: past this many apps the names of the latest are left out. */
const NAME_COUNT_MAX = 1000

/** The development authority of a home folder, made once: `ca.pem` is for people to trust. */
export function openAuthority(home: Home): KeyPair {
  const kept = home.keep('ca.json', () => JSON.stringify(createAuthority('Drycc Workflow development CA')))
  const authority = JSON.parse(kept) as KeyPair
  home.write('ca.pem', authority.certificate)
  return authority
}

/**
 * Keeps the router's platform certificate naming every app under the platform domain. A wildcard would not do: TLS libraries refuse one
 * directly under a top-level name such as `localhost` (RFC 6125 §7.2).
 */
export async function startPlatformCertificate(
  api: KubernetesApi,
  options: { authority: KeyPair; platformDomain: string; log: Log },
): Promise<Running> {
  const { authority, platformDomain, log } = options
  const reconciler = startReconciler({ name: 'platform certificate', log, concurrency: 1, reconcile })
  const services = startInformer(api, RESOURCES.services, {
    log,
    selection: { labelSelector: `${ROUTER_PREFIX}routable` },
    onChange: () => reconciler.enqueue(SECRET),
  })

  async function reconcile(): Promise<void> {
    const names = certificateNames(
      services.list().map(service => service.metadata.annotations?.[`${ROUTER_PREFIX}domains`] ?? ''),
      platformDomain,
    )
    const standing = await find(api, RESOURCES.secrets, PLATFORM_NAMESPACE, SECRET)
    if (standing && isGood(standing, names)) return
    const { certificate, key } = issueCertificate(authority, { names, days: DAYS, commonName: platformDomain })
    const data = { 'tls.crt': base64(certificate + authority.certificate), 'tls.key': base64(key) }
    if (standing) await modify(api, RESOURCES.secrets, PLATFORM_NAMESPACE, SECRET, secret => ({ ...secret, data }))
    else await api.create(RESOURCES.secrets, { metadata: { namespace: PLATFORM_NAMESPACE, name: SECRET }, type: 'kubernetes.io/tls', data })
  }

  await services.synced
  reconciler.enqueue(SECRET)
  await reconciler.idle()
  return {
    async stop() {
      await services.stop()
      await reconciler.stop()
    },
  }
}

/** The platform's own name and each app's, in order and without repeats. */
export function certificateNames(domains: readonly string[], platformDomain: string): string[] {
  const short = domains
    .flatMap(list => list.split(','))
    .map(name => name.trim().toLowerCase())
    .filter(name => /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(name))
    .map(name => `${name}.${platformDomain}`)
  return [platformDomain, ...new Set(short.sort())].slice(0, NAME_COUNT_MAX)
}

function isGood(secret: Secret, names: readonly string[]): boolean {
  try {
    const { names: held, notAfter } = describeCertificate(Buffer.from(secret.data?.['tls.crt'] ?? '', 'base64').toString())
    const isFresh = notAfter.getTime() - Date.now() > RENEW_DAYS * 86_400_000
    return isFresh && held.length === names.length && names.every(name => held.includes(name))
  } catch {
    return false
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}
