import type { IncomingHttpHeaders } from 'node:http'
import { type Exchange, sendJson } from './api.ts'
import { bindPod } from './binding.ts'
import { type DeleteRequest, deleteObject } from './delete.ts'
import { evictPod } from './evict.ts'
import { finalizeNamespace } from './finalize.ts'
import { flagParameter, integerParameter, readBody, type Target } from './http-request.ts'
import type { Draft, Kind } from './kinds/kind.ts'
import { type ListQuery, listObjects, parseVersion } from './list.ts'
import { parseObject } from './parse-body.ts'
import { patchObject } from './patch-object.ts'
import { podLog } from './pod-log.ts'
import { type FieldValidation, type Parsed, readObject } from './read-object.ts'
import { chooseForm, type Form, renderObject, renderPage } from './render.ts'
import { patchScale, putScale, scaleOf } from './scale.ts'
import { parseSelectors } from './selector.ts'
import {
  ApiError,
  badRequest,
  invalid,
  methodNotAllowed,
  notFound,
  notImplemented,
  type Status,
  tooLargeVersion,
  unknownResource,
} from './status.ts'
import { watchObjects } from './watch.ts'
import { checkPlace, createObject, keyIn, readStored, tableOf, updateObject, type WriteOptions } from './write.ts'

/** Answers a request for a resource: its verb, then its subresource. */
export async function handleResource(exchange: Exchange, target: Target): Promise<void> {
  const { request } = exchange
  if (target.subresource) return handleSubresource(exchange, target)
  if (target.name) {
    switch (request.method) {
      case 'GET':
        return getOne(exchange, target)
      case 'PUT':
        return put(exchange, target)
      case 'PATCH':
        return patch(exchange, target)
      case 'DELETE':
        return deleteOne(exchange, target)
    }
    throw methodNotAllowed()
  }
  switch (request.method) {
    case 'GET':
      return isWatch(exchange) ? watch(exchange, target) : list(exchange, target)
    case 'POST':
      return post(exchange, target)
    case 'DELETE':
      return deleteMany(exchange, target)
  }
  throw methodNotAllowed()
}

async function handleSubresource(exchange: Exchange, target: Target): Promise<void> {
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

async function getOne(exchange: Exchange, { kind, namespace, name }: Target): Promise<void> {
  const form = formOf(exchange)
  const { url, store } = exchange
  const version = url.searchParams.get('resourceVersion')
  if (version && parseVersion(version) > store.version) throw tooLargeVersion(parseVersion(version), store.version)
  const revision = readStored(store, kind, namespace, name)
  await store.settled()
  return answer(exchange, 200, renderObject(kind, revision, form), form)
}

async function list(exchange: Exchange, target: Target): Promise<void> {
  const form = formOf(exchange)
  const page = listObjects(exchange.store, target.kind, listQuery(exchange, target))
  await exchange.store.settled()
  return answer(exchange, 200, renderPage(target.kind, page, form), form)
}

function listQuery({ url }: Exchange, { kind, namespace }: Target): ListQuery {
  const query = url.searchParams
  if (query.has('sendInitialEvents')) {
    throw optionError('sendInitialEvents', 'sendInitialEvents is forbidden for list')
  }
  integerParameter(query, 'timeoutSeconds')
  const limit = integerParameter(query, 'limit') ?? 0
  return {
    namespace,
    filter: parseSelectors(kind, query.get('labelSelector') ?? '', query.get('fieldSelector') ?? ''),
    limit,
    continue: query.get('continue') ?? '',
    resourceVersion: query.get('resourceVersion') ?? '',
    resourceVersionMatch: query.get('resourceVersionMatch') ?? '',
  }
}

/** The real server does not know this error of its own in a watch, so it is 500 there and 400 in a list. */
function watchVersion(text: string): number {
  if (/^\d+$/.test(text)) return Number(text)
  throw new ApiError(500, '', `strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`)
}

function isWatch({ url }: Exchange): boolean {
  return flagParameter(url.searchParams, 'watch')
}

/** 30 to 60 minutes when the client does not say, so that watches do not all end at once. */
const WATCH_SECONDS_MIN = 1800

async function watch(exchange: Exchange, { kind, namespace }: Target): Promise<void> {
  const { url, store, api, response } = exchange
  const query = url.searchParams
  const form = formOf(exchange)
  const sendInitialEvents = flagParameter(query, 'sendInitialEvents')
  const match = query.get('resourceVersionMatch') ?? ''
  const text = query.get('resourceVersion') ?? ''
  if (query.has('sendInitialEvents') && match !== 'NotOlderThan') {
    throw optionError('resourceVersionMatch', 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan')
  }
  if (match && !query.has('sendInitialEvents'))
    throw optionError('resourceVersionMatch', 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided')
  if (query.get('continue')) throw optionError('resourceVersionMatch', 'resourceVersionMatch is forbidden when continue is provided')
  const version = text ? watchVersion(text) : 0
  const filter = parseSelectors(kind, query.get('labelSelector') ?? '', query.get('fieldSelector') ?? '')
  const seconds = integerParameter(query, 'timeoutSeconds') || WATCH_SECONDS_MIN * (1 + Math.random())
  await store.settled()
  if (sendInitialEvents && version > store.version) throw tooLargeVersion(version, store.version)
  if (api.watchCount >= api.options.watchMax) {
    throw new ApiError(429, 'TooManyRequests', 'too many watches are open, please try again later', { retryAfterSeconds: 1 })
  }
  api.watchCount++
  try {
    const allowBookmarks = flagParameter(query, 'allowWatchBookmarks')
    const wanted = { namespace, filter, version, sendInitialEvents, allowBookmarks, timeoutMs: seconds * 1000, form }
    await watchObjects(store, kind, wanted, api.options, response, api.stopping)
  } finally {
    api.watchCount--
  }
}

async function post(exchange: Exchange, { kind, namespace }: Target): Promise<void> {
  if (kind.namespaced && !namespace) throw methodNotAllowed()
  const form = formOf(exchange)
  const options = writeOptions(exchange)
  const draft = await readDraft(exchange, kind)
  const created = createObject(exchange.store, kind, namespace, draft, options)
  return answerWritten(exchange, 201, created, form, kind)
}

async function put(exchange: Exchange, { kind, namespace, name, subresource }: Target): Promise<void> {
  const form = formOf(exchange)
  const options = writeOptions(exchange)
  const { store } = exchange
  const draft = await readDraft(exchange, kind)
  checkPlace(kind, { namespace, name }, draft)
  const revision = store.get(tableOf(kind), keyIn(namespace, name))
  if (!revision) {
    if (!kind.createOnUpdate || subresource || draft.metadata.resourceVersion || draft.metadata.uid) throw notFound(kind, name)
    return answerWritten(exchange, 201, createObject(store, kind, namespace, draft, options), form, kind)
  }
  const updated = updateObject(store, kind, revision, draft, subresource === 'status' ? 'status' : 'main', options)
  return answerWritten(exchange, 200, updated, form, kind)
}

async function patch(exchange: Exchange, target: Target): Promise<void> {
  const form = formOf(exchange)
  const options = writeOptions(exchange)
  const { request, url, store } = exchange
  const body = (await readBody(request)).toString()
  const { object, isNew } = await patchObject(store, target, {
    contentType: request.headers['content-type'] ?? '',
    body,
    force: url.searchParams.has('force') ? flagParameter(url.searchParams, 'force') : undefined,
    fieldManager: url.searchParams.get('fieldManager') ?? '',
    validation: fieldValidation(url, request.method),
    options,
  })
  return answerWritten(exchange, isNew ? 201 : 200, object, form, target.kind)
}

async function deleteOne(exchange: Exchange, { kind, namespace, name }: Target): Promise<void> {
  const form = formOf(exchange)
  const { store } = exchange
  const { request, dryRun } = await readDeleteRequest(exchange)
  const options = { ...writeOptions(exchange), ...(dryRun && { dryRun }) }
  const revision = readStored(store, kind, namespace, name)
  const { object, isGone } = deleteObject(store, kind, revision, request, options)
  if (!isGone || kind.returnsDeleted) return answerWritten(exchange, 200, object, form, kind)
  await store.settled()
  const status: Status = {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { name, ...(kind.group && { group: kind.group }), kind: kind.plural, uid: revision.object.metadata.uid },
  }
  return answer(exchange, 200, JSON.stringify(status), form)
}

async function deleteMany(exchange: Exchange, target: Target): Promise<void> {
  const { kind, namespace } = target
  if (!kind.deleteCollection || (kind.namespaced && !namespace)) throw methodNotAllowed()
  const form = formOf(exchange)
  const { store } = exchange
  const query = listQuery(exchange, target)
  const { request, dryRun } = await readDeleteRequest(exchange)
  const options = { ...writeOptions(exchange), ...(dryRun && { dryRun }) }
  const page = listObjects(store, kind, query)
  for (const { key } of page.revisions) {
    const revision = store.get(tableOf(kind), key)
    if (revision) deleteObject(store, kind, revision, request, options)
  }
  await store.settled()
  return answer(exchange, 200, renderPage(kind, page, { ...form, as: 'object' }), form)
}

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

async function readDraft({ request, url, warn }: Exchange, kind: Kind): Promise<Draft> {
  const validation = fieldValidation(url, request.method)
  const body = await readBody(request)
  const parsed = await parseObject(body, request.headers['content-type'])
  return readObject(kind, parsed, validation, warn)
}

async function readDeleteRequest({ request, url }: Exchange): Promise<{ request: DeleteRequest; dryRun: boolean }> {
  const query = url.searchParams
  const body = await readBody(request)
  const parsed: Parsed = body.length === 0 ? { value: {}, duplicates: [] } : await parseObject(body, request.headers['content-type'])
  const value = parsed.value as DeleteRequest & { dryRun?: string[]; kind?: string }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw badRequest('expected DeleteOptions in the body of the request')
  if (value.kind && value.kind !== 'DeleteOptions')
    throw badRequest(`decoded object cannot be converted to DeleteOptions: it is a ${value.kind}`)
  const grace = integerParameter(query, 'gracePeriodSeconds')
  const policy = query.get('propagationPolicy')
  const orphan = query.get('orphanDependents')
  return {
    dryRun: checkDryRun(value.dryRun ?? []),
    request: {
      ...value,
      ...(grace !== undefined && { gracePeriodSeconds: grace }),
      ...(policy !== null && { propagationPolicy: policy }),
      ...(orphan !== null && { orphanDependents: orphan === 'true' }),
    },
  }
}

function writeOptions({ request, url, warn }: Exchange): WriteOptions {
  const query = url.searchParams
  const manager = query.get('fieldManager') || defaultManager(request.headers)
  if (Buffer.byteLength(query.get('fieldManager') ?? '') > MANAGER_BYTES_MAX) {
    throw invalid(optionsOf(request.method), '', [
      { reason: 'FieldValueTooLong', message: `Too long: may not be more than ${MANAGER_BYTES_MAX} bytes`, field: 'fieldManager' },
    ])
  }
  const odd = /[^\x20-\x7e\u00a0-\uffff]/u.exec(query.get('fieldManager') ?? '')
  if (odd) {
    const code = odd[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')
    const shown = `"${manager.replace(/[^\x20-\x7e]/g, each => `\\x${each.charCodeAt(0).toString(16).padStart(2, '0')}`)}"`
    const message = `Invalid value: ${shown}: invalid character U+${code} (at position ${odd.index})`
    throw invalid(optionsOf(request.method), '', [{ reason: 'FieldValueInvalid', message, field: 'fieldManager' }])
  }
  return { dryRun: checkDryRun(query.getAll('dryRun'), request.method), manager, warn }
}

const MANAGER_BYTES_MAX = 128

/** `kubectl` of `kubectl/v1.37 (linux/amd64)`. */
function defaultManager(headers: IncomingHttpHeaders): string {
  const agent = (headers['user-agent'] ?? 'unknown').split('/')[0]!
  return agent.slice(0, MANAGER_BYTES_MAX) || 'unknown'
}

function checkDryRun(values: readonly string[], method?: string): boolean {
  const given = values.filter(value => value !== '')
  const wrong = given.some(value => value !== 'All')
  if (wrong) {
    throw invalid(optionsOf(method), '', [
      {
        reason: 'FieldValueNotSupported',
        message: `Unsupported value: ${JSON.stringify(given)}: supported values: "All"`,
        field: 'dryRun',
      },
    ])
  }
  return given.length > 0
}

function optionsOf(method: string | undefined): { kind: string; group: string } {
  const kinds: Record<string, string> = { POST: 'CreateOptions', PUT: 'UpdateOptions', PATCH: 'PatchOptions' }
  return { kind: kinds[method ?? ''] ?? 'DeleteOptions', group: 'meta.k8s.io' }
}

function fieldValidation(url: URL, method: string | undefined): FieldValidation {
  const text = url.searchParams.get('fieldValidation') || 'Warn'
  if (text === 'Strict' || text === 'Warn' || text === 'Ignore') return text
  throw invalid(optionsOf(method), '', [
    {
      reason: 'FieldValueNotSupported',
      message: `Unsupported value: ${JSON.stringify(text)}: supported values: "", "Ignore", "Strict", "Warn"`,
      field: 'fieldValidation',
    },
  ])
}

function optionError(field: string, message: string): ApiError {
  return invalid({ kind: 'ListOptions', group: 'meta.k8s.io' }, '', [
    { reason: 'FieldValueForbidden', message: `Forbidden: ${message}`, field },
  ])
}

function formOf({ request, url }: Exchange): Form {
  return chooseForm(request.headers.accept, url.searchParams.get('includeObject'))
}

async function answerWritten(exchange: Exchange, code: number, object: Draft, form: Form, kind: Kind): Promise<void> {
  await exchange.store.settled()
  return answer(exchange, code, renderObject(kind, { object, json: JSON.stringify(object) }, form), form)
}

async function answer({ response }: Exchange, code: number, json: string, form: Form): Promise<void> {
  if (!form.isYaml) return sendJson(response, code, json)
  const { stringify } = await import('yaml')
  sendJson(response, code, stringify(JSON.parse(json)), 'application/yaml')
}
