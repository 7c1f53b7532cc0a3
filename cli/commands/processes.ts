import type { Command } from 'commander'
import { addCommand } from '../command.ts'
import { CommandError } from '../command-error.ts'
import type { Output } from '../output.ts'

export interface Pod {
  readonly name: string
  readonly type: string
  readonly release: string
  readonly state: string
  readonly started: string
}

/** Commands about an app's processes: ps, scale, restart, run. */
export function addProcessCommands(program: Command): void {
  addCommand(program, {
    usage: 'ps',
    aliases: ['ps:list'],
    summary: "list an app's processes",
    ofApp: true,
    async action(context) {
      const { results } = await context.api.get<{ results: Pod[] }>(context.path('pods/'))
      context.output.result(results, () => showPods(context.output, context.app, results))
    },
  })
  addCommand(program, {
    usage: 'scale <type=count...>',
    aliases: ['ps:scale'],
    summary: 'change how many processes of each type run: drycc scale web=3 worker=0',
    ofApp: true,
    async action(context, _, ...pairs) {
      const counts = Object.fromEntries(pairs.map(parseCount))
      await context.output.progress(`Scaling ${pairs.join(' ')}`, context.api.post(context.path('scale/'), counts))
      const { results } = await context.api.get<{ results: Pod[] }>(context.path('pods/'))
      context.output.result(results, () => showPods(context.output, context.app, results))
    },
  })
  addCommand(program, {
    usage: 'restart [type]',
    aliases: ['ps:restart'],
    summary: 'restart all processes, or those of one type',
    ofApp: true,
    async action(context, _, type) {
      const path = context.path(`pods/${type ? `${encodeURIComponent(type)}/` : ''}restart/`)
      const pods = await context.output.progress('Restarting', context.api.post<Pod[]>(path))
      context.output.result(pods, () => showPods(context.output, context.app, pods))
    },
  })
  addCommand(program, {
    usage: 'run <command...>',
    aliases: ['apps:run'],
    summary: "run a command with the app's code and config, and show what it prints",
    ofApp: true,
    async action(context, _, ...words) {
      const { exit_code, output } = await context.api.post<{ exit_code: number; output: string }>(context.path('run'), {
        command: words.join(' '),
      })
      context.output.result({ exit_code, output }, () => (exit_code === 0 ? process.stdout : process.stderr).write(output))
      process.exitCode = exit_code
    },
  })
}

/** Processes by type, each with its state and release. */
export function showPods(output: Output, app: string, pods: readonly Pod[]): void {
  output.title(`${app} Processes`)
  if (pods.length === 0) output.line(output.style('dim', 'None: push a build, or scale up'))
  const types = [...new Set(pods.map(({ type }) => type))].sort()
  for (const type of types) {
    output.line(`--- ${type}:`)
    for (const pod of pods) {
      if (pod.type !== type) continue
      const colour = pod.state === 'up' ? 'green' : /crash|error|down/i.test(pod.state) ? 'red' : 'yellow'
      output.line(`${pod.name} ${output.style(colour, pod.state)} (${pod.release})`)
    }
  }
}

function parseCount(pair: string): [string, number] {
  const [, type, count] = /^([a-z0-9-]+)=(\d{1,6})$/.exec(pair) ?? []
  if (!type) throw new CommandError(`Cannot read "${pair}": write it as web=2`, 2)
  return [type, Number(count)]
}
