import type { Readable } from 'node:stream'
import type { Command } from 'commander'
import { Backoff, delay } from '../../kernel/backoff.ts'
import { addCommand, parseLimit } from '../command.ts'
import { CommandError } from '../command-error.ts'
import type { Context } from '../context.ts'
import { formatLogLine, parseLogLine } from '../log-line.ts'
import { LogMemory } from '../log-memory.ts'
import type { Output } from '../output.ts'
import { printable } from '../printable.ts'

interface LogOptions {
  readonly follow?: boolean
  readonly lines?: string
  readonly process?: string
}

const COLOURS = ['cyan', 'yellow', 'green', 'blue', 'red', 'cyanBright', 'yellowBright', 'greenBright', 'blueBright'] as const

// What an app may write while the platform is away for a moment; twice as many lines are remembered, so none is shown twice.
const RESUMED_LINES = 5000
const GIVE_UP_MS = 5 * 60_000
// A stream that ended sooner than this counts as another failure, so that two sides do not run in circles.
const STABLE_MS = 5000

/** `drycc logs`: the last lines of an app, and with `-f` those that come. */
export function addLogCommands(program: Command): void {
  addCommand<LogOptions>(program, {
    usage: 'logs',
    aliases: ['apps:logs'],
    summary: "show an app's logs",
    details: 'With --json each line is an object of its own',
    ofApp: true,
    options: [
      ['-f, --follow', 'go on with what comes, over restarts of the platform too; end with Ctrl-C'],
      ['-n, --lines <n>', 'how many lines (100)'],
      ['-p, --process <type>', 'of one process type only'],
    ],
    examples: ['logs -n 20', 'logs -f --process web', 'logs --json | jq -r .text'],
    async action(context, { follow, lines, process: type }) {
      const query = new URLSearchParams({ log_lines: String(parseLimit(lines, '--lines') ?? 100), format: 'json' })
      if (type) query.set('process', type)
      if (follow) return followLog(context, query)
      const stream = await context.api.stream(`${context.path('logs')}?${query}`)
      if (!stream) return context.output.note(`No log lines yet for ${context.app}`)
      await showLines(context.output, stream)
    },
  })
}

/** Shows lines until Ctrl-C. A stream that ends is taken up again where it was cut; only the first connection has to succeed at once. */
async function followLog(context: Context, query: URLSearchParams): Promise<void> {
  const stop = new AbortController()
  const onInterrupt = () => stop.abort()
  process.on('SIGINT', onInterrupt)
  const memory = new LogMemory(RESUMED_LINES)
  const backoff = new Backoff({ minMs: 250, maxMs: 5000 })
  query.set('follow', 'true')
  let hasConnected = false
  let lostAt: number | undefined
  let isTold = false
  try {
    while (!stop.signal.aborted) {
      try {
        const stream = await context.api.stream(`${context.path('logs')}?${query}`, stop.signal)
        hasConnected = true
        if (isTold) context.output.note('Connected again')
        isTold = false
        lostAt = undefined
        const connectedAt = performance.now()
        if (stream) await showLines(context.output, stream, memory).catch(ignoreCut)
        if (performance.now() - connectedAt > STABLE_MS) backoff.reset()
      } catch (error) {
        if (stop.signal.aborted) break
        if (!hasConnected || !isPassing(error)) throw error
        lostAt ??= performance.now()
        if (performance.now() - lostAt > GIVE_UP_MS) throw error
        // The first failure after a cut is what every restart brings.
        if (performance.now() - lostAt > 1000 && !isTold) {
          context.output.note(`${(error as Error).message}\nTrying again…`)
          isTold = true
        }
      }
      query.set('log_lines', String(RESUMED_LINES))
      memory.resume()
      await delay(backoff.next(), stop.signal)
    }
  } finally {
    process.off('SIGINT', onInterrupt)
  }
}

/** A connection that breaks is taken up again; a fault of our own is none. */
function ignoreCut(error: NodeJS.ErrnoException): void {
  if (error.code === undefined && error.name !== 'AbortError') throw error
}

/** False for a refusal that stays one: the app has gone, or the right to see it. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof CommandError)) return false
  return error.status === undefined ? error.exitCode === 3 : error.status >= 500 || error.status === 429
}

async function showLines(output: Output, stream: Readable, memory?: LogMemory): Promise<void> {
  let rest = ''
  for await (const chunk of stream.setEncoding('utf8') as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()!
    const shown = lines.map(line => render(output, line, memory)).filter(line => line !== undefined)
    if (shown.length > 0) output.line(shown.join('\n'))
  }
  // The last line of what is followed was cut in the middle, and will come again as a whole.
  if (memory || !rest) return
  const last = render(output, rest)
  if (last !== undefined) output.line(last)
}

function render(output: Output, text: string, memory?: LogMemory): string | undefined {
  const line = parseLogLine(text)
  // An older platform sends text that is ready to show.
  if (!line) return output.isJson ? undefined : printable(text)
  if (memory && !memory.isNew(line)) return undefined
  if (output.isJson) return text
  return formatLogLine(line, { style: (subject, prefix) => output.style(colourOf(subject), prefix), hasColours: output.hasColours })
}

/** Each process has its own colour, the platform's lines one that no process has. */
function colourOf(subject: string) {
  if (subject.startsWith('deis[')) return 'magenta'
  let sum = 0
  for (const character of subject) sum = (sum * 31 + character.charCodeAt(0)) >>> 0
  return COLOURS[sum % COLOURS.length]!
}
