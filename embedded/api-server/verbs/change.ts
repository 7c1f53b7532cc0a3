import { answer, answerWritten } from '../answer.ts'
import type { Exchange } from '../api.ts'
import { deleteObject } from '../delete.ts'
import { flagParameter, readBody, type Target } from '../http-request.ts'
import { listObjects } from '../list.ts'
import { patchObject } from '../patch-object.ts'
import { renderPage } from '../render.ts'
import { fieldValidation, formOf, readDeleteRequest, readDraft, writeOptions } from '../request-options.ts'
import { methodNotAllowed, notFound, type Status } from '../status.ts'
import { checkPlace, createObject, keyIn, readStored, tableOf, updateObject } from '../write.ts'
import { listQuery } from './read.ts'

/** POST to a collection. */
export async function post(exchange: Exchange, { kind, namespace }: Target): Promise<void> {
  if (kind.namespaced && !namespace) throw methodNotAllowed()
  const form = formOf(exchange)
  const options = writeOptions(exchange)
  const draft = await readDraft(exchange, kind)
  const created = createObject(exchange.store, kind, namespace, draft, options)
  return answerWritten(exchange, 201, created, form, kind)
}

/** PUT of one object, or of its status. */
export async function put(exchange: Exchange, { kind, namespace, name, subresource }: Target): Promise<void> {
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

/** PATCH of one object, or of its status. */
export async function patch(exchange: Exchange, target: Target): Promise<void> {
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

/** DELETE of one object. */
export async function deleteOne(exchange: Exchange, { kind, namespace, name }: Target): Promise<void> {
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

/** DELETE of a collection. */
export async function deleteMany(exchange: Exchange, target: Target): Promise<void> {
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
