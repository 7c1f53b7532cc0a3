import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, suite, test } from 'node:test'
import { type Api, at } from './api.ts'
import type { Kubectl } from './kubectl.ts'
import type { NodeAgent } from './node-agent.ts'
import { isRolledOut, observeOne } from './observe.ts'
import { container, deployment, pod } from './samples.ts'

/** `kubectl logs`, against a node that answers as a kubelet does: every container has said `first` and `second`. */
export function kubectlLogCases(api: Api, kubectl: Kubectl, agent: NodeAgent): void {
  suite('logs', () => {
    const following = new Map<string, ServerResponse>()
    const waiting = new Map<string, () => void>()
    const asked: string[] = []
    const node = createServer((request, response) => {
      const url = new URL(request.url ?? '', 'http://node')
      asked.push(request.url ?? '')
      const [, , namespace, name] = url.pathname.split('/')
      const lines = ['first', 'second'].map(line => `${line} of ${url.pathname.split('/').at(-1)}\n`)
      response.write(lines.slice(-Number(url.searchParams.get('tailLines') ?? lines.length)).join(''))
      if (url.searchParams.get('follow') !== 'true') response.end()
      else {
        const key = `${namespace}/${name}`
        following.set(key, response)
        waiting.get(key)?.()
      }
    })
    before(async () => {
      node.listen(0, '127.0.0.1')
      await once(node, 'listening')
      const { port } = node.address() as AddressInfo
      await api.patch('merge', at('nodes', '', agent.name, 'status'), {
        status: { addresses: [{ type: 'InternalIP', address: '127.0.0.1' }], daemonEndpoints: { kubeletEndpoint: { Port: port } } },
      })
    })
    after(() => {
      node.close()
      node.closeAllConnections()
    })
    const running = async (spec = {}) => {
      const namespace = await api.namespace()
      await api.must('POST', at('pods', namespace), pod('p', spec))
      await observeOne(api, at('pods', namespace), 'p', object => object.status.phase === 'Running')
      return namespace
    }

    test('of a pod', async () => {
      assert.equal(await kubectl.ok(['-n', await running(), 'logs', 'p']), 'first of c\nsecond of c\n')
    })
    test('--tail', async () => {
      assert.equal(await kubectl.ok(['-n', await running(), 'logs', 'p', '--tail=1']), 'second of c\n')
    })
    test('--since-time, --timestamps and --previous reach the node', async () => {
      const namespace = await running()
      await kubectl.ok(['-n', namespace, 'logs', 'p', '--since-time=2026-01-01T00:00:00Z', '--timestamps', '--previous'])
      const query = new URL(asked.find(path => path.includes(namespace)) ?? '', 'http://node').searchParams
      assert.deepEqual([query.get('sinceTime'), query.get('timestamps'), query.get('previous')], ['2026-01-01T00:00:00Z', 'true', 'true'])
    })
    test('-f shows what comes, until the container ends', async context => {
      const namespace = await running()
      const { promise, resolve } = Promise.withResolvers<void>()
      waiting.set(`${namespace}/p`, resolve)
      const shown = kubectl.follow(['-n', namespace, 'logs', '-f', 'p'])
      context.after(() => shown.stop())
      await shown.until(/^second of c$/)
      await promise
      const stream = following.get(`${namespace}/p`)
      stream?.write('third\n')
      await shown.until(/^third$/)
      stream?.end('last\n')
      await shown.until(/^last$/)
      await assert.rejects(shown.until(/./), /no line/)
    })
    test('of one container of two, of both, and of neither', async () => {
      const namespace = await running({ containers: [container(), container({ name: 'd' })] })
      assert.equal(await kubectl.ok(['-n', namespace, 'logs', 'p', '-c', 'd']), 'first of d\nsecond of d\n')
      // kubectl asks for the containers one after the other, in an order that differs from run to run.
      const [c, d] = ['first of c\nsecond of c\n', 'first of d\nsecond of d\n']
      assert.ok([c + d, d + c].includes(await kubectl.ok(['-n', namespace, 'logs', 'p', '--all-containers'])))
      const { code, stderr } = await kubectl.run(['-n', namespace, 'logs', 'p', '-c', 'zz'])
      assert.deepEqual([code, stderr], [1, 'error: container zz is not valid for pod p out of: c, d\n'])
    })
    test('of a Deployment', async () => {
      const namespace = await api.namespace()
      await api.must('POST', at('deployments', namespace), deployment('d'))
      await observeOne(api, at('deployments', namespace), 'd', isRolledOut)
      assert.match(await kubectl.ok(['-n', namespace, 'logs', 'deployment/d']), /second of c\n$/)
    })
    test('of a pod that is not there', async () => {
      const { code, stderr } = await kubectl.run(['-n', await api.namespace(), 'logs', 'p'])
      assert.equal(code, 1)
      assert.match(stderr, /pods "p" not found/)
    })
  })
}
