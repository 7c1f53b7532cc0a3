import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { connect } from 'node:tls'
import { openManifests } from '../../kernel/kubernetes/manifests.ts'
import { silentLog } from '../../kernel/log.ts'
import { routerConfig } from '../../router/config.ts'
import { startRouter } from '../../router/primary.ts'
import { until } from '../../router/serve/testbed.ts'
import { authority, type Issued, issue } from './pki.ts'

const root = authority()
const below = authority('Test Intermediate', root)
const COUNT = 90

suite('A start that finds many certificates', () => {
  for (const workers of ['1', '2'])
    test(`shows each at the first handshake, and tells of the bad ones, with ${workers === '1' ? 'one process' : 'workers'}`, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'many-certificates-'))
      const issued = Array.from({ length: COUNT }, (_, index) => issue(below, [hostOf(index)], { kind: index % 30 === 7 ? 'rsa' : 'ec' }))
      const bad: Record<number, readonly [certificates: string, key: string, message: RegExp]> = {
        // At the end, where they come last.
        [COUNT - 1]: [nameless(issued[COUNT - 1]!), issued[COUNT - 1]!.key, /Could not load certificate/],
        [COUNT - 2]: [issued[COUNT - 2]!.certificate, issued[0]!.key, /not its key/],
        [COUNT - 3]: ['garbage', issued[COUNT - 3]!.key, /Could not load certificate/],
      }
      const items = issued.flatMap((pair, index) => {
        const [certificates, key] = bad[index] ?? [pair.certificate + below.certificate, pair.key]
        return [serviceOf(index), secretOf(index, certificates, key)]
      })
      await writeFile(join(folder, 'all.json'), JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
      const ports = Object.fromEntries(['HTTP', 'HTTPS', 'GIT', 'HEALTH', 'ADMIN'].map(name => [`ROUTER_${name}_PORT`, '0']))
      const env = { ...ports, ROUTER_BIND: '127.0.0.1', ROUTER_WORKERS: workers, ROUTER_ACCESS_LOG: 'off', ROUTER_DRAIN_TIMEOUT: '1s' }
      const api = await openManifests(folder, { log: silentLog })
      const events: { involvedObject?: { name: string }; message: string }[] = []
      const create = async (_: unknown, event: unknown) => void events.push(event as never) as never
      const config = routerConfig({ ...env, ROUTER_MANIFESTS: folder })
      const router = await startRouter(config, { ...api, create }, silentLog, new AbortController().signal)
      try {
        const shown = (index: number) => shownTo(router.ports!['https']!, hostOf(index))
        const good = (index: number) => new X509Certificate(issued[index]!.certificate).fingerprint256
        for (const index of [0, 7, 13, COUNT - 4]) assert.equal(await shown(index), good(index), hostOf(index))
        for (const [index, [, , message]] of Object.entries(bad)) {
          const told = () => events.some(event => event.involvedObject?.name === `app-${index}-cert` && message.test(event.message))
          await until(told, `an Event on the Secret of app-${index}`)
          assert.notEqual(await shown(Number(index)), good(Number(index)))
        }
        for (const index of [1, 37, COUNT - 5]) assert.equal(await shown(index), good(index), hostOf(index))
        const answer = await fetch(`http://127.0.0.1:${router.ports!['admin']}/routes?faults`)
        const { apps } = (await answer.json()) as { apps: { service: string }[] }
        assert.deepEqual(
          apps.map(({ service }) => service).sort(),
          Object.keys(bad)
            .map(index => `app-${index}/app-${index}`)
            .sort(),
        )
      } finally {
        await router.stop()
        await api.close()
        await rm(folder, { recursive: true })
      }
    })
})

function hostOf(index: number): string {
  return `app-${index}.example.com`
}

/** With a number for a subject, where a name must be text: nothing but a reading by OpenSSL finds it. */
function nameless({ certificate, subject }: Issued): string {
  const { raw } = new X509Certificate(certificate)
  const wrong = Buffer.from(subject)
  wrong[wrong.indexOf(0x0c)] = 0x02
  const bytes = Buffer.from(raw)
  wrong.copy(bytes, bytes.lastIndexOf(subject))
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

function serviceOf(index: number) {
  const name = `app-${index}`
  const annotations = { 'router.drycc.cc/domains': hostOf(index), 'router.drycc.cc/certificates': `${hostOf(index)}:${name}` }
  const labels = { 'router.drycc.cc/routable': 'true' }
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: name, labels, annotations }, spec: { ports: [{ port: 80 }] } }
}

function secretOf(index: number, certificates: string, key: string) {
  const stringData = { 'tls.crt': certificates, 'tls.key': key }
  const metadata = { name: `app-${index}-cert`, namespace: `app-${index}` }
  return { apiVersion: 'v1', kind: 'Secret', metadata, type: 'kubernetes.io/tls', stringData }
}

function shownTo(port: number, servername: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', servername, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate()?.fingerprint256 ?? '')
      socket.destroy()
    })
    socket.on('error', reject)
  })
}
