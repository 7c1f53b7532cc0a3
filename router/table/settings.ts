import { isIP } from 'node:net'
import { Annotations, type Family, type Fault } from './annotations.ts'
import { REFERRER_POLICIES } from './app.ts'
import { CODINGS, type Coding, readCompression } from './extensions/compression.ts'
import { readPages } from './extensions/pages.ts'
import { readTls } from './extensions/tls.ts'
import { readTracing } from './extensions/tracing.ts'
import { checkLogFormat } from './log-format.ts'
import { endpoint } from './route.ts'
import type { RouteSpec, SettingsSpec } from './spec.ts'
import { parseBoolean, parseCidr, parseDomain, parseInteger, parseSize, parseTimeout, parseWord } from './values.ts'

/** What the annotations of the router's own Deployment say, contract section 2. */
export interface RouterAnnotations {
  /** What a worker needs as it stands. */
  readonly settings: SettingsSpec
  /** What is merged into each app's policy. */
  readonly policy: RouterPolicy
  readonly enableRegexDomains: boolean
  /** How many processes serve; absent: one a core. ROUTER_WORKERS goes before it, and it counts at the start only. */
  readonly workerCount?: number
  /** `namespace/name` of the routable Service that answers for unknown hosts; an address stands in {@link settings} already. */
  readonly defaultServiceKey?: string
  /** The texts behind all this, for the next reading. */
  readonly good: ReadonlyMap<string, string>
  readonly faults: readonly Fault[]
  readonly ignored: readonly string[]
}

/** The router's share of every app's policy. */
export interface RouterPolicy {
  readonly defaultTimeoutMs: number
  readonly sslEnforce: boolean
  /** Value of Strict-Transport-Security. */
  readonly hsts?: string
  readonly requestStart: boolean
  readonly referrerPolicy?: string
  readonly bodyBytesMax: number
  readonly whitelist: readonly string[]
  readonly whitelistMode: 'extend' | 'override'
  readonly enforceWhitelists: boolean
  /** For what an app leaves open in its own. */
  readonly compression: { readonly codings: readonly Coding[]; readonly minLengthBytes: number }
}

/**
 * Reads the router's settings. It never fails: what cannot be read is told as a fault and stays what it last was.
 *
 * @param source the annotations of the Deployment; absent where there is none: all defaults
 * @param namespace the router's own
 */
export function readSettings(
  source: Readonly<Record<string, string>> | undefined,
  family: Family,
  lastGood?: RouterAnnotations,
  namespace = 'default',
): RouterAnnotations {
  const annotations = new Annotations(source, family, lastGood?.good)
  const was = lastGood?.settings
  const wasPolicy = lastGood?.policy
  const flag = (name: string, absent: boolean, before?: boolean) => annotations.one(`nginx.${name}`, absent, parseBoolean, before)
  const platformDomain = annotations.one('nginx.platformDomain', undefined, parsePlatformDomain, was?.platformDomain)
  const referrerPolicy = annotations.one('nginx.referrerPolicy', undefined, parseReferrerPolicy, was?.referrerPolicy ?? 'none')
  const defaultTimeoutMs = annotations.one('nginx.defaultTimeout', 1_300_000, parseTimeout, was?.defaultTimeoutMs)
  const connectionsMax = annotations.one('nginx.maxWorkerConnections', undefined, parseConnectionsMax, was?.workerConnectionsMax)
  const errorHeader = annotations.one('x-error-header', undefined, parseErrorHeader, was?.errorHeader)
  const pages = readPages(annotations, namespace, was?.pages)
  const logLevel = annotations.one('nginx.errorLogLevel', undefined, parseLogLevel, was?.logLevel)
  const logFormat = annotations.one('nginx.logFormat', undefined, checkLogFormat, was?.logFormat)
  const http2HeadBytesMax = annotations.one('nginx.http2MaxHeaderSize', undefined, parseHeaderSize, was?.http2HeadBytesMax)
  const http2FieldBytesMax = annotations.one('nginx.http2MaxFieldSize', undefined, parseHeaderSize, was?.http2FieldBytesMax)
  const hsts = readHsts(annotations, wasPolicy?.hsts)
  const { route, key } = readDefaultService(annotations)
  const settings: SettingsSpec = {
    ...(platformDomain && { platformDomain }),
    defaultTimeoutMs,
    headBytesMax: readHeadBytes(annotations),
    trusted: annotations.items('nginx.proxyRealIpCidrs', parseCidr) ?? ['10.0.0.0/8'],
    proxyProtocol: flag('useProxyProtocol', false, was?.proxyProtocol),
    requestIds: flag('requestIDs', false, was?.requestIds),
    gzip: readGzip(annotations, was?.gzip),
    http2: flag('http2Enabled', true, was?.http2),
    ...(http2HeadBytesMax && { http2HeadBytesMax }),
    ...(http2FieldBytesMax && { http2FieldBytesMax }),
    ...(referrerPolicy && referrerPolicy !== 'none' && { referrerPolicy }),
    ...(errorHeader && { errorHeader }),
    ...(pages && { pages }),
    ...readTracing(annotations, was),
    ...(connectionsMax && { workerConnectionsMax: connectionsMax }),
    ...(logFormat && { logFormat }),
    ...(logLevel && { logLevel }),
    ...(route && { defaultService: route }),
    tls: readTls(annotations, was?.tls),
  }
  const policy: RouterPolicy = {
    defaultTimeoutMs,
    sslEnforce: flag('ssl.enforce', false, wasPolicy?.sslEnforce) || hsts !== undefined,
    ...(hsts && { hsts }),
    requestStart: flag('requestStartHeader', false, wasPolicy?.requestStart),
    ...(settings.referrerPolicy && { referrerPolicy: settings.referrerPolicy }),
    bodyBytesMax: annotations.one('nginx.bodySize', 1024 ** 2, parseSize, wasPolicy?.bodyBytesMax),
    whitelist: annotations.items('nginx.defaultWhitelist', parseCidr) ?? [],
    whitelistMode: annotations.one('nginx.whitelistMode', 'extend', parseMode, wasPolicy?.whitelistMode),
    enforceWhitelists: flag('enforceWhitelists', false, wasPolicy?.enforceWhitelists),
    compression: { codings: settings.gzip.codings, minLengthBytes: settings.gzip.minLengthBytes },
  }
  // A default list of which nothing can be read must not open every app.
  const isUnreadable = policy.whitelist.length === 0 && annotations.faults.some(fault => fault.key === 'nginx.defaultWhitelist')
  const enableRegexDomains = flag('enableRegexDomains', false, lastGood?.enableRegexDomains)
  const workerCount = annotations.one('nginx.workerProcesses', undefined, parseWorkerCount)
  const ignored = annotations.present(IGNORED)
  if (annotations.one('nginx.loadModsecurityModule', false, parseBoolean))
    annotations.fault(
      'nginx.loadModsecurityModule',
      'true',
      'There is no web application firewall in this router: requests are not filtered',
    )
  annotations.faultUnread()
  return {
    settings,
    policy: isUnreadable ? { ...policy, whitelist: wasPolicy?.whitelist ?? [], enforceWhitelists: true } : policy,
    enableRegexDomains,
    ...(workerCount && { workerCount }),
    ...(key && { defaultServiceKey: key }),
    good: annotations.good,
    faults: annotations.faults,
    ignored,
  }
}

const IGNORED = [
  'trafficStatusZoneSize',
  'serverNameHashMaxSize',
  'serverNameHashBucketSize',
  'gzip.disable',
  // This router never names itself.
  'disableServerTokens',
  'ssl.sessionCache',
  'ssl.bufferSize',
  // Node's TLS has no 0-RTT.
  'ssl.earlyDataMethods',
  'proxyBuffers.enabled',
  'proxyBuffers.number',
  'proxyBuffers.size',
  'proxyBuffers.busySize',
  'loadTcellModule',
  'globalTcellAppID',
].map(name => `nginx.${name}`)

// The 15 types of the original; text/html is always among them (contract 5.8).
const GZIP_TYPES = [
  ...['atom+xml', 'javascript', 'json', 'rss+xml', 'vnd.ms-fontobject', 'x-font-ttf', 'x-web-app-manifest+json', 'xhtml+xml', 'xml'].map(
    type => `application/${type}`,
  ),
  ...['font/opentype', 'image/svg+xml', 'image/x-icon', 'text/css', 'text/plain', 'text/x-component'],
]

function readGzip(annotations: Annotations, was?: SettingsSpec['gzip']): SettingsSpec['gzip'] {
  const one = <T>(name: string, absent: T, parse: (text: string) => T, before?: T) =>
    annotations.one(`nginx.gzip.${name}`, absent, parse, before)
  const types = one('types', GZIP_TYPES, parseTypes, was?.types.slice())
  const wish = readCompression(annotations, was && { codings: was.codings, minLengthBytes: was.minLengthBytes })
  return {
    enabled: one('enabled', true, parseBoolean, was?.enabled),
    codings: wish?.codings ?? CODINGS,
    level: one('compLevel', 5, text => parseInteger(text, 1, 9), was?.level),
    minLengthBytes: wish?.minLengthBytes ?? one('minLength', 256, text => parseInteger(text, 0), was?.minLengthBytes),
    types: [...new Set([...types, 'text/html'])],
    vary: one('vary', 'on', text => parseWord(text, ['on', 'off']), was && (was.vary ? 'on' : 'off')) === 'on',
    proxied: one('proxied', true, parseProxied, was?.proxied),
    minVersion: one('httpVersion', '1.1', text => parseWord(text, ['1.0', '1.1']), was?.minVersion),
  }
}

/** HSTS sends every browser to https for months, so it also turns the redirect on. */
function readHsts(annotations: Annotations, was: string | undefined): string | undefined {
  const maxAge = annotations.one('nginx.ssl.hsts.maxAge', 15_552_000, text => parseInteger(text, 1))
  const subDomains = annotations.one('nginx.ssl.hsts.includeSubDomains', false, parseBoolean)
  const preload = annotations.one('nginx.ssl.hsts.preload', false, parseBoolean)
  if (!annotations.one('nginx.ssl.hsts.enabled', false, parseBoolean, was !== undefined)) return undefined
  return `max-age=${maxAge}${subDomains ? '; includeSubDomains' : ''}${preload ? '; preload' : ''}`
}

function readHeadBytes(annotations: Annotations): number {
  const count = annotations.one('nginx.largeHeaderBuffersCount', 4, text => parseInteger(text, 1, 1024))
  const size = annotations.one('nginx.largeHeaderBuffersSize', 32 * 1024, parseSize)
  // A size of 0 would refuse every request; above 1 MiB one head could fill a worker's read buffers many times.
  return Math.min(Math.max(count * size, 4096), 1024 ** 2)
}

/** Of HTTP/2: between what a request needs and a whole head that could fill a worker's read buffers many times. */
function parseHeaderSize(text: string): number {
  const size = parseSize(text)
  if (size < 1024 || size > 1024 ** 2) throw new RangeError(`Cannot use "${text}": write 1k to 1m`)
  return size
}

/** Where unknown hosts go: an address, port 80, with nginx's own 60 s; or, in our own form, a routable Service by `namespace/name`. */
function readDefaultService(annotations: Annotations): { route?: RouteSpec; key?: string } {
  const app = annotations.text('nginx.defaultAppName') ?? annotations.text('nginx.DefaultAppName') ?? 'default'
  const isNamed = annotations.text('nginx.defaultServiceIP') !== undefined
  const target = annotations.one('nginx.defaultServiceIP', undefined, parseDefaultService)
  if (!annotations.one('nginx.defaultServiceEnabled', false, parseBoolean)) return {}
  if (!isNamed) annotations.fault('nginx.defaultServiceEnabled', 'true', 'There is no default service: name one in nginx.defaultServiceIP')
  if (target === undefined) return {}
  if (target.includes('/')) return { key: target }
  const policy = {
    connectTimeoutMs: 60_000,
    idleTimeoutMs: 60_000,
    maintenance: false,
    sslEnforce: false,
    requestStart: false,
    bodyBytesMax: 1024 ** 2,
  }
  return { route: { app, namespace: '', service: app, policy, endpoints: [endpoint(target, 80)], locations: [] } }
}

function parseDefaultService(text: string): string {
  if (isIP(text) > 0 || /^[a-z0-9-]+\/[a-z0-9-]+$/.test(text)) return text
  throw new RangeError('Cannot read the default service: write an IP address or namespace/name')
}

/** nginx's levels by ours; without the annotation all is written, not errors alone. */
function parseLogLevel(text: string): 'info' | 'warn' | 'error' {
  const level = parseWord(text, ['debug', 'info', 'notice', 'warn', 'error', 'crit', 'alert', 'emerg'])
  if (level === 'warn') return 'warn'
  return level === 'debug' || level === 'info' || level === 'notice' ? 'info' : 'error'
}

function parsePlatformDomain(text: string): string {
  const domain = parseDomain(text)
  if (domain.startsWith('*.')) throw new RangeError(`Cannot use "${text}" as platform domain: it is a wildcard`)
  return domain
}

/** @returns `undefined` for `off` */
function parseErrorHeader(text: string): string | undefined {
  if (/^(?:on|off)$/i.test(text)) return text.toLowerCase() === 'on' ? 'X-Drycc-Error' : undefined
  if (!/^X-[A-Za-z0-9-]{1,60}$/i.test(text)) throw new RangeError(`Cannot read "${text}": write on, off, or a name as X-Error`)
  return text
}

function parseWorkerCount(text: string): number | undefined {
  return text === 'auto' ? undefined : parseInteger(text, 1, 256)
}

/** 768, nginx's default, says that nobody chose. */
function parseConnectionsMax(text: string): number | undefined {
  const count = parseInteger(text, 1)
  return count === 768 ? undefined : count
}

function parseProxied(text: string): boolean {
  const known = ['off', 'expired', 'no-cache', 'no-store', 'private', 'no_last_modified', 'no_etag', 'auth', 'any'] as const
  return !text
    .split(/\s+/)
    .map(word => parseWord(word, known))
    .includes('off')
}

function parseTypes(text: string): string[] {
  return text.split(/\s+/).map(type => {
    if (type !== '*' && !/^[\w.+-]+\/[\w.+*-]+$/.test(type)) throw new RangeError(`Cannot read media type "${type}": write it as text/css`)
    return type.toLowerCase()
  })
}

function parseReferrerPolicy(text: string): string {
  return parseWord(text, [...REFERRER_POLICIES, 'none'])
}

function parseMode(text: string) {
  return parseWord(text, ['extend', 'override'])
}
