import type { Command } from 'commander'
import { addCommand, LIMIT, parseLimit } from '../command.ts'

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
      context.output.result(domains, () => {
        context.output.title(`${context.app} Domains`)
        for (const { domain } of domains) context.output.line(domain)
      })
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
