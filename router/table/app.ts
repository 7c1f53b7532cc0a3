import type { Service } from 'kubernetes-types/core/v1'
import { RE2JS } from 're2js'
import { keyOf, type Stored } from '../../kernel/kubernetes/objects.ts'
import { Annotations, type Family, type Fault } from './annotations.ts'
import { type EdgeSpec, readEdge } from './edge.ts'
import { findPort } from './endpoints.ts'
import { type CompressionWish, readCompression } from './extensions/compression.ts'
import { parseHsts } from './extensions/hsts.ts'
import { type PageSources, readPages } from './extensions/pages.ts'
import { type ProtocolWish, readProtocol } from './extensions/protocol.ts'
import { readSteering, type SteeringWish } from './extensions/steering.ts'
import { readUpstream, type UpstreamWishes } from './extensions/upstream.ts'
import {
  parseBoolean,
  parseCidr,
  parseDomain,
  parseObjectName,
  parsePair,
  parsePathPrefix,
  parseSize,
  parseTimeout,
  parseWord,
} from './values.ts'

/** What a routable Service asks for, contract section 4; nothing of the router's own settings is merged in. */
export interface App {
  /** `namespace/name` of the Service. */
  readonly key: string
  /** How logs and metrics call it. */
  readonly name: string
  readonly namespace: string
  readonly service: string
  /** RFC 3339, `''` where the object does not say. */
  readonly createdAt: string
  readonly domains: readonly string[]
  readonly regexDomain?: string
  /** Domain to the key of a Secret. */
  readonly certificates: Readonly<Record<string, readonly string[]>>
  /** Networks; empty: given, but none of it can be read, so nobody. */
  readonly whitelist?: readonly string[]
  readonly connectTimeoutMs: number
  readonly tcpTimeoutMs?: number
  /** Of a request; 0: any. */
  readonly bodyBytesMax?: number
  readonly compression?: CompressionWish
  readonly pages?: PageSources
  readonly upstream: UpstreamWishes
  readonly protocol?: ProtocolWish
  readonly steering?: SteeringWish
  /** Of the object; '' where it does not say. */
  readonly uid: string
  readonly maintenance: boolean
  readonly disableRequestStart: boolean
  readonly referrerPolicy?: ReferrerPolicy | 'none'
  readonly sslEnforce: boolean
  /** Value of Strict-Transport-Security, or `off`; absent: the router's. */
  readonly hsts?: string
  readonly edge?: EdgeSpec
  readonly proxyDomain?: string
  readonly proxyLocations: readonly string[]
  readonly faults: readonly Fault[]
  /** Annotations that are accepted and have no effect. */
  readonly ignored: readonly string[]
}

export type ReferrerPolicy = (typeof REFERRER_POLICIES)[number]

export const REFERRER_POLICIES = [
  'no-referrer',
  'no-referrer-when-downgrade',
  'origin',
  'origin-when-cross-origin',
  'same-origin',
  'strict-origin',
  'strict-origin-when-cross-origin',
  'unsafe-url',
] as const

/** Longer ones cost memory when compiled, and no host name is longer. */
export const REGEX_LENGTH_MAX = 500

/**
 * Steps of a compiled expression. Matching is linear, but the factor is this: 40 times `.{0,999}` make 80,000 steps, and a host that nobody
 * else claims then costs a worker 250 ms. A name with a label of any length has about 130.
 */
const REGEX_STEP_COUNT_MAX = 1000

/**
 * Reads what a Service asks of the router. It never fails: an entry that cannot be read is dropped and told as a fault, a single value
 * stays what it last was.
 *
 * @param lastGood what the Service asked for before
 */
export function readApp(service: Stored<Service>, family: Family, lastGood?: App): App {
  const annotations = new Annotations(service.metadata.annotations, family)
  const namespace = service.metadata.namespace ?? 'default'
  const label = service.metadata.labels?.['app'] || service.metadata.name
  const domains = readDomains(annotations, lastGood?.domains)
  const regexDomain = readRegexDomain(annotations, domains, lastGood?.regexDomain)
  const tcpTimeoutMs = annotations.one('tcpTimeout', undefined, parseTimeout, lastGood?.tcpTimeoutMs)
  const protocol = readProtocol(annotations, findPort(service, 80)?.appProtocol, lastGood?.protocol)
  const steering = readSteering(annotations, lastGood?.steering)
  const bodyBytesMax = annotations.one('x-body-size', undefined, parseSize, lastGood?.bodyBytesMax)
  const pages = readPages(annotations, namespace, lastGood?.pages)
  const compression = readCompression(annotations, lastGood?.compression)
  const whitelist = readWhitelist(annotations, lastGood?.whitelist)
  const hsts = annotations.one('x-hsts', undefined, parseHsts, lastGood?.hsts)
  const edge = readEdge(annotations, { namespace, domains }, lastGood?.edge)
  const referrerPolicy = annotations.one('referrerPolicy', undefined, parseReferrerPolicy, lastGood?.referrerPolicy)
  const proxyDomain = annotations.one('proxyDomain', undefined, parseDomain, lastGood?.proxyDomain)
  const proxyLocations = readLocations(annotations, lastGood?.proxyLocations)
  if (proxyDomain === undefined && proxyLocations.length > 0)
    annotations.fault('proxyLocations', proxyLocations.join(','), 'Cannot use proxyLocations: there is no proxyDomain')
  if (domains.length > 0 && !findPort(service, 80)) annotations.fault('spec.ports', '', 'Cannot choose a port: the Service has no port 80')
  const app = {
    key: keyOf(service),
    name: label === namespace ? label : `${namespace}/${label}`,
    namespace,
    service: service.metadata.name,
    createdAt: String(service.metadata.creationTimestamp ?? ''),
    domains,
    ...(regexDomain !== undefined && { regexDomain }),
    certificates: readCertificates(annotations, namespace, lastGood?.certificates),
    ...(whitelist && { whitelist }),
    connectTimeoutMs: annotations.one('connectTimeout', 30_000, parseTimeout, lastGood?.connectTimeoutMs),
    ...(tcpTimeoutMs !== undefined && { tcpTimeoutMs }),
    ...(bodyBytesMax !== undefined && { bodyBytesMax }),
    ...(compression && { compression }),
    ...(pages && { pages }),
    upstream: readUpstream(annotations, lastGood?.upstream),
    ...(protocol && { protocol }),
    ...(steering && { steering }),
    uid: service.metadata.uid ?? '',
    maintenance: annotations.one('maintenance', false, parseBoolean, lastGood?.maintenance),
    disableRequestStart: annotations.one('disableRequestStartHeader', false, parseBoolean, lastGood?.disableRequestStart),
    ...(referrerPolicy && { referrerPolicy }),
    sslEnforce: annotations.one('ssl.enforce', false, parseBoolean, lastGood?.sslEnforce),
    ...(hsts !== undefined && { hsts }),
    ...(edge && { edge }),
    ...(proxyDomain !== undefined && { proxyDomain }),
    proxyLocations,
  }
  const ignored = annotations.present(IGNORED)
  for (const name of READ_ELSEWHERE) annotations.text(name)
  annotations.faultUnread()
  return { ...app, faults: annotations.faults, ignored }
}

// nginx's own buffers, and the TLS settings that the original parses for an app and never uses.
const IGNORED = [
  ...['enabled', 'number', 'size', 'busySize'].map(name => `nginx.proxyBuffers.${name}`),
  ...['protocols', 'ciphers', 'sessionCache', 'sessionTimeout', 'useSessionTickets', 'bufferSize', 'earlyDataMethods'].map(
    name => `ssl.${name}`,
  ),
  ...['enabled', 'maxAge', 'includeSubDomains', 'preload'].map(name => `ssl.hsts.${name}`),
  'tcellAppID',
]

// The builder's Service is routable too and carries those of its git port; `routable` is a label, but stands among the annotations of some.
const READ_ELSEWHERE = ['nginx.connectTimeout', 'nginx.tcpTimeout', 'x-proxy-protocol', 'routable']

function readDomains(annotations: Annotations, lastGood: readonly string[] = []): readonly string[] {
  const domains = annotations.items('domains', parseDomain)
  if (domains === undefined) return []
  return domains.length > 0 ? [...new Set(domains)] : lastGood
}

/** It stands for one of the app's domains, which must occur in it (contract 5.2). */
function readRegexDomain(annotations: Annotations, domains: readonly string[], lastGood?: string): string | undefined {
  return annotations.one(
    'regexDomain',
    undefined,
    text => {
      if (text.length > REGEX_LENGTH_MAX)
        throw new RangeError(`Cannot use a regular expression of more than ${REGEX_LENGTH_MAX} characters`)
      if (!domains.some(domain => text.includes(domain))) throw new RangeError('Cannot use regexDomain: none of the domains occurs in it')
      if (RE2JS.compile(`^${text}\\.`).programSize() > REGEX_STEP_COUNT_MAX)
        throw new RangeError('Cannot use regexDomain: the expression is too complex')
      return text
    },
    lastGood,
  )
}

function readLocations(annotations: Annotations, lastGood: readonly string[] = []): readonly string[] {
  const locations = annotations.items('proxyLocations', parsePathPrefix)
  return locations?.length === 0 ? lastGood : [...new Set(locations)]
}

/**
 * The contract's list and ours are one. Of which nothing can be read, nobody is let in: to let everybody in would be the worse mistake.
 */
function readWhitelist(annotations: Annotations, lastGood: readonly string[] = []): readonly string[] | undefined {
  const lists = [annotations.items('whitelist', parseCidr), annotations.items('x-allow', parseCidr)]
  const whitelist = [...new Set(lists.flatMap(list => list ?? []))]
  if (whitelist.length > 0) return whitelist
  return annotations.faults.some(({ key }) => key === 'whitelist' || key === 'x-allow') ? lastGood : undefined
}

/** A domain may be named more than once: with an RSA and with an EC certificate. */
function readCertificates(annotations: Annotations, namespace: string, lastGood: App['certificates'] = {}): App['certificates'] {
  const pairs = annotations.items('certificates', item => {
    const [domain, name] = parsePair(item)
    return [parseDomain(domain), `${namespace}/${parseObjectName(`${name}-cert`)}`] as const
  })
  if (pairs?.length === 0) return lastGood
  const secrets: Record<string, string[]> = {}
  for (const [domain, secret] of pairs ?? []) if (!secrets[domain]?.includes(secret)) (secrets[domain] ??= []).push(secret)
  return secrets
}

function parseReferrerPolicy(text: string): ReferrerPolicy | 'none' {
  return parseWord(text, [...REFERRER_POLICIES, 'none'])
}
