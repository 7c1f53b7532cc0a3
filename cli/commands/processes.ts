import type { Command } from 'commander'
import { addCommand } from '../command.ts'
import { CommandError } from '../command-error.ts'
import type { Output } from '../output.ts'
import { printableColours } from '../printable.ts'
import { showProgress } from '../progress.ts'

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
    usage: 'ps [type]',
    aliases: ['ps:list'],
    summary: "list an app's processes",
    ofApp: true,
    async action(context, _, type) {
      const path = context.path(type ? `pods/${encodeURIComponent(type)}/` : 'pods/')
      const { results } = await context.api.get<{ results: Pod[] }>(path)
      context.output.result(results, () => showPods(context.output, context.app, results))
    },
  })
  addCommand(program, {
    usage: 'scale <type=count...>',
    aliases: ['ps:scale'],
    summary: 'change how many processes of each type run',
    ofApp: true,
    examples: ['scale web=3', 'scale web=2 worker=0 --app shop'],
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
    summary: 'restart all processes, those of one type, or one by its name',
    ofApp: true,
    examples: ['restart', 'restart web', 'restart shop-web-7d4b9c6f5-abcde'],
    async action(context, _, what) {
      const { app } = context
      // A name begins with the app's and its type's; a type alone never does both.
      const type = what?.startsWith(`${app}-`) ? /^([a-z0-9]+)/.exec(what.slice(app.length + 1))?.[1] : undefined
      const scope = [type, what].filter(part => part !== undefined).map(part => `${encodeURIComponent(part)}/`)
      const path = context.path(`pods/${scope.join('')}restart/`)
      const pods = await context.output.progress(what ? `Restarting ${what}` : 'Restarting', context.api.post<Pod[]>(path))
      context.output.result(pods, () => showPods(context.output, app, pods))
    },
  })
  addCommand(program, {
    usage: 'run <command...>',
    aliases: ['apps:run'],
    summary: "run a command with the app's code and config, and show what it prints",
    details:
      'A single argument is a line for the shell; of several, those with spaces or quotes stay one word. Ends with the exit code of the command',
    ofApp: true,
    passesOn: true,
    examples: ['run ls -al', "run 'env | sort'", 'run --app shop -- npm run migrate'],
    async action(context, _, ...words) {
      // One argument is a line that was quoted on purpose.
      const command = words.length === 1 ? words[0]! : words.map(quoteWord).join(' ')
      const { exit_code, output } = await showProgress(
        `Running ${words.join(' ')}`,
        context.api.post<{ exit_code: number; output: string }>(context.path('run'), { command }),
        { isSilent: context.output.isJson || !process.stderr.isTTY, isFleeting: true },
      )
      context.output.result({ exit_code, output }, () => {
        const stream = exit_code === 0 ? process.stdout : process.stderr
        stream.write(stream.isTTY ? printableColours(output) : output)
      })
      process.exitCode = exit_code
    },
  })
}

/** Processes by type, each with its state and release. */
export function showPods(output: Output, app: string, pods: readonly Pod[]): void {
  output.title(`${app} Processes`)
  if (pods.length === 0) output.empty('None: push a build, or scale up')
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

/** Keeps a word together, and one that is meant for the shell (`|`, `&&`, `$HOME`) as it is. */
function quoteWord(word: string): string {
  return word === '' || /[\s'"]/.test(word) ? `'${word.replaceAll("'", "'\\''")}'` : word
}
