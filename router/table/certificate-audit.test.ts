import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Secret, Service } from 'kubernetes-types/core/v1'
import { selfSigned } from '../../kernel/x509.ts'
import { isSkimmed, prepareCertificate } from '../tls/certificates.ts'
import { type Snapshot, secretChanges, TableBuilder } from './build.ts'
import { CertificateAudit } from './certificate-audit.ts'

const good = selfSigned({ names: ['*.example.com'], days: 30 })
const newer = selfSigned({ names: ['*.example.com'], days: 60 })
/** Its subject is a number, where a name must be text: all that is looked at hastily is as it should be. */
const bad = { ...good, certificate: withNumberAsName(good.certificate) }

suite('CertificateAudit', () => {
  test('finds what only OpenSSL does not take, tells its owner, and takes it out of the table', async () => {
    const world = worldOf({ a: good, b: bad, c: good })
    assert.deepEqual(world.faults(), [])
    assert.equal(world.hosts().get('b.example.com')?.certificate, 'b/b-cert')
    assert.deepEqual(await world.audit(), ['b/b-cert'])
    assert.match(world.faults().join(), /^b\/b: Could not load certificate/)
    assert.equal(world.hosts().get('b.example.com')?.certificate, undefined)
    assert.deepEqual(world.certificates(), ['a/a-cert', 'c/c-cert'])
    for (const name of ['a', 'c']) assert.equal(world.hosts().get(`${name}.example.com`)?.certificate, `${name}/${name}-cert`)
  })

  test('goes through thousands in parts, and reads none twice', async () => {
    const world = worldOf(Object.fromEntries(Array.from({ length: 101 }, (_, index) => [`app-${index}`, index === 100 ? bad : good])))
    assert.deepEqual(await world.audit(), ['app-100/app-100-cert'])
    assert.deepEqual(await world.audit(), [])
  })

  test('stops where it is', async () => {
    const world = worldOf(Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`app-${index}`, good])))
    const audit = world.start(0, () => {})
    audit.stop()
    await new Promise(resolve => setTimeout(resolve, 5))
    assert.equal(world.skimmedCount(), 30)
  })

  test('is not waited for: a certificate that becomes bad meanwhile leaves the one before, when that is good', () => {
    const world = worldOf({ a: good, b: bad })
    for (const name of ['a', 'b']) world.change(name, { certificate: 'garbage', key: 'garbage' })
    assert.deepEqual(world.certificates(), ['a/a-cert'])
    assert.deepEqual(
      world.faults().map(fault => fault.slice(0, 4)),
      ['a/a:', 'b/b:'],
    )
    for (const name of ['a', 'b']) world.change(name, newer)
    assert.deepEqual(world.certificates(), ['a/a-cert', 'b/b-cert'])
    assert.deepEqual(world.faults(), [])
  })
})

type Pairs = Record<string, { readonly certificate: string; readonly key: string }>

/** A table of apps `a/a` for `a.example.com` with a certificate each, looked at hastily as a start does. */
function worldOf(pairs: Pairs) {
  const secrets = new Map<string, Secret>()
  const put = (name: string, { certificate, key }: Pairs[string], isHasty: boolean) => {
    const secret = { metadata: { name: `${name}-cert`, namespace: name }, stringData: { 'tls.crt': certificate, 'tls.key': key } }
    prepareCertificate(secret, isHasty)
    secrets.set(`${name}/${name}-cert`, secret)
  }
  for (const [name, pair] of Object.entries(pairs)) put(name, pair, true)
  const service = (key: string) => {
    const [name = ''] = key.split('/')
    const host = `${name}.example.com`
    const annotations = { 'router.drycc.cc/domains': host, 'router.drycc.cc/certificates': `${host}:${name}` }
    return { metadata: { name, namespace: name, uid: key, resourceVersion: '1', annotations }, spec: { ports: [{ port: 80 }] } } as Service
  }
  const snapshot = { service, slices: () => [], secret: (key: string) => secrets.get(key), router: undefined, builder: undefined }
  const builder = new TableBuilder({ family: 'router.drycc.cc/', namespace: 'drycc' })
  const services = new Set(Object.keys(pairs).map(name => `${name}/${name}`))
  const build = (changes: Parameters<TableBuilder['build']>[1]) => builder.build(snapshot as unknown as Snapshot, changes)
  build({ services, slices: new Set(), secrets: new Set(), router: true, builder: false })
  const start = (pauseMs: number, onRefuted: (secrets: readonly string[]) => void) => {
    const audit = new CertificateAudit({ certificates: () => builder.certificates(), onRefuted, pauseMs })
    audit.start()
    return audit
  }
  const skimmedCount = () => builder.certificates().filter(([, certificate]) => isSkimmed(certificate)).length
  return {
    start,
    skimmedCount,
    /** Until all were read whole. @returns the Secrets that were refuted */
    async audit(): Promise<string[]> {
      const refuted: string[] = []
      const audit = start(0, secrets => {
        refuted.push(...secrets)
        build(secretChanges(secrets))
      })
      while (skimmedCount() > 0) await new Promise(resolve => setTimeout(resolve, 1))
      audit.stop()
      return refuted
    },
    change(name: string, pair: Pairs[string]): void {
      put(name, pair, false)
      build(secretChanges([`${name}/${name}-cert`]))
    },
    faults: () => [...builder.faults()].flatMap(([key, faults]) => faults.map(({ message }) => `${key}: ${message}`)),
    hosts: () => new Map(builder.whole().hosts.flatMap(([pattern, host]) => (host ? [[pattern, host] as const] : []))),
    certificates: () => builder.certificates().map(([secret]) => secret),
  }
}

function withNumberAsName(pem: string): string {
  const bytes = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64')
  // The name stands twice, as issuer and as subject, and once more among the alternative names, without a tag of text before it.
  const name = Buffer.from('*.example.com')
  for (let at = bytes.indexOf(name); at >= 0; at = bytes.indexOf(name, at + 1)) if (bytes[at - 2] !== 0x82) bytes[at - 2] = 0x02
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}
