import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { type ConnectionOptions, connect } from 'node:tls'
import { openManifests } from '../../kernel/kubernetes/manifests.ts'
import { createLog, silentLog } from '../../kernel/log.ts'
import { routerConfig } from '../../router/config.ts'
import { type RunningRouter, startRouter } from '../../router/primary.ts'
import { authority, type Issued, issue } from './pki.ts'

const root = authority()
const below = authority('Test Intermediate', root)
const bottom = authority('Test Issuer', below)
const stranger = authority('Stranger')
const good = issue(below, ['shop.test', 'two.test'])
const other = issue(below, ['other.test'])

suite('Certificates from Secrets', () => {
  let router: RunningRouter
  let folder: string
  let stop: () => Promise<void>
  const events: { involvedObject: { kind: string; name: string }; message: string }[] = []
  const lines: string[] = []

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'certificates-'))
    await write('shop', [service('shop', 'shop.test,two.test,both.test,*.wild.test,plain.wild.test', 'shop.test:www,two.test:www')])
    await write('other', [service('other', 'other.test', 'other.test:other'), secret('other', other.certificate, other.key, 'other')])
    const ports = Object.fromEntries(['HTTP', 'HTTPS', 'GIT', 'HEALTH', 'ADMIN'].map(name => [`ROUTER_${name}_PORT`, '0']))
    const env = { ...ports, ROUTER_BIND: '127.0.0.1', ROUTER_WORKERS: '1', ROUTER_ACCESS_LOG: 'off', ROUTER_DRAIN_TIMEOUT: '1s' }
    const config = routerConfig({ ...env, ROUTER_MANIFESTS: folder })
    const api = await openManifests(folder, { log: silentLog })
    const create = async (_: unknown, event: unknown) => void events.push(event as never) as never
    const log = createLog({ role: 'test', write: line => lines.push(line) })
    router = await startRouter(config, { ...api, create }, log, new AbortController().signal)
    stop = async () => {
      await router.stop()
      await api.close()
      await rm(folder, { recursive: true })
    }
  })
  after(() => stop())

  const write = async (name: string, items: unknown[]) => {
    await writeFile(join(folder, `.${name}`), JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
    await rename(join(folder, `.${name}`), join(folder, `${name}.json`))
  }
  const shown = (servername: string, options: ConnectionOptions = {}) => handshake(router.ports!['https']!, { servername, ...options })
  const serves = (servername: string, issued: Issued, options: ConnectionOptions = {}) =>
    until(async () =>
      // Until it is there a client may have nothing that it can check.
      shown(servername, options).then(
        ({ leaf }) => leaf === fingerprint(issued),
        () => false,
      ),
    )
  const faults = async () => {
    const answer = await fetch(`http://127.0.0.1:${router.ports!['admin']}/routes?faults`)
    const { apps } = (await answer.json()) as { apps: { service: string; faults: { message: string; secret?: string }[] }[] }
    return apps.filter(({ service }) => service === 'shop/shop').flatMap(app => app.faults)
  }
  /** The next to come is the good one again: each case begins with it. */
  const mend = async () => {
    await write('www', [secret('www', good.certificate + below.certificate, good.key)])
    await serves('shop.test', good)
    await until(async () => (await faults()).length === 0)
  }

  const wrong = issue(below, ['elsewhere.test'])
  const half = issue(below, ['shop.test'])
  const expired = issue(below, ['shop.test', 'two.test'], { from: -20, until: -1 })
  const early = issue(below, ['shop.test', 'two.test'], { from: 5, until: 90 })
  const weak = issue(below, ['shop.test', 'two.test'], { kind: 'rsa', bits: 1024 })
  for (const [name, certificate, key, message] of [
    ['garbage', 'garbage', 'garbage', /Could not load certificate/],
    ['a certificate of garbage', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', good.key, /Could not load certificate/],
    ['a certificate that is cut', good.certificate.slice(0, 300), good.key, /Could not load certificate/],
    ['a key of garbage', good.certificate, '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n', /Could not load private key/],
    ['no certificate', '', good.key, /has no tls.crt/],
    ['no key', good.certificate, '', /has no tls.key/],
    ['the key of another certificate', good.certificate, other.key, /not its key/],
    ['certificate and key in each other’s place', good.key, good.certificate, /Could not load certificate/],
    ['an RSA key of 1024 bits', weak.certificate, weak.key, /1024 bits/],
    ['a thousand certificates', good.certificate.repeat(1000), good.key, /more than 20/],
    ['an expired certificate', expired.certificate, expired.key, /expired on/],
    ['one that is not valid yet', early.certificate, early.key, /valid from/],
    ['one of another name', wrong.certificate, wrong.key, /is not for shop.test/],
  ] as const) {
    test(`${name}: the names keep the last good one, others notice nothing, and people are told`, async () => {
      await mend()
      events.length = 0
      await write('www', [secret('www', certificate, key)])
      await until(async () => (await faults()).some(fault => message.test(fault.message) && fault.secret === 'shop/www-cert'))
      for (const host of ['shop.test', 'two.test']) assert.equal((await shown(host)).leaf, fingerprint(good), host)
      assert.equal((await shown('other.test')).leaf, fingerprint(other))
      await until(async () => events.some(({ involvedObject }) => involvedObject.kind === 'Secret'))
      const event = events.find(({ involvedObject }) => involvedObject.kind === 'Secret')!
      assert.equal(event.involvedObject.name, 'www-cert')
      assert.match(event.message, message)
    })
  }

  test('one for some of the names only: those are shown it, the others keep the last good one', async () => {
    await mend()
    await write('www', [secret('www', half.certificate, half.key)])
    await serves('shop.test', half)
    assert.equal((await shown('two.test')).leaf, fingerprint(good))
    // Bad ones after that take nothing away.
    await write('www', [secret('www', 'garbage', 'garbage')])
    await until(async () => (await faults()).some(({ message }) => /Could not load/.test(message)))
    assert.deepEqual([(await shown('shop.test')).leaf, (await shown('two.test')).leaf], [half, good].map(fingerprint))
  })

  test('one whose time ends while it is served gives way at that moment', async () => {
    const [short, long] = [issue(below, ['short.test'], { from: -1, until: 2 / 86_400 }), issue(below, ['short.test'], { from: -2 })]
    await write('short', [
      service('short', 'short.test', 'short.test:short,short.test:long'),
      secret('short', short.certificate, short.key, 'short'),
      secret('long', long.certificate, long.key, 'short'),
    ])
    // Whether it was still seen or not: nothing but time brings the other.
    await serves('short.test', long)
    await rm(join(folder, 'short.json'))
  })

  test('goes with its Secret, whatever was kept', async () => {
    await rm(join(folder, 'www.json'))
    await until(async () => ![half, good].map(fingerprint).includes((await shown('two.test')).leaf))
    assert.equal((await shown('shop.test')).chain.length, 1)
  })

  suite('whose chain', () => {
    const leaf = issue(bottom, ['shop.test', 'two.test'])
    const whole = [leaf, bottom, below].map(fingerprint)
    for (const [name, parts] of Object.entries({
      'is in order': [leaf, bottom, below],
      'is the wrong way round': [below, bottom, leaf],
      'has its root, and strangers': [leaf, stranger, bottom, root, other, below],
      'has its leaf in the middle, and parts twice': [below, leaf, leaf, bottom, below],
    })) {
      test(`${name} is sent in order, without what is none of it`, async () => {
        await write('www', [secret('www', parts.map(part => part.certificate).join(''), leaf.key)])
        await until(async () => (await shown('shop.test')).chain.join() === whole.join())
        assert.equal(await verified(router.ports!['https']!, 'shop.test'), true)
        await write('www', [secret('www', good.certificate, good.key)])
        await serves('shop.test', good)
      })
    }
    test('has a gap ends before it', async () => {
      await write('www', [secret('www', leaf.certificate + below.certificate, leaf.key)])
      await until(async () => (await shown('shop.test')).chain.join() === fingerprint(leaf))
    })
  })

  suite('of RSA and EC for one name are chosen by what the client can check', () => {
    // A client of the one kind can check no signature of the other, those of authorities included.
    const rsaRoot = authority('RSA Root', undefined, { kind: 'rsa' })
    const [rsa, ec] = [issue(rsaRoot, ['both.test'], { kind: 'rsa' }), issue(below, ['both.test'])]
    const onlyRsa = { sigalgs: 'RSA-PSS+SHA256:RSA+SHA256' }
    const onlyEc = { sigalgs: 'ECDSA+SHA256' }
    const check = async () => {
      for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
        await serves('both.test', ec, { maxVersion, ...onlyEc })
        await serves('both.test', rsa, { maxVersion, ...onlyRsa })
      }
    }
    test('as two pairs of one Secret', async () => {
      await write('pair', [
        service('both', 'both.test', 'both.test:pair'),
        secret('pair', rsa.certificate + ec.certificate + below.certificate, ec.key + rsa.key, 'both'),
      ])
      await write('shop', [
        service('shop', 'shop.test,two.test,*.wild.test,plain.wild.test', 'shop.test:www,two.test:www,*.wild.test:wild'),
      ])
      await check()
    })
    test('as two Secrets', async () => {
      await write('pair', [
        service('both', 'both.test', 'both.test:rsa,both.test:ec'),
        secret('rsa', rsa.certificate, rsa.key, 'both'),
        secret('ec', ec.certificate, ec.key, 'both'),
      ])
      await check()
    })
    test('of two of one kind the newest that is in its time', async () => {
      const newer = issue(below, ['both.test'], { from: -0.5, until: 30 })
      const notYet = issue(below, ['both.test'], { from: 1, until: 300 })
      await write('pair', [
        service('both', 'both.test', 'both.test:ec,both.test:newer,both.test:not-yet'),
        secret('ec', ec.certificate, ec.key, 'both'),
        secret('newer', newer.certificate, newer.key, 'both'),
        secret('not-yet', notYet.certificate, notYet.key, 'both'),
      ])
      await serves('both.test', newer)
    })
  })

  test('a name of its own goes before the wildcard, and without one has the wildcard’s', async () => {
    const [wild, plain] = [issue(below, ['*.wild.test']), issue(below, ['plain.wild.test'])]
    await write('wild', [secret('wild', wild.certificate, wild.key), secret('plain', plain.certificate, plain.key)])
    for (const host of ['a.wild.test', 'plain.wild.test']) await serves(host, wild)
    await write('shop', [service('shop', '*.wild.test,plain.wild.test', '*.wild.test:wild,plain.wild.test:plain')])
    await serves('plain.wild.test', plain)
    await serves('a.wild.test', wild)
  })

  test('a name that nobody has is shown the default certificate, or refused by an alert where the operator wishes', async () => {
    const none = await shown('nobody.test')
    assert.equal(none.subject, 'CN=router.invalid')
    await write('router', [
      { ...meta('Deployment', 'drycc-router', 'drycc', { 'router.drycc.cc/x-tls-unknown': 'refuse' }), apiVersion: 'apps/v1', spec: {} },
    ])
    await until(async () =>
      shown('nobody.test').then(
        () => false,
        error => /unrecognized name/.test(error.message),
      ),
    )
    await serves('other.test', other)
    // Who names nobody is no stranger: health checks do not.
    assert.equal((await shown('')).subject, 'CN=router.invalid')
  })
})

interface Shown {
  readonly leaf: string
  readonly subject: string
  /** Fingerprints of all that was sent. */
  readonly chain: readonly string[]
}

function handshake(port: number, options: ConnectionOptions): Promise<Shown> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options })
    socket.on('error', reject)
    socket.on('secureConnect', () => {
      const chain: string[] = []
      for (let next = socket.getPeerX509Certificate(); next && !chain.includes(next.fingerprint256); next = next.issuerCertificate)
        chain.push(next.fingerprint256)
      resolve({ leaf: chain[0]!, subject: socket.getPeerX509Certificate()!.subject, chain })
      socket.destroy()
    })
  })
}

/** Whether a client that knows the root alone believes what is sent. */
function verified(port: number, servername: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, servername, ca: root.certificate })
    socket.on('error', reject)
    socket.on('secureConnect', () => {
      resolve(socket.authorized)
      socket.destroy()
    })
  })
}

function fingerprint({ certificate }: Issued): string {
  return new X509Certificate(certificate).fingerprint256
}

function meta(
  kind: string,
  name: string,
  namespace: string,
  annotations: Record<string, string> = {},
  labels: Record<string, string> = {},
) {
  return { apiVersion: 'v1', kind, metadata: { name, namespace, annotations, labels } }
}

function service(name: string, domains: string, certificates: string) {
  const annotations = { 'router.drycc.cc/domains': domains, 'router.drycc.cc/certificates': certificates }
  return { ...meta('Service', name, name, annotations, { 'router.drycc.cc/routable': 'true' }), spec: { ports: [{ port: 80 }] } }
}

function secret(name: string, certificate: string, key: string, namespace = 'shop') {
  return { ...meta('Secret', `${name}-cert`, namespace), type: 'kubernetes.io/tls', stringData: { 'tls.crt': certificate, 'tls.key': key } }
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const late = AbortSignal.timeout(5000)
  while (!(await condition())) {
    late.throwIfAborted()
    await new Promise(resolve => setImmediate(resolve))
  }
}
