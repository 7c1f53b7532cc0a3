import type { Command } from 'commander'
import { addCommand } from '../command.ts'
import type { Output } from '../output.ts'

interface LogOptions {
  readonly follow?: boolean
  readonly lines?: string
  readonly process?: string
}

const COLOURS = ['cyan', 'yellow', 'green', 'blue', 'red', 'cyanBright', 'yellowBright', 'greenBright', 'blueBright'] as const

/** `drycc logs`: the last lines of an app, and with `-f` those that come. */
export function addLogCommands(program: Command): void {
  addCommand<LogOptions>(program, {
    usage: 'logs',
    aliases: ['apps:logs'],
    summary: "show an app's logs",
    ofApp: true,
    options: [
      ['-f, --follow', 'go on with what comes; end with Ctrl-C'],
      ['-n, --lines <n>', 'how many lines (100)'],
      ['-p, --process <type>', 'of one process type only'],
    ],
    async action(context, { follow, lines, process: type }) {
      const query = new URLSearchParams({ log_lines: lines ?? '100' })
      if (follow) query.set('follow', 'true')
      if (type) query.set('process', type)
      if (context.output.isJson) query.set('format', 'json')
      const stop = new AbortController()
      process.once('SIGINT', () => stop.abort())
      const stream = await context.api.stream(`${context.path('logs')}?${query}`, stop.signal)
      if (!stream) return context.output.note(`No log lines yet for ${context.app}`)
      try {
        let rest = ''
        for await (const chunk of stream.setEncoding('utf8')) {
          const whole = (rest + chunk).split('\n')
          rest = whole.pop()!
          for (const line of whole) context.output.line(context.output.isJson ? line : coloured(context.output, line))
        }
      } catch (error) {
        if (!stop.signal.aborted) throw error
      }
    },
  })
}

/** Each process has its own colour, the platform's lines one that no process has. */
function coloured(output: Output, line: string): string {
  const [, prefix, source, text] = /^(\S+ (\S+):) ?(.*)$/s.exec(line) ?? []
  if (!prefix || source === undefined || text === undefined) return line
  if (source.startsWith('deis[')) return `${output.style('magenta', prefix)} ${text}`
  let sum = 0
  for (const character of source) sum = (sum * 31 + character.charCodeAt(0)) >>> 0
  return `${output.style(COLOURS[sum % COLOURS.length]!, prefix)} ${text}`
}
