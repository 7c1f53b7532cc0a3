import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { stringify } from 'yaml'
import { readCredentials } from './credentials.ts'

suite('readCredentials()', () => {
  const folder = mkdtempSync(join(tmpdir(), 'credentials-'))
  after(() => rmSync(folder, { recursive: true }))
  let count = 0

  /** A kubeconfig with these parts. */
  function kubeconfig(cluster: object, user: object, context: object = {}): string {
    const path = join(folder, `${count++}.yaml`)
    const config = {
      'current-context': 'here',
      contexts: [{ name: 'here', context: { cluster: 'c', user: 'u', ...context } }],
      clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:6443/', ...cluster } }],
      users: [{ name: 'u', user }],
    }
    writeFileSync(path, stringify(config))
    return path
  }
  const base64 = (text: string) => Buffer.from(text).toString('base64')

  test('takes certificates that stand in the file', async () => {
    const KUBECONFIG = kubeconfig(
      { 'certificate-authority-data': base64('CA'), 'tls-server-name': 'kubernetes' },
      { 'client-certificate-data': base64('CERT'), 'client-key-data': base64('KEY') },
      { namespace: 'team' },
    )
    assert.deepEqual(await readCredentials({ KUBECONFIG }), {
      server: 'https://127.0.0.1:6443',
      verify: true,
      namespace: 'team',
      ca: 'CA',
      certificate: 'CERT',
      key: 'KEY',
      serverName: 'kubernetes',
    })
  })

  test('takes files beside the kubeconfig, and a token', async () => {
    writeFileSync(join(folder, 'ca.pem'), 'CA')
    const KUBECONFIG = kubeconfig({ 'certificate-authority': 'ca.pem', 'insecure-skip-tls-verify': true }, { token: 'secret' })
    const credentials = await readCredentials({ KUBECONFIG: `:${KUBECONFIG}:/elsewhere` })
    assert.deepEqual(
      [credentials.ca, credentials.verify, await credentials.token?.(), credentials.namespace],
      ['CA', false, 'secret', 'default'],
    )
  })

  test('reads a token from its file', async () => {
    writeFileSync(join(folder, 'token'), 'from file\n')
    const { token } = await readCredentials({ KUBECONFIG: kubeconfig({}, { tokenFile: 'token' }) })
    assert.equal(await token?.(), 'from file')
  })

  test('asks an exec plug-in', async () => {
    const credential = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status: { token: 'from plug-in' } }
    const script = `console.log(${JSON.stringify(JSON.stringify(credential))})`
    const exec = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: process.execPath,
      args: ['-e', script],
      interactiveMode: 'Never',
    }
    const { token } = await readCredentials({ KUBECONFIG: kubeconfig({}, { exec }) })
    assert.equal(await token?.(), 'from plug-in')
  })

  test('says what is wrong with a kubeconfig, and that there is none', async () => {
    const broken = join(folder, 'broken.yaml')
    writeFileSync(broken, '{ "clusters": [')
    await assert.rejects(readCredentials({ KUBECONFIG: broken }), /^Error: Cannot read kubeconfig ".*broken\.yaml"/)
    await assert.rejects(readCredentials({ KUBECONFIG: join(folder, 'absent') }), /Cannot read kubeconfig/)
    await assert.rejects(readCredentials({ KUBECONFIG: kubeconfig({}, {}, { cluster: 'other' }) }), /its current-context names no cluster/)
    await assert.rejects(readCredentials({ HOME: folder }), /set KUBECONFIG/)
  })
})
