import { randomUUID } from 'node:crypto'
import { describeCertificate } from '../../kernel/x509.ts'
import type { Deployer } from '../deploy/deployer.ts'
import { type App, showTls } from '../domain/app.ts'
import type { Automatic } from '../domain/automatic.ts'
import { type AutomaticMode, unobtainable, wantsAutomatic } from '../domain/automatic-wish.ts'
import { canonical } from '../domain/config.ts'
import { optionalFlag, optionalText } from '../domain/fields.ts'
import type { Domain } from '../domain/hostname.ts'
import { mergeIssuer, showIssuer } from '../domain/issuer.ts'
import { type OnDemandMode, onDemandOf, readAsk } from '../domain/on-demand.ts'
import { conflict, invalid } from '../domain/refusal.ts'
import { now, timestamp } from '../domain/timestamp.ts'
import type { PlatformLog } from '../platform-log.ts'
import type { Records } from '../records.ts'
import { created, ok } from './reply.ts'
import type { Routes } from './routes.ts'

export interface TlsParts {
  readonly records: Records
  readonly deployer: Deployer
  readonly platformLog: PlatformLog
  readonly platformDomain: string
  readonly mode: AutomaticMode
  readonly onDemand: OnDemandMode
  /** Directories that the operator named. */
  readonly directories: readonly string[]
}

/** What one domain is served with, or why with nothing of its own. */
interface ServedDomain {
  readonly domain: string
  readonly source: 'attached' | 'automatic' | 'none'
  /** The name under which it was added. */
  readonly name?: string
  readonly names?: readonly string[]
  readonly issuer?: string
  readonly expires?: string
  readonly days_left?: number
  readonly reason?: string
}

const DAY_MS = 86_400_000
const EVENTS_MAX = 100

/** Whether plain HTTP is sent to HTTPS, whether domains get certificates by themselves, from whom, and how far that is. */
export function tlsRoutes(routes: Routes, parts: TlsParts): void {
  const { records, deployer, platformLog, directories } = parts
  routes.app('/tls/', {
    GET: ({ app }) => ok(show(app, parts)),
    async POST({ app, user, body }) {
      const enforced = optionalFlag(body, 'https_enforced')
      const automatic = optionalFlag(body, 'certs_auto_enabled')
      const standing = records.issuers.get(app.id)
      const onDemand = optionalFlag(body, 'certs_on_demand')
      const given = optionalText(body, 'on_demand_ask')
      const ask = given === undefined ? undefined : readAsk(given)
      const issuer = mergeIssuer(body, standing, server => directories.includes(server))
      if ([enforced, automatic, issuer, onDemand, ask].every(field => field === undefined))
        throw invalid('https_enforced', 'This field is required.')
      if (onDemand === true) checkOnDemand(ask ?? app.tls.on_demand_ask ?? '', parts.onDemand)
      const isIssuerOther = issuer !== undefined && canonical(issuer) !== canonical(standing)
      if (isIssuerOther) await records.issuers.set(app.id, issuer)
      const changed = await records.apps.update(app.id, ({ tls }) => {
        const { https_enforced, certs_auto_enabled = null, certs_on_demand = false, on_demand_ask = '' } = tls
        const standing = { https_enforced, certs_auto_enabled, certs_on_demand, on_demand_ask }
        const next = {
          ...{ https_enforced: enforced ?? https_enforced, certs_auto_enabled: automatic ?? certs_auto_enabled },
          ...{ certs_on_demand: onDemand ?? certs_on_demand, on_demand_ask: ask ?? on_demand_ask },
        }
        if (canonical(next) === canonical(standing) && !isIssuerOther) throw conflict(`${user.username} changed nothing`)
        return { tls: { uuid: randomUUID(), owner: user.username, created: now(), updated: now(), ...next } }
      })
      await deployer.sync(app.id)
      platformLog.say(app.id, `tls ${app.id}-${changed.tls.uuid.slice(0, 7)} updated`)
      return created(show(changed, parts))
    },
  })
}

function checkOnDemand(ask: string, { isOn, askUrl }: OnDemandMode): void {
  if (!isOn) throw invalid('certs_on_demand', 'The operator of the platform has not turned certificates on demand on')
  if (ask === '' && askUrl === undefined)
    throw invalid('certs_on_demand', 'Somebody must be asked for each name: set on_demand_ask to a path of the app, or to an https address')
}

function show(app: App, parts: TlsParts) {
  const { records } = parts
  const domains = records.domains.list(app.id)
  const automatics = domains.map(({ domain }) => records.automatics.get(domain)).filter(record => record?.app === app.id)
  const events = automatics
    .flatMap(record => (record?.events ?? []).map(event => ({ name: record?.domain ?? '', kind: 'Certificate', ...event })))
    .sort((a, b) => (a.time < b.time ? -1 : 1))
    .slice(-EVENTS_MAX)
  return {
    ...{ ...showTls(app), certs_auto_enabled: app.tls.certs_auto_enabled ?? null },
    ...{ certs_on_demand: app.tls.certs_on_demand ?? false, on_demand_ask: app.tls.on_demand_ask ?? '' },
    issuer: showIssuer(records.issuers.get(app.id)),
    events,
    certificates: domains.map(domain => describe(domain, app, parts)),
  }
}

function describe(domain: Domain, app: App, { records, mode, onDemand, platformDomain }: TlsParts): ServedDomain {
  const attached = domain.certificate === undefined ? undefined : records.certificates.get(domain.certificate)
  if (attached) return { domain: domain.domain, source: 'attached', name: attached.name, ...describePem(attached.certificate) }
  const known = records.automatics.get(domain.domain)
  const record = known?.app === app.id && !known.retired ? known : undefined
  const isWithin = domain.domain.startsWith('*.') && onDemandOf(app, onDemand) !== undefined
  const onRequest = isWithin ? 'Each name within it gets a certificate when a client asks for it and the hook allows it' : undefined
  const reason =
    onRequest ??
    unobtainable(domain, platformDomain) ??
    (wantsAutomatic(app, mode) || domain.onDemand ? progressOf(record) : whyUnwanted(mode))
  if (!record?.certificate) return { domain: domain.domain, source: 'none', reason: reason ?? 'A certificate is being ordered' }
  return { domain: domain.domain, source: 'automatic', ...describePem(record.certificate), ...(reason !== undefined && { reason }) }
}

function describePem(pem: string): Pick<ServedDomain, 'names' | 'issuer' | 'expires' | 'days_left'> {
  const { names, issuer, notAfter } = describeCertificate(pem)
  return { names, issuer, expires: timestamp(notAfter), days_left: Math.floor((notAfter.getTime() - Date.now()) / DAY_MS) }
}

/** What went wrong last; `undefined` while nothing has. */
function progressOf(record: Automatic | undefined): string | undefined {
  if (record?.lastError === undefined) return undefined
  return `${record.lastError}${record.nextAttemptAt === undefined ? '' : `; next attempt at ${record.nextAttemptAt}`}`
}

function whyUnwanted(mode: AutomaticMode): string {
  return mode === 'off'
    ? 'The operator of the platform has turned automatic certificates off'
    : 'Automatic certificates are off for the app'
}
