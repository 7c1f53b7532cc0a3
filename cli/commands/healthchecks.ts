import type { Command } from 'commander'
import { addCommand } from '../command.ts'
import { CommandError } from '../command-error.ts'
import type { Context } from '../context.ts'
import { parsePair } from '../env-file.ts'

interface Probe {
  readonly exec?: { readonly command: readonly string[] }
  readonly httpGet?: {
    readonly port: number
    readonly path?: string
    readonly httpHeaders?: readonly { readonly name: string; readonly value: string }[]
  }
  readonly tcpSocket?: { readonly port: number }
  readonly initialDelaySeconds?: number
  readonly timeoutSeconds?: number
  readonly periodSeconds?: number
  readonly successThreshold?: number
  readonly failureThreshold?: number
}

interface Config {
  readonly healthcheck: Readonly<Record<string, Readonly<Record<string, Probe>>>>
}

interface SetOptions extends TypeOption {
  readonly path: string
  readonly header?: string[]
  readonly initialDelay: string
  readonly timeout: string
  readonly period: string
  readonly successThreshold: string
  readonly failureThreshold: string
}

interface TypeOption {
  readonly type?: string
}

// The platform's word for whichever of the two types takes an app's traffic.
const DEFAULT_TYPE = 'web/cmd'
const TYPE = ['-t, --type <type>', 'the process type (the one that takes traffic)'] as const
const KINDS: Readonly<Record<string, string>> = { liveness: 'livenessProbe', readiness: 'readinessProbe' }

/** Commands about how the platform finds out whether a process is alive and ready. */
export function addHealthcheckCommands(program: Command): void {
  addCommand<TypeOption>(program, {
    usage: 'healthchecks',
    aliases: ['healthchecks:list'],
    summary: "show an app's health checks",
    ofApp: true,
    action: async context => show(context, await context.api.get<Config>(context.path('config/'))),
  })
  addCommand<SetOptions>(program, {
    usage: 'healthchecks:set <kind> <how> <what...>',
    summary: 'check the processes of a type',
    details:
      'The kind is liveness (else restarted) or readiness (else gets no requests), how is httpGet PORT, tcpSocket PORT or exec COMMAND…',
    ofApp: true,
    options: [
      TYPE,
      ['--path <path>', 'for httpGet (/)'],
      ['--header <name=value...>', 'for httpGet'],
      ['--initial-delay <seconds>', 'before the first check (50)'],
      ['--timeout <seconds>', 'for one check (50)'],
      ['--period <seconds>', 'between checks (10)'],
      ['--success-threshold <n>', 'successes in a row that count as well (1)'],
      ['--failure-threshold <n>', 'failures in a row that count as ill (3)'],
    ],
    examples: [
      'healthchecks:set readiness httpGet 5000 --path /healthz --initial-delay 5',
      'healthchecks:set liveness exec --type worker -- ./is-alive --quick',
    ],
    async action(context, options, kind, how, ...what) {
      const probe = {
        initialDelaySeconds: parseNumber(options.initialDelay ?? '50', '--initial-delay'),
        timeoutSeconds: parseNumber(options.timeout ?? '50', '--timeout'),
        periodSeconds: parseNumber(options.period ?? '10', '--period'),
        successThreshold: parseNumber(options.successThreshold ?? '1', '--success-threshold'),
        failureThreshold: parseNumber(options.failureThreshold ?? '3', '--failure-threshold'),
        ...buildHandler(how!, what, options),
      }
      await change(context, options, kind!, probe)
    },
  })
  addCommand<TypeOption>(program, {
    usage: 'healthchecks:unset <kind>',
    summary: 'no longer check the processes of a type',
    ofApp: true,
    options: [TYPE],
    examples: ['healthchecks:unset liveness'],
    async action(context, options, kind) {
      await change(context, options, kind!, null)
    },
  })
}

async function change(context: Context, { type = DEFAULT_TYPE }: TypeOption, kind: string, probe: Probe | null): Promise<void> {
  const name = KINDS[kind]
  if (!name) throw new CommandError(`Cannot read the kind "${kind}": write liveness or readiness`, 2)
  const body = { healthcheck: { [type]: { [name]: probe } } }
  show(context, await context.output.progress('Applying health checks', context.api.post<Config>(context.path('config/'), body)))
}

function buildHandler(how: string, what: readonly string[], { path, header }: SetOptions): Probe {
  if (how === 'exec') return { exec: { command: what } }
  if (what.length !== 1) throw new CommandError(`${how} takes one port and nothing more`, 2)
  const port = parseNumber(what[0]!, 'port')
  if (how === 'tcpSocket') return { tcpSocket: { port } }
  if (how !== 'httpGet') throw new CommandError(`Cannot check by "${how}": write httpGet, tcpSocket or exec`, 2)
  const httpHeaders = (header ?? []).map(pair => parsePair(pair, 'Name=value')).map(([name, value]) => ({ name, value }))
  return { httpGet: { port, path: path ?? '/', ...(httpHeaders.length > 0 ? { httpHeaders } : {}) } }
}

function parseNumber(text: string, name: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new CommandError(`Cannot read ${name} "${text}": write a whole number`, 2)
  return Number(text)
}

function show({ output, app }: Context, { healthcheck }: Config): void {
  output.result(healthcheck, () => {
    output.title(`${app} Health checks`)
    const types = Object.entries(healthcheck)
    if (types.length === 0) output.empty('None is set.')
    for (const [type, probes] of types) {
      output.line(`--- ${type}`)
      output.pairs(Object.entries(probes).map(([name, probe]) => [name.replace('Probe', ''), describe(probe)]))
    }
  })
}

function describe(probe: Probe): string {
  const { exec, httpGet, tcpSocket } = probe
  const how = exec
    ? `exec ${exec.command.join(' ')}`
    : httpGet
      ? `httpGet port ${httpGet.port} path ${httpGet.path ?? '/'}${(httpGet.httpHeaders ?? []).map(({ name, value }) => ` ${name}=${value}`).join('')}`
      : `tcpSocket port ${tcpSocket?.port}`
  const times = [
    ['delay', probe.initialDelaySeconds, ' s'],
    ['timeout', probe.timeoutSeconds, ' s'],
    ['period', probe.periodSeconds, ' s'],
    ['successes', probe.successThreshold, ''],
    ['failures', probe.failureThreshold, ''],
  ] as const
  return [how, ...times.filter(([, value]) => value !== undefined).map(([name, value, unit]) => `${name} ${value}${unit}`)].join(', ')
}
