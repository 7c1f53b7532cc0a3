import { randomUUID } from 'node:crypto'
import type { Deployer } from '../deploy/deployer.ts'
import { mayUse } from '../domain/access.ts'
import { type Certificate, checkCertificateName, checkKeyPair, showCertificate } from '../domain/certificate.ts'
import { optionalText, requiredText } from '../domain/fields.ts'
import { type Domain, parseHostname } from '../domain/hostname.ts'
import { conflict, invalid, missing, Refusal, refused } from '../domain/refusal.ts'
import { now } from '../domain/timestamp.ts'
import type { User } from '../domain/user.ts'
import type { Records } from '../records.ts'
import { page } from './page.ts'
import { created, noContent, ok } from './reply.ts'
import type { Routes } from './routes.ts'
import { unlessCancelled } from './unless-cancelled.ts'

const CERTIFICATES_MAX = 1000

/** Certificates belong to users and are attached to domains of apps. */
export function certificateRoutes(routes: Routes, { records, deployer }: { records: Records; deployer: Deployer }): void {
  const { certificates, domains, apps } = records
  const show = (certificate: Certificate) =>
    showCertificate(
      certificate,
      domains.withCertificate(certificate.name).map(({ domain }) => domain),
    )

  routes.user('/v2/certs/', {
    GET(call) {
      const own = certificates.list().filter(({ owner }) => owner === call.user.username)
      return page(call, own, show)
    },
    async POST({ user, body }) {
      const name = requiredText(body, 'name')
      checkCertificateName(name)
      const [pem, key] = [requiredText(body, 'certificate'), requiredText(body, 'key')]
      checkKeyPair(pem, key)
      if (certificates.list().filter(({ owner }) => owner === user.username).length >= CERTIFICATES_MAX)
        throw invalid('name', `A user can have ${CERTIFICATES_MAX} certificates`)
      const certificate: Certificate = {
        uuid: randomUUID(),
        name,
        owner: user.username,
        certificate: `${pem}\n`,
        key: `${key}\n`,
        created: now(),
        updated: now(),
      }
      if (!(await certificates.create(certificate))) throw invalid('name', 'Certificate with this name already exists.')
      await unlessCancelled(records, user.username, () => certificates.remove(name))
      return created(show(certificate))
    },
  })

  routes.user('/v2/certs/:name', {
    GET: ({ user, params }) => ok(show(find(user, params['name']))),
    async DELETE({ user, params }) {
      const { name } = find(user, params['name'])
      const attached = domains.withCertificate(name)
      for (const { domain } of attached) await domains.attach(domain, undefined, () => {})
      await certificates.remove(name)
      await syncAll(attached)
      return noContent()
    },
  })

  routes.user('/v2/certs/:name/domain/', {
    async POST({ user, params, body }) {
      const { name } = find(user, params['name'])
      const text = optionalText(body, 'domain')
      if (!text) throw refused('domain is a required field')
      const { domain } = findDomain(user, text)
      const attached = await domains.attach(domain, name, current => {
        if (current.certificate !== undefined) throw conflict('Domain already has a certificate attached to it')
      })
      await syncAll([attached])
      return created()
    },
  })

  routes.user('/v2/certs/:name/domain/:domain', {
    async DELETE({ user, params }) {
      const { name } = find(user, params['name'])
      const { domain } = findDomain(user, params['domain'] ?? '')
      const detached = await domains.attach(domain, undefined, current => {
        if (current.certificate !== name) throw missing('Domain')
      })
      await syncAll([detached])
      return noContent()
    },
  })

  /** Others' certificates look as if there were none, also to superusers. */
  function find(user: User, name: string | undefined): Certificate {
    const certificate = certificates.get(name ?? '')
    if (certificate?.owner !== user.username) throw missing('Certificate')
    return certificate
  }

  /** Domains of apps that the user may not use look as if there were none: nobody gives another's host a certificate. */
  function findDomain(user: User, text: string): Domain {
    let name: string
    try {
      name = parseHostname(text)
    } catch (error) {
      if (error instanceof Refusal) throw missing('Domain')
      throw error
    }
    const domain = domains.get(name)
    const app = domain && apps.get(domain.app)
    if (!domain || !app || app.deleting || !mayUse(user, app)) throw missing('Domain')
    return domain
  }

  async function syncAll(changed: readonly Domain[]): Promise<void> {
    for (const app of new Set(changed.map(domain => domain.app))) await deployer.sync(app)
  }
}
