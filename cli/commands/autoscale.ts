import type { Command } from 'commander'
import { addCommand } from '../command.ts'
import { CommandError } from '../command-error.ts'
import type { Context } from '../context.ts'

interface Settings {
  readonly autoscale: Readonly<Record<string, { readonly min: number; readonly max: number; readonly cpu_percent: number }>>
}

interface Bounds {
  readonly min?: string
  readonly max?: string
  readonly cpuPercent?: string
}

/** Commands about letting the platform choose how many processes of a type run. */
export function addAutoscaleCommands(program: Command): void {
  addCommand(program, {
    usage: 'autoscale',
    aliases: ['autoscale:list'],
    summary: 'show which process types scale with their load',
    ofApp: true,
    action: async context => show(context, await context.api.get<Settings>(context.path('settings/'))),
  })
  addCommand<Bounds>(program, {
    usage: 'autoscale:set <type>',
    summary: 'let the number of processes of a type follow their load',
    ofApp: true,
    options: [
      ['--min <n>', 'at least so many'],
      ['--max <n>', 'at most so many'],
      ['--cpu-percent <n>', 'the load to aim at, of the CPU limit'],
    ],
    examples: ['autoscale:set web --min 2 --max 8 --cpu-percent 70'],
    async action(context, { min, max, cpuPercent }, type) {
      const bounds = { min: number(min, '--min'), max: number(max, '--max'), cpu_percent: number(cpuPercent, '--cpu-percent') }
      await change(context, { [type!]: bounds })
    },
  })
  addCommand(program, {
    usage: 'autoscale:unset <type>',
    summary: 'let the number of processes of a type stay as it is',
    ofApp: true,
    async action(context, _, type) {
      await change(context, { [type!]: null })
    },
  })
}

async function change(context: Context, autoscale: object): Promise<void> {
  show(context, await context.output.progress('Applying autoscale', context.api.post<Settings>(context.path('settings/'), { autoscale })))
}

function show({ output, app }: Context, { autoscale }: Settings): void {
  const rows = Object.entries(autoscale).map(([type, { min, max, cpu_percent }]) => [type, `${min}`, `${max}`, `${cpu_percent} %`])
  output.result(autoscale, () => {
    output.title(`${app} Autoscale`)
    output.table(['type', 'min', 'max', 'cpu'], rows, 'No type scales by itself')
  })
}

function number(text: string | undefined, flag: string): number {
  if (!/^[1-9]\d{0,4}$/.test(text ?? '')) throw new CommandError(`Give ${flag} a number from 1 on`, 2)
  return Number(text)
}
