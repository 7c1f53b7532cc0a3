import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { openManifests } from '../../kernel/kubernetes/manifests.ts'
import { silentLog } from '../../kernel/log.ts'
import { routerConfig } from '../../router/config.ts'
import { type RunningRouter, startRouter } from '../../router/primary.ts'
import { authority, type Issued, issue } from '../tls/pki.ts'
import { type Responder, startResponder } from '../tls/responder.ts'

// OpenSSL as the responder, which reads our questions and writes the answers, and as the client, which reads what is stapled.

const isMissing = spawnSync('openssl', ['version']).status !== 0

suite('OCSP stapling with OpenSSL on both sides', { skip: isMissing && 'needs openssl' }, () => {
  let router: RunningRouter
  let responder: Responder
  let folder: string
  let stop: () => Promise<void>
  const root = authority('Test Root')
  const issuer = authority('Test Issuer', root)
  const delegate = issue(issuer, [], { commonName: 'Delegate', purposes: ['1.3.6.1.5.5.7.3.9'] })

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ocsp-'))
    const file = (name: string, text: string | Buffer) => {
      writeFileSync(join(folder, name), text)
      return join(folder, name)
    }
    const index = join(folder, 'index.txt')
    const signers: Record<string, Issued> = { issuer, delegate }
    for (const [name, { certificate, key }] of Object.entries(signers)) {
      file(`${name}.pem`, certificate)
      file(`${name}.key`, key)
    }
    file('root.pem', root.certificate)
    let signer = ''
    responder = await startResponder((_serial, _response, request) => {
      file('request.der', request)
      const signing = ['-rsigner', join(folder, `${signer}.pem`), '-rkey', join(folder, `${signer}.key`), '-nmin', '60']
      const files = ['-reqin', join(folder, 'request.der'), '-respout', join(folder, 'response.der')]
      execFileSync('openssl', ['ocsp', '-index', index, '-CA', join(folder, 'issuer.pem'), ...signing, ...files], { stdio: 'pipe' })
      return readFileSync(join(folder, 'response.der'))
    })
    const apps = Object.keys(signers).flatMap(name => {
      const leaf = issue(issuer, [`${name}.test`], { ocsp: responder.url })
      appendFileSync(index, `V\t401231235959Z\t\t${leaf.serial.toUpperCase()}\tunknown\t/CN=${name}.test\n`)
      return app(name, leaf.certificate + issuer.certificate, leaf.key)
    })
    const manifests = mkdtempSync(join(folder, 'manifests-'))
    const ports = Object.fromEntries(['HTTP', 'HTTPS', 'GIT', 'HEALTH', 'ADMIN'].map(name => [`ROUTER_${name}_PORT`, '0']))
    const env = { ...ports, ROUTER_BIND: '127.0.0.1', ROUTER_WORKERS: '1', ROUTER_ACCESS_LOG: 'off', ROUTER_OCSP_NETWORKS: '127.0.0.0/8' }
    const api = await openManifests(manifests, { log: silentLog })
    router = await startRouter(routerConfig(env), api, silentLog, new AbortController().signal)
    // One after the other, each signed by its own.
    for (const [at, name] of Object.keys(signers).entries()) {
      signer = name
      writeFileSync(
        join(manifests, `${name}.json`),
        JSON.stringify({ apiVersion: 'v1', kind: 'List', items: apps.slice(at * 2, at * 2 + 2) }),
      )
      const late = AbortSignal.timeout(10_000)
      while (responder.asked.length <= at) {
        late.throwIfAborted()
        await new Promise(resolve => setImmediate(resolve))
      }
    }
    stop = async () => {
      await router.stop()
      await api.close()
      await responder.stop()
      rmSync(folder, { recursive: true })
    }
  })
  after(() => stop())

  for (const name of ['issuer', 'delegate'])
    for (const version of ['-tls1_2', '-tls1_3'])
      test(`s_client ${version} is shown, as good, the response that the ${name} signed`, async () => {
        const late = AbortSignal.timeout(10_000)
        let said = ''
        while (!/OCSP Response Status: successful/.test(said)) {
          late.throwIfAborted()
          said = await client(router.ports!['https']!, [`${name}.test`, version, join(folder, 'root.pem')])
        }
        assert.match(said, /Cert Status: good/)
        assert.match(said, /Verify return code: 0/)
      })
})

/** What s_client says of one handshake; it fails where the chain is not to be believed. */
function client(port: number, [name = '', version = '', root = '']: readonly string[]): Promise<string> {
  const options = ['-connect', `127.0.0.1:${port}`, '-servername', name, version, '-status', '-CAfile', root, '-verify_return_error']
  const child = spawn('openssl', ['s_client', ...options], { stdio: ['pipe', 'pipe', 'ignore'] })
  child.stdin.end()
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  return new Promise(resolve => child.once('close', () => resolve(text)))
}

function app(name: string, certificate: string, key: string) {
  const annotations = { 'router.drycc.cc/domains': `${name}.test`, 'router.drycc.cc/certificates': `${name}.test:www` }
  const metadata = { name, namespace: name, annotations, labels: { 'router.drycc.cc/routable': 'true' } }
  return [
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { ports: [{ port: 80 }] } },
    {
      ...{ apiVersion: 'v1', kind: 'Secret', type: 'kubernetes.io/tls', metadata: { name: 'www-cert', namespace: name } },
      stringData: { 'tls.crt': certificate, 'tls.key': key },
    },
  ]
}
