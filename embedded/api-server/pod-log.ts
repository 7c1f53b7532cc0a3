import http from 'node:http'
import type { Exchange } from './api.ts'
import { type FieldError, forbiddenField, invalidValue } from './field-error.ts'
import { integerParameter, type Target } from './http-request.ts'
import type { Draft } from './kinds/kind.ts'
import { node } from './kinds/node.ts'
import { pod } from './kinds/pod.ts'
import type { Json } from './schema/decode.ts'
import { sendJson } from './send.ts'
import { ApiError, badRequest, invalid } from './status.ts'
import { readStored, tableOf } from './write.ts'

const PARAMETERS = ['follow', 'previous', 'sinceSeconds', 'sinceTime', 'timestamps', 'tailLines', 'limitBytes']
const CONNECT_TIMEOUT_MS = 5_000

/**
 * Answers `GET pods/NAME/log` with what the pod's kubelet says: plain HTTP to the address that its Node object names, with a token that
 * both have been given.
 */
export async function podLog({ store, url, request, response, api }: Exchange, { namespace, name }: Target): Promise<void> {
  checkOptions(url.searchParams, name)
  const object = readStored(store, pod, namespace, name).object as Draft
  const container = chooseContainer(object, url.searchParams.get('container') ?? '')
  const host = String(object.spec?.['nodeName'] ?? '')
  if (!host) {
    response.writeHead(204)
    response.end()
    return
  }
  const query = new URLSearchParams()
  for (const parameter of PARAMETERS) {
    const value = url.searchParams.get(parameter)
    if (value !== null) query.set(parameter, value)
  }
  const found = store.get(tableOf(node), host)
  const { address, port } = kubeletOf(found?.object as Draft | undefined, host)
  const path = `/containerLogs/${[namespace, name, container].map(encodeURIComponent).join('/')}?${query}`
  const token = api.options.kubeletToken
  const upstream = http.get({
    host: address,
    port,
    path,
    headers: token ? { authorization: `Bearer ${token}` } : {},
    agent: false,
  })
  // Once connected a followed log may be silent for hours.
  const timer = setTimeout(() => upstream.destroy(new Error('no answer')), CONNECT_TIMEOUT_MS)
  const stop = () => upstream.destroy()
  response.once('close', stop)
  api.stopping.addEventListener('abort', stop, { once: true })
  try {
    await relay(upstream, response, () => clearTimeout(timer), `https://${address}:${port}${path}`)
  } finally {
    clearTimeout(timer)
    api.stopping.removeEventListener('abort', stop)
    response.off('close', stop)
    if (request.destroyed) stop()
  }
}

function checkOptions(query: URLSearchParams, name: string): void {
  const errors: FieldError[] = []
  const least = { tailLines: 0, limitBytes: 1, sinceSeconds: 1 }
  for (const [option, min] of Object.entries(least)) {
    const value = integerParameter(query, option)
    if (value === undefined || value >= min) continue
    errors.push(invalidValue(option, value, min === 0 ? 'must be greater than or equal to 0' : 'must be greater than 0'))
  }
  if (query.get('sinceSeconds') && query.get('sinceTime')) {
    errors.push(forbiddenField('', 'at most one of `sinceTime` or `sinceSeconds` may be specified'))
  }
  if (errors.length > 0) throw invalid({ kind: 'PodLogOptions', group: '' }, name, errors)
}

function relay(upstream: http.ClientRequest, response: http.ServerResponse, onHead: () => void, url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    upstream.once('error', error => {
      if (response.headersSent || response.destroyed) {
        response.destroy()
        resolve()
      } else reject(new ApiError(500, 'InternalError', `Internal error occurred: Get "${url}": ${error.message}`))
    })
    upstream.once('response', answer => {
      onHead()
      const status = answer.statusCode ?? 500
      if (status !== 200) {
        let text = ''
        answer.setEncoding('utf8')
        answer.on('data', (piece: string) => {
          if (text.length < 4096) text += piece
        })
        answer.once('close', () => {
          const error = status === 404 ? new ApiError(404, 'NotFound', text.trim() || 'the log is not there') : badRequest(text.trim())
          sendJson(response, error.status.code, JSON.stringify(error.status))
          resolve()
        })
        return
      }
      response.writeHead(200, { 'content-type': 'text/plain', 'cache-control': 'no-cache, private' })
      response.flushHeaders()
      answer.pipe(response)
      answer.once('close', () => {
        if (!answer.complete) response.destroy()
        resolve()
      })
    })
  })
}

function chooseContainer(object: Draft, wanted: string): string {
  const spec = object.spec ?? {}
  const names = (field: string) => ((spec[field] ?? []) as Json[]).map(container => String(container['name']))
  const [containers, init] = [names('containers'), names('initContainers')]
  const { name } = object.metadata
  if (wanted) {
    if (containers.includes(wanted) || init.includes(wanted)) return wanted
    throw badRequest(`container ${wanted} is not valid for pod ${name}`)
  }
  if (containers.length === 1) return containers[0]!
  const more = init.length > 0 ? ` or one of the init containers: [${init.join(' ')}]` : ''
  throw badRequest(`a container name must be specified for pod ${name}, choose one of: [${containers.join(' ')}]${more}`)
}

function kubeletOf(object: Draft | undefined, host: string): { address: string; port: number } {
  const status = object?.status ?? {}
  const addresses = (status['addresses'] ?? []) as { type: string; address: string }[]
  const address = ['InternalIP', 'Hostname', 'ExternalIP'].map(type => addresses.find(each => each.type === type)?.address).find(Boolean)
  const endpoint = ((status['daemonEndpoints'] as Json | undefined)?.['kubeletEndpoint'] ?? {}) as { Port?: number }
  if (!address || !endpoint.Port) throw new ApiError(500, 'InternalError', `Internal error occurred: no kubelet is known on node "${host}"`)
  return { address, port: endpoint.Port }
}
