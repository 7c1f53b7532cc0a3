import type { Command } from 'commander'
import { addCommand, LIMIT, parseLimit } from '../command.ts'
import { readNamedFile } from '../read-file.ts'

interface Certificate {
  readonly name: string
  readonly common_name: string | null
  readonly san: readonly string[]
  readonly domains: readonly string[]
  readonly expires: string
  readonly starts: string
  readonly fingerprint: string
  readonly issuer: string
  readonly subject: string
}

/** Commands about certificates, which belong to a person and are attached to domains. */
export function addCertificateCommands(program: Command): void {
  addCommand<{ limit?: string }>(program, {
    usage: 'certs',
    aliases: ['certs:list'],
    summary: 'list your certificates',
    options: [LIMIT],
    async action(context, { limit }) {
      const certificates = await context.api.list<Certificate>('/v2/certs/', parseLimit(limit))
      const rows = certificates.map(({ name, common_name, san, domains, expires, issuer = '' }) => [
        name,
        common_name ?? san[0] ?? '',
        domains.join(','),
        expires,
        daysLeft(expires),
        issuer.replace(/^.*\/CN=/, ''),
      ])
      context.output.result(certificates, () =>
        context.output.table(
          ['name', 'common name', 'served at', 'expires', 'days left', 'issuer'],
          rows,
          'No certificates: add one with drycc certs:add',
        ),
      )
    },
  })
  addCommand(program, {
    usage: 'certs:add <name> <cert> <key>',
    summary: 'upload a certificate chain and its private key, both PEM files',
    examples: ['certs:add example fullchain.pem privkey.pem', 'certs:attach example www.example.com'],
    async action(context, _, name, certificate, key) {
      const body = { name, certificate: readNamedFile(certificate!), key: readNamedFile(key!) }
      const made = await context.output.progress(`Adding certificate ${name}`, context.api.post<object>('/v2/certs/', body))
      context.output.done(made)
    },
  })
  addCommand(program, {
    usage: 'certs:info <name>',
    summary: 'show one certificate',
    async action(context, _, name) {
      const certificate = await context.api.get<Certificate>(path(name!))
      context.output.result(certificate, () => {
        context.output.title(`${certificate.name} Certificate`)
        context.output.pairs([
          ['common name', certificate.common_name ?? ''],
          ['names', certificate.san.join(', ')],
          ['served at', certificate.domains.join(', ') || 'nowhere: attach it with drycc certs:attach'],
          ['valid from', certificate.starts],
          ['valid until', certificate.expires],
          ['days left', daysLeft(certificate.expires)],
          ['issuer', certificate.issuer],
          ['subject', certificate.subject],
          ['fingerprint', certificate.fingerprint],
        ])
        for (const reason of whyNotShown(certificate)) context.output.line(`\n${reason}`)
      })
    },
  })
  addCommand(program, {
    usage: 'certs:attach <name> <domain>',
    summary: 'serve a domain with a certificate',
    async action(context, _, name, domain) {
      const work = context.api.post(`${path(name!)}/domain/`, { domain })
      await context.output.progress(`Attaching ${name} to ${domain}`, work)
      context.output.done({ name, domain })
    },
  })
  addCommand(program, {
    usage: 'certs:detach <name> <domain>',
    summary: 'take a certificate from a domain',
    async action(context, _, name, domain) {
      const work = context.api.delete(`${path(name!)}/domain/${encodeURIComponent(domain!)}`)
      await context.output.progress(`Detaching ${name} from ${domain}`, work)
      context.output.done({ name, domain })
    },
  })
  addCommand(program, {
    usage: 'certs:remove <name>',
    summary: 'remove a certificate from the platform',
    async action(context, _, name) {
      await context.output.progress(`Removing certificate ${name}`, context.api.delete(path(name!)))
      context.output.done({ name })
    },
  })
}

/** Whole days; below zero it has expired. */
function daysLeft(expires: string): string {
  return String(Math.floor((Date.parse(expires) - Date.now()) / 86_400_000))
}

/** What keeps browsers from being shown a certificate, or from believing it; nothing: all is well. */
function whyNotShown({ san, domains, starts, expires }: Certificate): string[] {
  const full = domains.filter(domain => domain.includes('.'))
  const foreign = full.filter(domain => !san.some(name => covers(name.toLowerCase(), domain)))
  const short = domains.filter(domain => !domain.includes('.'))
  return [
    ...(Date.parse(expires) < Date.now() ? ['It has expired: add another under a new name, and attach that'] : []),
    ...(Date.parse(starts) > Date.now() ? [`It is not valid before ${starts}`] : []),
    ...foreign.map(domain => `It is not for ${domain}: browsers refuse it there`),
    ...short.map(domain => `It is not shown for ${domain}: short names have the platform's certificate`),
  ]
}

/** A wildcard stands for one label (RFC 9525 §6.3). */
function covers(name: string, domain: string): boolean {
  return name === domain || (name.startsWith('*.') && domain.slice(domain.indexOf('.')) === name.slice(1))
}

function path(name: string): string {
  return `/v2/certs/${encodeURIComponent(name)}`
}
