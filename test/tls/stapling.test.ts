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
import { ocspResponse, type Saying } from './ocsp.ts'
import { authority, type Issued, issue } from './pki.ts'
import { type Responder, startResponder } from './responder.ts'

const root = authority('Test Root')
const issuer = authority('Test Issuer', root)

for (const workers of ['1', '2'])
  suite(`OCSP stapling with ${workers} workers`, { skip: workers === '2' && process.platform !== 'linux' }, () => {
    let router: RunningRouter
    let responder: Responder
    let folder: string
    let start: () => Promise<RunningRouter>
    let stop: () => Promise<void>
    const lines: string[] = []
    const events: { involvedObject?: { kind: string; name: string }; message: string }[] = []
    const sayings = new Map<string, Saying>()
    const issued = new Map<string, { readonly leaf: Issued; readonly by: Issued }>()

    const leafOf = (names: string[], wish: Parameters<typeof issue>[2] = {}, by = issuer) => {
      const leaf = issue(by, names, { ocsp: responder.url, ...wish })
      issued.set(leaf.serial, { leaf, by })
      return leaf
    }
    const say = (leaf: Issued, saying: Saying = {}) => sayings.set(leaf.serial, saying)
    const write = async (name: string, items: unknown[]) => {
      await writeFile(join(folder, `.${name}`), JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
      await rename(join(folder, `.${name}`), join(folder, `${name}.json`))
    }
    /** One app with one name, and its certificate. */
    const serve = (name: string, leaf: Issued, chain = issuer.certificate) =>
      write(name, [service(name, `${name}.test:${name}`), secret(name, leaf.certificate + chain, leaf.key, name)])
    const shown = (name: string, options: ConnectionOptions = {}) =>
      handshake(router.ports!['https']!, { servername: `${name}.test`, ...options })
    /** Every worker shows it, or none. */
    const shows = (name: string, leaf: Issued, isStapled: boolean, options: ConnectionOptions = {}) =>
      until(async () => {
        // Until it is there a client may have nothing that it can check.
        const all = await Promise.all(Array.from({ length: workers === '1' ? 1 : 12 }, () => shown(name, options).catch(() => undefined)))
        return all.every(one => one?.fingerprint === fingerprintOf(leaf) && (one.staple !== undefined) === isStapled)
      })
    const metric = async (name: string) => {
      const text = await (await fetch(`http://127.0.0.1:${router.ports!['admin']}/metrics`)).text()
      return Number(new RegExp(`^router_ocsp_${name.replace(/[{}]/g, '\\$&')} (.*)$`, 'm').exec(text)?.[1])
    }

    const faults = async (name: string) => {
      const answer = await fetch(`http://127.0.0.1:${router.ports!['admin']}/routes?faults&app=${name}`)
      const { apps } = (await answer.json()) as { apps: { faults: { message: string }[] }[] }
      return apps.flatMap(app => app.faults.map(({ message }) => message))
    }

    before(async () => {
      responder = await startResponder(serial => {
        const known = issued.get(serial)
        const saying = known && sayings.get(serial)
        return known && saying && ocspResponse(known.by, known.leaf, saying)
      })
      folder = await mkdtemp(join(tmpdir(), 'stapling-'))
      const ports = Object.fromEntries(['HTTP', 'HTTPS', 'GIT', 'HEALTH', 'ADMIN'].map(name => [`ROUTER_${name}_PORT`, '0']))
      const env = { ...ports, ROUTER_BIND: '127.0.0.1', ROUTER_WORKERS: workers, ROUTER_ACCESS_LOG: 'off', ROUTER_DRAIN_TIMEOUT: '1s' }
      const config = routerConfig({ ...env, ROUTER_MANIFESTS: folder, ROUTER_OCSP_NETWORKS: '127.0.0.0/8' })
      const api = await openManifests(folder, { log: silentLog })
      const create = async (_: unknown, event: unknown) => void events.push(event as never) as never
      const log = createLog({ role: 'test', write: line => lines.push(line) })
      start = () => startRouter(config, { ...api, create }, log, new AbortController().signal)
      router = await start()
      stop = async () => {
        await router.stop()
        await api.close()
        await responder.stop()
        await rm(folder, { recursive: true })
      }
    })
    after(() => stop())

    for (const kind of ['ec', 'rsa'] as const)
      for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const)
        test(`a client that asks is shown the response of an ${kind} certificate over ${maxVersion}, one that does not is not`, async () => {
          const name = `${kind}${maxVersion.slice(-1)}`
          const leaf = leafOf([`${name}.test`], { kind })
          say(leaf)
          await serve(name, leaf)
          await shows(name, leaf, true, { maxVersion })
          assert.equal((await shown(name, { maxVersion, requestOCSP: false })).staple, undefined)
          const bytes = ocspResponse(issuer, leaf)
          // It is as long as the responder's, about this certificate, whatever its signature is.
          assert.ok((await shown(name, { maxVersion })).staple!.includes(Buffer.from(leaf.serial, 'hex')))
          assert.ok(Math.abs((await shown(name, { maxVersion })).staple!.length - bytes.length) < 16)
        })

    test('each of two certificates of one name has its own', async () => {
      // A client of RSA alone can check nothing that EC signed, its issuer included.
      const rsaIssuer = authority('RSA Issuer', authority('RSA Root', undefined, { kind: 'rsa' }), { kind: 'rsa' })
      const [rsa, ec] = [leafOf(['both.test'], { kind: 'rsa' }, rsaIssuer), leafOf(['both.test'])]
      for (const leaf of [rsa, ec]) say(leaf)
      await write('both', [
        service('both', 'both.test:both'),
        secret('both', [rsa, rsaIssuer, ec, issuer].map(({ certificate }) => certificate).join(''), rsa.key + ec.key, 'both'),
      ])
      for (const [leaf, sigalgs] of [
        [rsa, 'RSA-PSS+SHA256:RSA+SHA256'],
        [ec, 'ECDSA+SHA256'],
      ] as const) {
        await shows('both', leaf, true, { sigalgs })
        assert.ok((await shown('both', { sigalgs })).staple!.includes(Buffer.from(leaf.serial, 'hex')))
      }
    })

    test('the platform’s certificate has its own, named or not; with two kinds of keys only where one is named', async () => {
      const rsaIssuer = authority('RSA Issuer', authority('RSA Root', undefined, { kind: 'rsa' }), { kind: 'rsa' })
      const [ec, rsa] = [leafOf(['*.platform.test']), leafOf(['*.platform.test'], { kind: 'rsa' }, rsaIssuer)]
      for (const leaf of [rsa, ec]) say(leaf)
      const platform = (chain: string, key: string) => write('platform', [{ ...secret('drycc-router-platform', chain, key, 'drycc') }])
      await platform(ec.certificate + issuer.certificate, ec.key)
      await shows('nobody', ec, true)
      await shows('', ec, true, { servername: '' })
      await platform([rsa, rsaIssuer, ec, issuer].map(({ certificate }) => certificate).join(''), rsa.key + ec.key)
      await shows('nobody', rsa, true, { sigalgs: 'RSA-PSS+SHA256:RSA+SHA256' })
      await shows('nobody', ec, true, { sigalgs: 'ECDSA+SHA256' })
      await shows('', rsa, false, { servername: '', sigalgs: 'RSA-PSS+SHA256:RSA+SHA256' })
      await shows('', ec, false, { servername: '', sigalgs: 'ECDSA+SHA256' })
    })

    test('a certificate of a root has it where the root stands behind it, which is not sent, or under ca.crt', async () => {
      const [behind, beside] = [leafOf(['behind.test'], {}, root), leafOf(['beside.test'], {}, root)]
      for (const leaf of [behind, beside]) say(leaf)
      await serve('behind', behind, root.certificate)
      await shows('behind', behind, true)
      const parts = secret('beside', beside.certificate, beside.key, 'beside')
      const withRoot = { ...parts, stringData: { ...parts.stringData, 'ca.crt': `garbage${issuer.certificate}${root.certificate}` } }
      await write('beside', [service('beside', 'beside.test:beside'), parts])
      await shows('beside', beside, false)
      await write('beside', [service('beside', 'beside.test:beside'), withRoot])
      await shows('beside', beside, true)
    })

    test('no handshake waits for a responder that is silent, and a new certificate takes its own response with it', async () => {
      const [silent, next] = [leafOf(['change.test']), leafOf(['change.test'])]
      await serve('change', silent)
      await shows('change', silent, false)
      await until(async () => responder.asked.includes(silent.serial))
      await shows('change', silent, false)
      say(next)
      await serve('change', next)
      await shows('change', next, true)
      assert.ok((await shown('change')).staple!.includes(Buffer.from(next.serial, 'hex')))
      say(silent)
      await serve('change', silent)
      await shows('change', silent, true)
    })

    test('a revoked one is shown without, and people are told', async () => {
      const leaf = leafOf(['revoked.test'])
      say(leaf, { status: 'revoked' })
      await serve('revoked', leaf)
      await until(async () => (await faults('revoked')).some(message => /was revoked on 2026-01-02/.test(message)))
      const told = () => events.filter(({ involvedObject }) => involvedObject?.kind === 'Secret' && involvedObject.name === 'revoked-cert')
      await until(async () => told().some(({ message }) => /revoked/.test(message)))
      assert.ok((await metric('questions_total{result="revoked"}')) >= 1)
      await shows('revoked', leaf, false)
      const renewed = leafOf(['revoked.test'])
      say(renewed)
      await serve('revoked', renewed)
      await shows('revoked', renewed, true)
      await until(async () => (await faults('revoked')).length === 0)
    })

    test('one that must have a response is told where there is none, and in order when there is', async () => {
      const [bad, good] = [leafOf(['must.test'], { mustStaple: true }), leafOf(['must.test'], { mustStaple: true })]
      say(bad, { code: 6 })
      await serve('must', bad)
      await until(async () => (await faults('must')).some(message => /must-staple.*may not speak of the certificate/.test(message)))
      assert.ok((await metric('missing')) >= 1)
      say(good)
      await serve('must', good)
      await shows('must', good, true)
      await until(async () => (await faults('must')).length === 0)
      const nobody = leafOf(['must.test'], { mustStaple: true, ocsp: '' })
      await serve('must', nobody)
      await until(async () => (await faults('must')).some(message => /names no responder/.test(message)))
    })

    test('a router that starts listens when those that must have a response have theirs', async () => {
      const leaf = leafOf(['again.test'], { mustStaple: true })
      say(leaf)
      await serve('again', leaf)
      await shows('again', leaf, true)
      const other = await start()
      const { staple } = await handshake(other.ports!['https']!, { servername: 'again.test' })
      assert.ok(staple)
      await other.stop()
    })

    test('workers that take the place of others have all responses from the first handshake on', async () => {
      const leaf = leafOf(['kept.test'])
      say(leaf)
      await serve('kept', leaf)
      await shows('kept', leaf, true)
      const asked = responder.asked.length
      const late = new AbortController()
      const client = (async () => {
        while (!late.signal.aborted) assert.ok((await shown('kept')).staple, 'a handshake without a response')
      })()
      await router.replaceWorkers()
      late.abort()
      await client
      assert.equal(responder.asked.length, asked)
    })

    test('what is said of it stands in the metrics and on /why', async () => {
      const why = await fetch(`http://127.0.0.1:${router.ports!['admin']}/why?host=kept.test&scheme=https&format=text`)
      assert.match(await why.text(), /certificate for kept\.test, with an OCSP response until 20\d\d-/)
      assert.ok((await metric('certificates')) >= (await metric('stapled')))
      assert.ok((await metric('stapled')) > 4)
      assert.ok((await metric('questions_total{result="good"}')) > 4)
    })
  })

interface Shown {
  readonly fingerprint: string
  readonly staple: Buffer | undefined
}

function handshake(port: number, options: ConnectionOptions): Promise<Shown> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, requestOCSP: true, ...options })
    let staple: Buffer | undefined
    socket.on('error', reject)
    socket.on('OCSPResponse', response => {
      staple = response ?? undefined
    })
    socket.on('secureConnect', () => {
      resolve({ fingerprint: socket.getPeerX509Certificate()!.fingerprint256, staple })
      socket.destroy()
    })
  })
}

function fingerprintOf({ certificate }: Issued): string {
  return new X509Certificate(certificate).fingerprint256
}

function service(name: string, certificates: string) {
  const domains = certificates.split(',').map(entry => entry.slice(0, entry.indexOf(':')))
  const annotations = { 'router.drycc.cc/domains': domains.join(), 'router.drycc.cc/certificates': certificates }
  const metadata = { name, namespace: name, annotations, labels: { 'router.drycc.cc/routable': 'true' } }
  return { apiVersion: 'v1', kind: 'Service', metadata, spec: { ports: [{ port: 80 }] } }
}

function secret(name: string, certificate: string, key: string, namespace: string) {
  const metadata = { name: `${name}-cert`, namespace }
  return { apiVersion: 'v1', kind: 'Secret', metadata, type: 'kubernetes.io/tls', stringData: { 'tls.crt': certificate, 'tls.key': key } }
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const late = AbortSignal.timeout(20_000)
  while (!(await condition())) {
    late.throwIfAborted()
    await new Promise(resolve => setImmediate(resolve))
  }
}
