import type { Command } from 'commander'
import { addCommand } from '../command.ts'
import type { Context } from '../context.ts'

/** Commands about the addresses from which an app may be reached. */
export function addWhitelistCommands(program: Command): void {
  addCommand(program, {
    usage: 'whitelist',
    aliases: ['whitelist:list'],
    summary: 'list the addresses that alone may reach an app',
    ofApp: true,
    action: async context => show(context),
  })
  addCommand(program, {
    usage: 'whitelist:add <address...>',
    summary: 'let only these addresses, and those listed before, reach an app',
    ofApp: true,
    examples: ['whitelist:add 192.0.2.7 198.51.100.0/24'],
    async action(context, _, ...given) {
      const addresses = split(given)
      await context.output.progress(`Adding ${addresses.join(', ')}`, context.api.post(context.path('whitelist/'), { addresses }))
      await show(context)
    },
  })
  addCommand(program, {
    usage: 'whitelist:remove <address...>',
    summary: 'take addresses from the list',
    ofApp: true,
    async action(context, _, ...given) {
      const addresses = split(given)
      await context.output.progress(`Removing ${addresses.join(', ')}`, context.api.delete(context.path('whitelist/'), { addresses }))
      await show(context)
    },
  })
}

/** The classic clients take them with commas between. */
function split(given: readonly string[]): string[] {
  return given.flatMap(part => part.split(',')).filter(part => part !== '')
}

async function show(context: Context): Promise<void> {
  const { addresses } = await context.api.get<{ addresses: string[] }>(context.path('whitelist/'))
  context.output.result(addresses, () => {
    context.output.title(`${context.app} Whitelisted Addresses`)
    if (addresses.length === 0) context.output.empty('None: every address may reach it')
    for (const address of addresses) context.output.line(address)
  })
}
