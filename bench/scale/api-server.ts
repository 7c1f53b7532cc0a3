import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { clusterObjects, slice } from './cluster.ts'

/** What this process is told: endpoint slices that move to a port, or that all watchers must list again. */
export type ApiOrder =
  | { readonly type: 'move'; readonly from: number; readonly count: number; readonly port: number }
  | { readonly type: 'expire' }

// The part of the Kubernetes API that the router reads, of a large cluster: pages, watches and 410. It keeps nothing but what it must, so
// that a machine with two cores measures the router and not this.
const [apps, certificateEach, port] = ['APPS', 'CERTIFICATE_EACH', 'APP_PORT'].map(name => Number(process.env[name])) as [
  number,
  number,
  number,
]
const objects: Record<string, Map<string, unknown>> = clusterObjects({ apps, certificateEach, port })
const watches = new Map<string, Set<ServerResponse>>()
let version = 1

const server = createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://api')
  const plural = url.pathname.slice(url.pathname.lastIndexOf('/') + 1)
  const query = url.searchParams
  response.setHeader('content-type', 'application/json')
  if (request.method !== 'GET') return void response.writeHead(201).end('{}')
  const isOurs =
    (plural === 'deployments' || !url.pathname.includes('/namespaces/')) && !query.get('labelSelector')?.startsWith('router.deis.io')
  if (query.get('watch')) return watch(isOurs ? plural : '', response)
  list(
    isOurs ? (objects[plural] ?? new Map()) : new Map(),
    Number(query.get('limit')) || Infinity,
    Number(query.get('continue')) || 0,
    response,
  )
})

function list(all: Map<string, unknown>, limit: number, from: number, response: ServerResponse): void {
  const items = [...all.values()].slice(from, from + limit)
  const next = from + items.length < all.size ? { continue: String(from + items.length) } : {}
  response.end(JSON.stringify({ kind: 'List', apiVersion: 'v1', metadata: { resourceVersion: String(version), ...next }, items }))
}

function watch(plural: string, response: ServerResponse): void {
  response.flushHeaders()
  const all = watches.get(plural) ?? new Set()
  watches.set(plural, all.add(response))
  response.on('close', () => all.delete(response))
}

process.on('message', (order: ApiOrder) => {
  if (order.type === 'move') {
    let text = ''
    for (let index = order.from; index < order.from + order.count; index++) {
      const object = slice(index % apps, order.port, ++version)
      objects['endpointslices']?.set(`${index % apps}`, object)
      const typed = { kind: 'EndpointSlice', apiVersion: 'discovery.k8s.io/v1', ...object }
      // One write an event, as the real API server flushes each.
      text = `${JSON.stringify({ type: 'MODIFIED', object: typed })}\n`
      for (const response of watches.get('endpointslices') ?? []) response.write(text)
    }
  } else {
    const gone = { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'Expired', code: 410, message: 'too old resource version' }
    for (const all of watches.values()) for (const response of all) response.end(`${JSON.stringify({ type: 'ERROR', object: gone })}\n`)
  }
  process.send?.('done')
})
process.on('disconnect', () => process.exit(0))
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
