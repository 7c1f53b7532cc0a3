import { answer, answerWritten } from '../answer.ts'
import type { Exchange } from '../api.ts'
import { bindPod } from '../binding.ts'
import { evictPod } from '../evict.ts'
import { finalizeNamespace } from '../finalize.ts'
import { readBody, type Target } from '../http-request.ts'
import type { Draft } from '../kinds/kind.ts'
import { parseObject } from '../parse-body.ts'
import { podLog } from '../pod-log.ts'
import { fieldValidation, formOf, readDraft, writeOptions } from '../request-options.ts'
import { patchScale, putScale, scaleOf } from '../scale.ts'
import { methodNotAllowed, notImplemented, type Status, unknownResource } from '../status.ts'
import { readStored } from '../write.ts'
import { patch, put } from './change.ts'
import { getOne } from './read.ts'

/** Answers a request for a part of an object, or for something done to it. What Kubernetes has and this server has not is 501. */
export async function handleSubresource(exchange: Exchange, target: Target): Promise<void> {
  const { kind, subresource } = target
  const { method } = exchange.request
  if (subresource === 'status' && kind.status) {
    if (method === 'GET') return getOne(exchange, target)
    if (method === 'PUT') return put(exchange, target)
    if (method === 'PATCH') return patch(exchange, target)
    throw methodNotAllowed()
  }
  if (subresource === 'scale' && kind.scale) return scale(exchange, target)
  if (kind.kind === 'Namespace' && subresource === 'finalize') {
    if (method !== 'PUT') throw methodNotAllowed()
    return finalize(exchange, target)
  }
  if (kind.kind === 'Pod') {
    if (subresource === 'log') {
      if (method !== 'GET') throw methodNotAllowed()
      return podLog(exchange, target)
    }
    if (subresource === 'binding' || subresource === 'eviction') {
      if (method !== 'POST') throw methodNotAllowed()
      return act(exchange, target, subresource === 'binding' ? bindPod : evictPod)
    }
    if (UNSUPPORTED.has(subresource)) throw notImplemented(`${kind.plural}/${subresource}`)
  }
  if (UNSUPPORTED_ELSEWHERE.has(`${kind.plural}/${subresource}`)) throw notImplemented(`${kind.plural}/${subresource}`)
  throw unknownResource()
}

const UNSUPPORTED = new Set(['exec', 'attach', 'portforward', 'proxy', 'ephemeralcontainers', 'resize'])
const UNSUPPORTED_ELSEWHERE = new Set(['services/proxy', 'nodes/proxy', 'serviceaccounts/token'])

async function scale(exchange: Exchange, target: Target): Promise<void> {
  const { kind, namespace, name } = target
  const { request, store, url } = exchange
  const form = formOf(exchange)
  const options = writeOptions(exchange)
  if (request.method === 'GET') {
    const revision = readStored(store, kind, namespace, name)
    await store.settled()
    return answer(exchange, 200, JSON.stringify(scaleOf(kind, revision.object as Draft)), form)
  }
  const body = await readBody(request)
  let scaled: Draft
  if (request.method === 'PUT') {
    const parsed = await parseObject(body, request.headers['content-type'])
    scaled = putScale(store, target, parsed, fieldValidation(url, request.method), options)
  } else if (request.method === 'PATCH') {
    scaled = patchScale(store, target, request.headers['content-type'] ?? '', body.toString(), options)
  } else throw methodNotAllowed()
  await store.settled()
  return answer(exchange, 200, JSON.stringify(scaleOf(kind, scaled)), form)
}

/** A POST that does something to an object and answers that it is done. */
async function act(exchange: Exchange, target: Target, perform: typeof bindPod): Promise<void> {
  const form = formOf(exchange)
  const { request, store } = exchange
  const parsed = await parseObject(await readBody(request), request.headers['content-type'])
  perform(store, target, parsed, writeOptions(exchange))
  await store.settled()
  const status: Status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 }
  return answer(exchange, 201, JSON.stringify(status), form)
}

async function finalize(exchange: Exchange, { kind, name }: Target): Promise<void> {
  const form = formOf(exchange)
  const draft = await readDraft(exchange, kind)
  const object = finalizeNamespace(exchange.store, name, draft, writeOptions(exchange))
  return answerWritten(exchange, 200, object, form, kind)
}
