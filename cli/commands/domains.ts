import type { Command } from 'commander'
import { addCommand, LIMIT, parseLimit } from '../command.ts'

interface Tls {
  readonly certificates?: readonly ServedDomain[]
}

interface ServedDomain {
  readonly domain: string
  readonly source: string
  readonly name?: string
  readonly issuer?: string
  readonly days_left?: number
}

/** Commands about the names at which an app answers. */
export function addDomainCommands(program: Command): void {
  addCommand<{ limit?: string }>(program, {
    usage: 'domains',
    aliases: ['domains:list'],
    summary: "list an app's domains",
    ofApp: true,
    options: [LIMIT],
    async action(context, { limit }) {
      const domains = await context.api.list<{ domain: string }>(context.path('domains/'), parseLimit(limit))
      if (context.output.isJson) return context.output.result(domains, () => {})
      const { certificates = [] } = await context.api.get<Tls>(context.path('tls/'))
      context.output.title(`${context.app} Domains`)
      for (const { domain } of domains) {
        const served = certificates.find(certificate => certificate.domain === domain)
        context.output.line(served?.days_left === undefined ? domain : `${domain}  ${describe(served)}`)
      }
    },
  })
  addCommand(program, {
    usage: 'domains:add <domain>',
    summary: 'let an app answer at a domain',
    ofApp: true,
    examples: ['domains:add www.example.com', "domains:add '*.example.com'"],
    async action(context, _, domain) {
      const made = await context.output.progress(`Adding ${domain}`, context.api.post<object>(context.path('domains/'), { domain }))
      context.output.done(made)
    },
  })
  addCommand(program, {
    usage: 'domains:remove <domain>',
    summary: 'take a domain away',
    ofApp: true,
    async action(context, _, domain) {
      await context.output.progress(`Removing ${domain}`, context.api.delete(context.path(`domains/${encodeURIComponent(domain!)}`)))
      context.output.done({ app: context.app, domain })
    },
  })
}

/** What a domain is served with; drycc tls says why another has nothing. */
function describe({ source, name = '', issuer = '', days_left = 0 }: ServedDomain): string {
  return `${source === 'attached' ? `certificate ${name}` : 'automatic certificate'} of ${issuer.replace(/^.*\/CN=/, '')}, ${days_left} days left`
}
