import { PLATFORM_NAMESPACE } from '../kernel/contract.ts'
import { parseNetworks } from '../kernel/public-address.ts'
import { duration, type Environment, flag, integer, oneOf, optional, parsed, port, readEnv, secret, text } from '../kernel/settings.ts'
import { parseDuration } from '../kernel/units.ts'
import { parseBind } from './bind.ts'
import { readLimits } from './limit-settings.ts'
import { parseStateKey } from './table/seal.ts'

export type RouterConfig = ReturnType<typeof routerConfig>

/** All settings of the router's process; how it routes stands in annotations. @throws {SettingsError} naming every bad value */
export function routerConfig(env: Environment) {
  return readEnv(env, {
    httpPort: port('ROUTER_HTTP_PORT', '8080'),
    httpsPort: port('ROUTER_HTTPS_PORT', '8443'),
    gitPort: port('ROUTER_GIT_PORT', '2222'),
    /** The port of https as clients see it, named in redirects; 0 is the one that was bound. */
    publicHttpsPort: port('ROUTER_PUBLIC_HTTPS_PORT', '443'),
    healthPort: port('ROUTER_HEALTH_PORT', '9090'),
    adminPort: port('ROUTER_ADMIN_PORT', '9091'),
    // Addresses between commas; `::` is both families, or IPv4 alone where IPv6 is off.
    bind: parsed('ROUTER_BIND', '::', parseBind),
    // shared: all workers accept from one queue, also where the system could spread connections over them.
    listeners: oneOf('ROUTER_LISTENERS', ['auto', 'shared'], 'auto'),
    // How many processes serve. 1: the process that watches serves too, and one kill costs both.
    workers: parsed('ROUTER_WORKERS', 'auto', parseWorkers),
    // ROUTER_LIMIT_…: those of serve/limits.ts that are to be others.
    limits: readLimits,
    accessLog: oneOf('ROUTER_ACCESS_LOG', ['classic', 'json', 'off'], 'classic'),
    // The file of access lines instead of standard output; opened anew on SIGUSR1, and when it was moved away.
    accessLogFile: optional('ROUTER_ACCESS_LOG_FILE'),
    // How many exchanges of each app every worker remembers for /requests; 0: none.
    requestsKept: integer('ROUTER_REQUESTS_KEPT', '100', { max: 1000 }),
    // How many apps, the busiest, have series of their own in /metrics, and whether each has a histogram.
    metricsApps: integer('ROUTER_METRICS_APPS', '100', { max: 10_000 }),
    metricsAppLatency: flag('ROUTER_METRICS_APP_LATENCY', 'false'),
    // Whose annotations, objects and certificates count where both families have some.
    family: oneOf('ROUTER_FAMILY', ['drycc', 'deis'], 'drycc'),
    // A folder of YAML files instead of a cluster.
    manifests: optional('ROUTER_MANIFESTS'),
    // A folder for the last table, so that a start without the API server serves it.
    state: optional('ROUTER_STATE'),
    // Or ROUTER_STATE_KEY_FILE: encrypts it; only then certificates and their keys stand in it.
    stateKey: readStateKey,
    // Between "not ready" and the closed listeners: how long balancers may need to notice.
    drainDelayMs: duration('ROUTER_DRAIN_DELAY', '0s'),
    // How old the key of session tickets may become before all replicas take another.
    ticketRotationMs: parsed('ROUTER_TICKET_ROTATION', '12h', parseRotation),
    drainTimeoutMs: duration('ROUTER_DRAIN_TIMEOUT', '30s'),
    // Whether responders are asked for OCSP responses, and which networks they may be in beside the public internet.
    ocsp: flag('ROUTER_OCSP', 'true'),
    ocspNetworks: parsed('ROUTER_OCSP_NETWORKS', '', parseNetworks),
    // Also read Secrets with `cert` and `key`, as Deis wrote them until 2016.
    oldCertificateKeys: flag('ROUTER_OLD_CERTIFICATE_KEYS', 'false'),
    namespace: text('POD_NAMESPACE', PLATFORM_NAMESPACE),
  })
}

function readStateKey(env: Environment): Uint8Array | undefined {
  const text = secret('ROUTER_STATE_KEY')(env)
  try {
    return text === undefined ? undefined : parseStateKey(text)
  } catch (error) {
    throw new Error(`ROUTER_STATE_KEY: ${(error as Error).message}`)
  }
}

function parseRotation(value: string): number {
  const ms = parseDuration(value)
  if (ms < 60_000) throw new RangeError(`Cannot use "${value}": write 1m or more, as each rotation costs the tickets before it`)
  return ms
}

function parseWorkers(value: string): number | 'auto' {
  if (value === 'auto') return 'auto'
  const count = /^\d{1,3}$/.test(value) ? Number(value) : 0
  if (count < 1 || count > 256) throw new RangeError(`Cannot read "${value}": write auto or a number from 1 to 256`)
  return count
}
