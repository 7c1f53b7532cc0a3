import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import type { Secret, Service } from 'kubernetes-types/core/v1'
import type { EndpointSlice } from 'kubernetes-types/discovery/v1'
import { parse, stringify } from 'yaml'
import { parseManifests } from '../../kernel/kubernetes/manifest-files.ts'
import { keyOf, type Stored } from '../../kernel/kubernetes/objects.ts'
import { selfSigned } from '../../kernel/x509.ts'
import { type BuilderOptions, type Snapshot, TableBuilder } from './build.ts'
import { DEFAULT_POLICY } from './route.ts'
import { readSettings } from './settings.ts'
import type { RouteSpec } from './spec.ts'

/** Each `NAME.in.yaml` holds options and a list of manifests; `NAME.out.yaml` what must come of it. Run with UPDATE=1 to write the latter. */
const FOLDER = join(import.meta.dirname, 'testdata')

suite('TableBuilder, by file pairs', () => {
  for (const file of readdirSync(FOLDER).filter(name => name.endsWith('.in.yaml'))) {
    test(file.replace('.in.yaml', ''), () => {
      const { options = {}, objects } = parse(readFileSync(join(FOLDER, file), 'utf8'))
      const outcome = summarise(objects, { family: 'router.drycc.cc/', namespace: 'drycc', now: () => Date.now(), ...options })
      const expectation = join(FOLDER, file.replace('.in.', '.out.'))
      if (process.env['UPDATE']) writeFileSync(expectation, stringify(outcome, { lineWidth: 140 }))
      assert.deepEqual(outcome, parse(readFileSync(expectation, 'utf8')))
    })
  }
})

function summarise(objects: unknown[], options: BuilderOptions) {
  const { manifests } = parseManifests(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }))
  const ofKind = <T>(kind: string) => manifests.filter(({ resource }) => resource.kind === kind).map(({ object }) => object as Stored & T)
  const services = new Map(ofKind<Service>('Service').map(service => [keyOf(service), service]))
  const slices = ofKind<EndpointSlice>('EndpointSlice')
  const secrets = new Map(ofKind<Secret>('Secret').map(secret => [keyOf(secret), withPair(secret)]))
  const snapshot: Snapshot = {
    service: key => (isRoutable(services.get(key)) ? services.get(key) : undefined),
    slices: key => slices.filter(slice => `${slice.metadata?.namespace}/${slice.metadata?.labels?.['kubernetes.io/service-name']}` === key),
    secret: key => secrets.get(key),
    router: ofKind('Deployment')[0]?.metadata.annotations,
    builder: services.get(`${options.namespace}/drycc-builder`),
  }
  const builder = new TableBuilder(options)
  builder.build(snapshot, {
    services: new Set(services.keys()),
    slices: new Set(),
    secrets: new Set(secrets.keys()),
    router: true,
    builder: true,
  })
  const { git, hosts, defaultCertificate, routes, settings, certificates } = builder.whole()
  const usual = readSettings(undefined, options.family).settings
  const report = builder.report()
  const faults = Object.fromEntries([
    ['(router)', report.router.faults] as const,
    ...report.apps.map(app => [app.service, app.faults] as const),
  ])
  const ignored = Object.fromEntries([
    ['(router)', report.router.ignored] as const,
    ...report.apps.map(app => [app.service, app.ignored] as const),
  ])
  return prune({
    settings: Object.fromEntries(
      Object.entries(settings ?? {}).filter(([name, value]) => !isDeepStrictEqual(value, usual[name as keyof typeof usual])),
    ),
    hosts: Object.fromEntries(
      hosts.map(([pattern, host]) => [pattern, host?.certificate ? `${host.app} with ${host.certificate}` : host?.app]),
    ),
    routes: Object.fromEntries(routes.map(([key, route]) => [key, describe(route!)])),
    git: git ? describe(git) : undefined,
    certificates: certificates.map(([key]) => key),
    defaultCertificate: defaultCertificate ?? undefined,
    faults: prune(
      Object.fromEntries(
        Object.entries(faults).map(([key, list]) => [key, list.map(fault => `${fault.key} "${fault.value}": ${fault.message}`)]),
      ),
    ),
    ignored: prune(ignored),
  })
}

/** A policy shows only where it is not the default. */
function describe({ app, policy, endpoints, locations }: RouteSpec): Record<string, unknown> {
  const own = Object.entries(policy).filter(([name, value]) => value !== DEFAULT_POLICY[name as keyof typeof DEFAULT_POLICY])
  return prune({
    app,
    endpoints: endpoints.map(
      ({ key, serving, terminating }) => `${key}${serving ? '' : ' not serving'}${terminating ? ' terminating' : ''}`,
    ),
    policy: Object.fromEntries(own),
    locations: Object.fromEntries(locations.map(({ prefix, route }) => [prefix, describe(route)])),
  })
}

/** Drops what is empty, so that the files show what is there. */
function prune<T extends Record<string, unknown>>(value: T): T {
  const isEmpty = (item: unknown) => item === undefined || (typeof item === 'object' && item !== null && Object.keys(item).length === 0)
  return Object.fromEntries(Object.entries(value).filter(([, item]) => !isEmpty(item))) as T
}

/** `stringData: {selfSigned: name}` in a manifest stands for a certificate made for the run, as no key is kept in the files. */
function withPair(secret: Stored & Secret): Secret {
  const names = secret.data?.['selfSigned']
  if (!names) return secret
  const pair = selfSigned({ names: Buffer.from(names, 'base64').toString().split(','), days: 30 })
  const encode = (text: string) => Buffer.from(text).toString('base64')
  return { ...secret, data: { 'tls.crt': encode(pair.certificate), 'tls.key': encode(pair.key), ...secret.data } }
}

function isRoutable(service: Stored | undefined): boolean {
  const labels = service?.metadata.labels ?? {}
  return labels['router.drycc.cc/routable'] === 'true' || labels['router.deis.io/routable'] === 'true'
}
