import { Backoff, delay } from '../kernel/backoff.ts'
import { isStatus, type KubernetesApi } from '../kernel/kubernetes/api.ts'
import { startInformer } from '../kernel/kubernetes/informer.ts'
import { RESOURCES } from '../kernel/kubernetes/objects.ts'
import type { Log } from '../kernel/log.ts'
import type { App } from './domain/app.ts'
import type { Release } from './domain/release.ts'
import type { User } from './domain/user.ts'
import { AcmeAccounts, acmeAccountKind } from './records/acme-accounts.ts'
import { Apps, appKind } from './records/apps.ts'
import { Automatics, automaticKind } from './records/automatics.ts'
import { Certificates, certificateKind } from './records/certificates.ts'
import { Claims, claimKind } from './records/claims.ts'
import { Domains, domainKind } from './records/domains.ts'
import { Issuers, issuerKind } from './records/issuers.ts'
import { RECORD_LABEL, RecordTable } from './records/record-table.ts'
import { indexReleases, Releases, releaseKind } from './records/releases.ts'
import { SshKeys, sshKeyKind } from './records/ssh-keys.ts'
import { Users, userKind } from './records/users.ts'

/** Everything that the platform knows. Reads come from memory, writes go to Kubernetes and return once memory holds them. */
export interface Records {
  readonly users: Users
  readonly sshKeys: SshKeys
  readonly claims: Claims
  readonly apps: Apps
  readonly releases: Releases
  readonly domains: Domains
  readonly certificates: Certificates
  readonly automatics: Automatics
  readonly acmeAccounts: AcmeAccounts
  readonly issuers: Issuers
  /** Tells of every domain whose right to a certificate, or whose automatic one, may be another now. */
  onDomainChange(listener: (domain: string) => void): void
  /** How long ago the API server was last heard of, in milliseconds. */
  ageMs(): number
  stop(): Promise<void>
}

export interface RecordsOptions {
  /** Where the platform's own objects live; it is created when it is missing. */
  readonly namespace: string
  readonly platformDomain: string
  readonly log: Log
  /** Ends the wait for Kubernetes. */
  readonly signal?: AbortSignal
}

/** Opens the records and waits until all of them have been read once. Only this file and its folder know their layout. */
export async function openRecords(api: KubernetesApi, options: RecordsOptions): Promise<Records> {
  const { namespace, log } = options
  await ensureNamespace(api, options)
  const selection = { labelSelector: RECORD_LABEL }
  const secrets = startInformer(api, RESOURCES.secrets, { log, selection })
  const configMaps = startInformer(api, RESOURCES.configMaps, { log, selection })
  const byToken = new Map<string, string>()
  const byApp = new Map<string, Map<number, Release>>()
  const listeners: ((domain: string) => void)[] = []
  const tell = (domain: string | undefined) => {
    if (domain !== undefined) for (const listener of listeners) listener(domain)
  }
  const tellApp = (app: App | undefined, before: App | undefined) => {
    const wishes = (of: App | undefined) => `${of?.tls.certs_auto_enabled} ${of?.deleting}`
    if (listeners.length > 0 && wishes(app) !== wishes(before))
      for (const { domain } of records.domains.list((app ?? before)?.id ?? '')) tell(domain)
  }
  const records: Records = {
    users: new Users(new RecordTable(api, secrets, userKind, log, indexTokens(byToken)), namespace, byToken),
    sshKeys: new SshKeys(new RecordTable(api, secrets, sshKeyKind, log), namespace),
    claims: new Claims(new RecordTable(api, configMaps, claimKind, log), namespace),
    apps: new Apps(new RecordTable(api, configMaps, appKind, log, tellApp)),
    releases: new Releases(new RecordTable(api, secrets, releaseKind, log, indexReleases(byApp)), byApp),
    domains: new Domains(
      new RecordTable(api, configMaps, domainKind, log, (domain, before) => tell((domain ?? before)?.domain)),
      namespace,
      options.platformDomain,
    ),
    certificates: new Certificates(new RecordTable(api, secrets, certificateKind, log), namespace),
    // Whoever deletes one by hand wants a new one; every other change is the issuer's own.
    automatics: new Automatics(
      new RecordTable(api, secrets, automaticKind, log, (automatic, before) => automatic ?? tell(before?.domain)),
      namespace,
    ),
    acmeAccounts: new AcmeAccounts(new RecordTable(api, secrets, acmeAccountKind, log), namespace),
    issuers: new Issuers(new RecordTable(api, secrets, issuerKind, log), namespace),
    onDomainChange: listener => void listeners.push(listener),
    ageMs: () => Math.max(secrets.ageMs(), configMaps.ageMs()),
    stop: async () => void (await Promise.all([secrets.stop(), configMaps.stop()])),
  }
  await Promise.all([secrets.synced, configMaps.synced])
  return records
}

function indexTokens(byToken: Map<string, string>) {
  return (user: User | undefined, previous: User | undefined) => {
    for (const { hash } of previous?.tokens ?? []) byToken.delete(hash)
    for (const { hash } of user?.tokens ?? []) byToken.set(hash, user!.username)
  }
}

/** Kubernetes may come up after us, and there is nothing to do without it: so it is waited for. */
async function ensureNamespace(api: KubernetesApi, { namespace, log, signal }: RecordsOptions): Promise<void> {
  const backoff = new Backoff({ minMs: 100, maxMs: 5_000 })
  for (;;) {
    try {
      await api.create(RESOURCES.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
      return
    } catch (error) {
      // It stands already, or this account may not create namespaces and the installation has made it.
      if (isStatus(error, 409, 403)) return
      if (isStatus(error, 400, 401, 404, 422) || signal?.aborted) throw error
      log.warn('Kubernetes not reached', { error: (error as Error).message })
      await delay(backoff.next(), signal)
    }
  }
}
