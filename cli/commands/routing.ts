import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { addCommand } from '../command.ts'
import { CommandError } from '../command-error.ts'

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

/** Commands about how an app is reached: domains, certs, tls. */
export function addRoutingCommands(program: Command): void {
  addDomainCommands(program)
  addCertificateCommands(program)
  for (const [word, https_enforced, summary] of [
    ['enable', true, 'send every plain request to HTTPS'],
    ['disable', false, 'answer plain requests too'],
  ] as const) {
    addCommand(program, {
      usage: `tls:${word}`,
      summary,
      ofApp: true,
      async action(context) {
        const tls = await context.api.post(context.path('tls/'), { https_enforced })
        context.output.result(tls, () => context.output.note(`HTTPS is ${https_enforced ? '' : 'not '}enforced for ${context.app}`))
      },
    })
  }
  addCommand(program, {
    usage: 'tls',
    aliases: ['tls:info'],
    summary: 'show whether HTTPS is enforced',
    ofApp: true,
    async action(context) {
      const tls = await context.api.get<{ https_enforced: boolean | null }>(context.path('tls/'))
      context.output.result(tls, () => context.output.line(`HTTPS is ${tls.https_enforced ? '' : 'not '}enforced for ${context.app}`))
    },
  })
}

function addDomainCommands(program: Command): void {
  addCommand(program, {
    usage: 'domains',
    aliases: ['domains:list'],
    summary: "list an app's domains",
    ofApp: true,
    async action(context) {
      const { results } = await context.api.list<{ domain: string }>(context.path('domains/'))
      context.output.result(results, () => {
        context.output.title(`${context.app} Domains`)
        for (const { domain } of results) context.output.line(domain)
      })
    },
  })
  addCommand(program, {
    usage: 'domains:add <domain>',
    summary: 'let an app answer at a domain',
    ofApp: true,
    async action(context, _, domain) {
      const made = await context.output.progress(`Adding ${domain}`, context.api.post(context.path('domains/'), { domain }))
      context.output.result(made, () => {})
    },
  })
  addCommand(program, {
    usage: 'domains:remove <domain>',
    summary: 'take a domain away',
    ofApp: true,
    async action(context, _, domain) {
      await context.output.progress(`Removing ${domain}`, context.api.delete(context.path(`domains/${encodeURIComponent(domain!)}`)))
    },
  })
}

function addCertificateCommands(program: Command): void {
  addCommand(program, {
    usage: 'certs',
    aliases: ['certs:list'],
    summary: 'list your certificates',
    async action(context) {
      const { results } = await context.api.list<Certificate>('/v2/certs/')
      const rows = results.map(({ name, common_name, san, domains, expires }) => [
        name,
        common_name ?? san[0] ?? '',
        domains.join(','),
        expires,
      ])
      context.output.result(results, () => context.output.table(['name', 'common name', 'domains', 'expires'], rows, 'No certificates'))
    },
  })
  addCommand(program, {
    usage: 'certs:add <name> <certificate> <key>',
    summary: 'upload a certificate chain and its private key, both PEM files',
    async action(context, _, name, certificate, key) {
      const body = { name, certificate: read(certificate!), key: read(key!) }
      const made = await context.output.progress(`Adding certificate ${name}`, context.api.post('/v2/certs/', body))
      context.output.result(made, () => {})
    },
  })
  addCommand(program, {
    usage: 'certs:info <name>',
    summary: 'show one certificate',
    async action(context, _, name) {
      const certificate = await context.api.get<Certificate>(`/v2/certs/${encodeURIComponent(name!)}`)
      context.output.result(certificate, () => {
        context.output.title(`${certificate.name} Certificate`)
        context.output.pairs([
          ['common name', certificate.common_name ?? ''],
          ['names', certificate.san.join(', ')],
          ['domains', certificate.domains.join(', ')],
          ['valid from', certificate.starts],
          ['valid until', certificate.expires],
          ['issuer', certificate.issuer],
          ['subject', certificate.subject],
          ['fingerprint', certificate.fingerprint],
        ])
      })
    },
  })
  addCommand(program, {
    usage: 'certs:attach <name> <domain>',
    summary: 'serve a domain with a certificate',
    async action(context, _, name, domain) {
      await context.output.progress(
        `Attaching ${name} to ${domain}`,
        context.api.post(`/v2/certs/${encodeURIComponent(name!)}/domain/`, { domain }),
      )
    },
  })
  addCommand(program, {
    usage: 'certs:detach <name> <domain>',
    summary: 'take a certificate from a domain',
    async action(context, _, name, domain) {
      const path = `/v2/certs/${encodeURIComponent(name!)}/domain/${encodeURIComponent(domain!)}`
      await context.output.progress(`Detaching ${name} from ${domain}`, context.api.delete(path))
    },
  })
  addCommand(program, {
    usage: 'certs:remove <name>',
    summary: 'remove a certificate from the platform',
    async action(context, _, name) {
      await context.output.progress(`Removing certificate ${name}`, context.api.delete(`/v2/certs/${encodeURIComponent(name!)}`))
    },
  })
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new CommandError(`Cannot read ${path}: ${(error as Error).message}`, 2)
  }
}
