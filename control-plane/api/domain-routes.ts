import type { Deployer } from '../deploy/deployer.ts'
import { RESERVED_NAMES } from '../domain/app-name.ts'
import { type AutomaticMode, wantsAutomatic } from '../domain/automatic-wish.ts'
import { requiredText } from '../domain/fields.ts'
import { canonicalHost, DOMAINS_MAX, type Domain, overlaps, parseHostname, showDomain } from '../domain/hostname.ts'
import { invalid, missing, Refusal, unavailable } from '../domain/refusal.ts'
import { now } from '../domain/timestamp.ts'
import type { PlatformLog } from '../platform-log.ts'
import type { Records } from '../records.ts'
import { page } from './page.ts'
import { created, noContent } from './reply.ts'
import type { Routes } from './routes.ts'

export interface DomainParts {
  readonly records: Records
  readonly deployer: Deployer
  readonly platformLog: PlatformLog
  readonly platformDomain: string
  readonly reservedNames: readonly string[]
  /** Of automatic certificates. */
  readonly mode: AutomaticMode
}

const TAKEN = 'Domain is already in use by another application'

/** The host names of an app. */
export function domainRoutes(routes: Routes, parts: DomainParts): void {
  const { records, deployer, platformLog, platformDomain } = parts
  const canonical = (domain: string) => canonicalHost(domain, platformDomain)

  routes.app('/domains/', {
    GET(call) {
      const domains = records.domains.list(call.app.id).sort((a, b) => (a.domain < b.domain ? -1 : 1))
      return page(call, domains, showDomain)
    },
    async POST({ app, user, body }) {
      const name = parseHostname(requiredText(body, 'domain'))
      const standing = records.domains.get(name)
      // What came by itself becomes what somebody wants.
      if (standing?.app === app.id && standing.onDemand) {
        if (!wantsAutomatic(app, parts.mode))
          throw invalid(
            'domain',
            'The domain came on demand. To keep it by name, let the app have automatic certificates: drycc tls auto on',
          )
        return created(showDomain(await records.domains.settle(name)))
      }
      if (records.domains.list(app.id).length >= DOMAINS_MAX) throw invalid('domain', `An app can have ${DOMAINS_MAX} domains`)
      checkFree(name, app.id, app.owner)
      const domain: Domain = { domain: name, app: app.id, owner: user.username, created: now(), updated: now() }
      if (!(await records.domains.create(domain))) throw taken(name)
      await deployer.sync(app.id).catch(async (error: unknown) => {
        // The name is not kept for somebody who was told that he did not get it.
        await records.domains.remove(name).catch(() => {})
        throw unavailable(`Cannot update the Service of ${app.id}: ${(error as Error).message}`, error)
      })
      platformLog.say(app.id, `domain ${name} added`)
      return created(showDomain(domain))
    },
  })

  routes.app('/domains/:domain', {
    async DELETE({ app, params }) {
      const domain = find(params['domain'] ?? '')
      if (domain?.app !== app.id) throw missing('Domain')
      await records.domains.remove(domain.domain)
      for (const { domain: within, onDemand } of records.domains.list(app.id))
        if (onDemand && domain.domain.startsWith('*.') && within.endsWith(domain.domain.slice(1))) await records.domains.remove(within)
      await deployer.sync(app.id)
      platformLog.say(app.id, `domain ${domain.domain} removed`)
      return noContent()
    },
  })

  /** In either spelling; what is no host name is none that stands. */
  function find(text: string): Domain | undefined {
    try {
      return records.domains.get(parseHostname(text))
    } catch (error) {
      if (error instanceof Refusal) return undefined
      throw error
    }
  }

  /** Names of the platform, names of apps to be, and names within another owner's wildcard (or around it) are not for taking. */
  function checkFree(name: string, app: string, owner: string): void {
    const host = canonical(name)
    const isPlatform =
      host === platformDomain.toLowerCase() ||
      host === `*.${platformDomain.toLowerCase()}` ||
      RESERVED_NAMES.includes(host) ||
      parts.reservedNames.includes(host)
    // A single label is the name of an app under the platform domain: only the app itself answers to it.
    const isOther = !host.includes('.') && host !== app && records.apps.get(host) !== undefined
    if (isPlatform || isOther) throw invalid('domain', TAKEN)
    for (const other of records.domains.all()) {
      if (other.app === app || !overlaps(canonical(other.domain), host)) continue
      if (canonical(other.domain) === host) throw taken(name)
      if (records.apps.get(other.app)?.owner !== owner) throw invalid('domain', TAKEN)
    }
  }

  /** Another spelling of a domain that stands is named, since the client did not type it. */
  function taken(name: string) {
    const standing = records.domains.get(name)
    return invalid('domain', standing && standing.domain !== name ? `The domain ${name} is already in use by another app` : TAKEN)
  }
}
