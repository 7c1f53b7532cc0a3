import { type Fields, isFields, optionalMap } from './fields.ts'
import { isProcessType, PROCESS_TYPE_RULE } from './process-type.ts'
import { invalid, unprocessable } from './refusal.ts'

/** One probe, in the words of Kubernetes. */
export interface Probe {
  readonly exec?: { readonly command: readonly string[] }
  readonly httpGet?: {
    readonly port: number
    readonly path?: string
    readonly scheme?: string
    readonly httpHeaders?: readonly { readonly name: string; readonly value: string }[]
  }
  readonly tcpSocket?: { readonly port: number }
  readonly initialDelaySeconds?: number
  readonly timeoutSeconds?: number
  readonly periodSeconds?: number
  readonly successThreshold?: number
  readonly failureThreshold?: number
}

export type ProbeName = 'livenessProbe' | 'readinessProbe'

/** The probes of each process type; `web/cmd` is whichever of the two takes the app's traffic. */
export type Healthchecks = Readonly<Record<string, { readonly [name in ProbeName]?: Probe }>>

/** The key under which clients send the probes of the type that takes traffic. */
export const ROUTABLE_TYPE = 'web/cmd'

const PROBES: readonly string[] = ['livenessProbe', 'readinessProbe']
const TIMES = ['initialDelaySeconds', 'timeoutSeconds', 'periodSeconds', 'successThreshold', 'failureThreshold'] as const
const HANDLERS = ['exec', 'httpGet', 'tcpSocket'] as const

/**
 * Lays the field `healthcheck` of a request over the probes that stand. `null` for a probe, or for a whole type, removes it.
 *
 * @throws {Refusal} 400 for a malformed probe, 422 for the removal of one that is not there
 */
export function mergeHealthchecks(current: Healthchecks, request: Fields): Healthchecks {
  const entries = optionalMap(request, 'healthcheck')
  if (!entries) return current
  const merged = new Map(Object.entries(current))
  for (const [type, probes] of withoutFlatForm(entries)) {
    if (probes === null) {
      if (!merged.delete(type)) throw unprocessable(`${type} does not exist under healthcheck`)
      continue
    }
    if (type !== ROUTABLE_TYPE && !isProcessType(type)) throw invalid('healthcheck', PROCESS_TYPE_RULE)
    if (!isFields(probes)) throw invalid('healthcheck', 'Expected a dictionary of items.')
    const kept = new Map(Object.entries(merged.get(type) ?? {}))
    for (const [name, probe] of Object.entries(probes)) {
      if (!PROBES.includes(name)) throw invalid('healthcheck', `${name} is not a probe: use ${PROBES.join(' or ')}`)
      if (probe !== null) kept.set(name, parseProbe(name, probe))
      else if (!kept.delete(name)) throw unprocessable(`${name} does not exist under healthcheck`)
    }
    if (kept.size > 0) merged.set(type, Object.fromEntries(kept))
    else merged.delete(type)
  }
  return Object.fromEntries(merged)
}

/** Turns the variables `HEALTHCHECK_*` of the first API into probes of `web/cmd`, once `HEALTHCHECK_URL` is among them, and drops them. */
export function takeLegacyHealthcheck(values: Readonly<Record<string, string>>): {
  values: Readonly<Record<string, string>>
  healthcheck: Healthchecks
} {
  const path = values['HEALTHCHECK_URL']
  if (path === undefined) return { values, healthcheck: {} }
  const number = (name: string, fallback: string) => Number(values[`HEALTHCHECK_${name}`] ?? fallback)
  const probe: Probe = {
    initialDelaySeconds: number('INITIAL_DELAY', '50'),
    timeoutSeconds: number('TIMEOUT', '50'),
    periodSeconds: number('PERIOD_SECONDS', '10'),
    successThreshold: number('SUCCESS_THRESHOLD', '1'),
    failureThreshold: number('FAILURE_THRESHOLD', '3'),
    httpGet: { path, port: number('PORT', values['PORT'] ?? '5000') },
  }
  return {
    values: Object.fromEntries(Object.entries(values).filter(([key]) => !key.startsWith('HEALTHCHECK_'))),
    healthcheck: { [ROUTABLE_TYPE]: { livenessProbe: { ...probe, successThreshold: 1 }, readinessProbe: probe } },
  }
}

/** The first API had one set of probes an app, `{"livenessProbe": …}`, without a type around it. */
function withoutFlatForm(entries: [string, unknown][]): [string, unknown][] {
  const flat = entries.filter(([key]) => PROBES.includes(key))
  if (flat.length === 0) return entries
  return [...entries.filter(([key]) => !PROBES.includes(key)), [ROUTABLE_TYPE, Object.fromEntries(flat)]]
}

function parseProbe(name: string, value: unknown): Probe {
  if (!isFields(value)) throw fault(name, 'must be an object')
  const unknown = Object.keys(value).find(key => ![...TIMES, ...HANDLERS].some(known => known === key))
  if (unknown) throw fault(name, `has no property ${unknown}`)
  const handlers = HANDLERS.filter(handler => value[handler] !== undefined)
  if (handlers.length !== 1) throw fault(name, `needs exactly one of ${HANDLERS.join(', ')}`)

  const times: Record<string, number> = {}
  for (const time of TIMES) {
    const number = value[time]
    if (number === undefined) continue
    const least = time === 'initialDelaySeconds' ? 0 : 1
    if (!isInteger(number) || number < least || number > 2_147_483_647)
      throw fault(name, `${time} must be a whole number of at least ${least}`)
    times[time] = number
  }
  if (name === 'livenessProbe' && (times['successThreshold'] ?? 1) !== 1) throw fault(name, 'successThreshold must be 1')
  return { ...parseHandler(name, value), ...times }
}

function parseHandler(name: string, probe: Fields): Probe {
  const { exec, httpGet, tcpSocket } = probe
  // A probe of another host would be asked by the node, from within the cluster's network, on behalf of whoever set it.
  for (const handler of [httpGet, tcpSocket])
    if (isFields(handler) && handler['host']) throw fault(name, 'host is not supported: probes ask the pod itself')
  if (exec !== undefined) {
    const command = isFields(exec) ? exec['command'] : undefined
    if (!Array.isArray(command) || command.length === 0 || !command.every(word => typeof word === 'string' && !word.includes('\0')))
      throw fault(name, 'exec.command must be a list of at least one word')
    return { exec: { command } }
  }
  if (tcpSocket !== undefined) {
    if (!isFields(tcpSocket)) throw fault(name, 'tcpSocket must be an object')
    return { tcpSocket: { port: parsePort(name, 'tcpSocket', tcpSocket['port']) } }
  }
  if (!isFields(httpGet)) throw fault(name, 'httpGet must be an object')
  const headers = httpGet['httpHeaders']
  if (headers !== undefined && headers !== null && !(Array.isArray(headers) && headers.every(isHeader)))
    throw fault(name, 'httpGet.httpHeaders must be a list of {name, value}')
  const scheme = httpGet['scheme']
  if (scheme !== undefined && scheme !== 'HTTP' && scheme !== 'HTTPS') throw fault(name, 'httpGet.scheme must be HTTP or HTTPS')
  return {
    httpGet: {
      port: parsePort(name, 'httpGet', httpGet['port']),
      ...texts(name, httpGet, ['path', 'scheme']),
      ...(Array.isArray(headers) ? { httpHeaders: headers.map(({ name, value }) => ({ name, value })) } : {}),
    },
  }
}

function texts(probe: string, fields: Fields, names: readonly string[]): Record<string, string> {
  const found = names.filter(name => fields[name] !== undefined && fields[name] !== '')
  return Object.fromEntries(
    found.map(name => {
      if (typeof fields[name] !== 'string') throw fault(probe, `${name} must be text`)
      return [name, fields[name]]
    }),
  )
}

function parsePort(probe: string, handler: string, port: unknown): number {
  const number = typeof port === 'string' && /^\d+$/.test(port) ? Number(port) : port
  if (!isInteger(number) || number < 1 || number > 65_535) throw fault(probe, `${handler}.port must be a number from 1 to 65535`)
  return number
}

function isHeader(value: unknown): value is { name: string; value: string } {
  if (!isFields(value) || typeof value['name'] !== 'string' || typeof value['value'] !== 'string') return false
  // What no request can carry would make every probe fail (RFC 9110 §5.1, §5.5).
  return /^[\w!#$%&'*+.^`|~-]+$/.test(value['name']) && !/[\0-\x08\x0a-\x1f\x7f]/.test(value['value'])
}

function isInteger(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value)
}

function fault(probe: string, text: string) {
  return invalid('healthcheck', `${probe}: ${text}`)
}
