import type { Command } from 'commander'
import { addCommand } from '../command.ts'
import type { Context } from '../context.ts'
import { parsePair } from '../env-file.ts'

interface LimitsOptions {
  readonly cpu?: boolean
  readonly memory?: boolean
}

interface Config {
  readonly memory: Readonly<Record<string, string>>
  readonly cpu: Readonly<Record<string, string>>
}

const KIND = [
  ['--memory', 'limit memory (so without an option)'],
  ['--cpu', 'limit CPU'],
] as const

/** Commands about how much memory and CPU the processes of a type may use. */
export function addLimitCommands(program: Command): void {
  addCommand(program, {
    usage: 'limits',
    aliases: ['limits:list'],
    summary: 'show what the processes of each type may use',
    ofApp: true,
    action: async context => show(context, await context.api.get<Config>(context.path('config/'))),
  })
  addCommand<LimitsOptions>(program, {
    usage: 'limits:set <type=limit...>',
    summary: 'limit the processes of a type',
    details: 'A limit is 64M or, with what is reserved before it, 64M/128M; of CPU it is 500m or 250m/500m',
    ofApp: true,
    options: KIND,
    examples: ['limits:set web=512M worker=64M/1G', 'limits:set web=500m --cpu'],
    async action(context, { cpu }, ...pairs) {
      await change(context, cpu, Object.fromEntries(pairs.map(pair => parsePair(pair, 'web=512M'))))
    },
  })
  addCommand<LimitsOptions>(program, {
    usage: 'limits:unset <type...>',
    summary: 'take the limit of a type away',
    ofApp: true,
    options: KIND,
    async action(context, { cpu }, ...types) {
      await change(context, cpu, Object.fromEntries(types.map(type => [type, null])))
    },
  })
}

async function change(context: Context, cpu: boolean | undefined, limits: Readonly<Record<string, string | null>>): Promise<void> {
  const work = context.api.post<Config>(context.path('config/'), { [cpu ? 'cpu' : 'memory']: limits })
  show(context, await context.output.progress('Applying limits', work))
}

function show({ output, app }: Context, { memory, cpu }: Config): void {
  output.result({ memory, cpu }, () => {
    output.title(`${app} Limits`)
    for (const [title, limits] of [['Memory', memory] as const, ['CPU', cpu] as const]) {
      output.line(`--- ${title}`)
      output.pairs(Object.entries(limits), 'Unlimited')
    }
  })
}
