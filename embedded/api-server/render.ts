import { apiVersion } from '../../kernel/kubernetes/objects.ts'
import type { Revision } from '../store/object-store.ts'
import type { Draft, Kind } from './kinds/kind.ts'
import type { Page } from './list.ts'
import { ApiError } from './status.ts'

/** In which form a client wants objects. */
export interface Form {
  readonly as: 'object' | 'Table' | 'PartialObjectMetadata'
  readonly isYaml: boolean
  /** What each row of a table carries. */
  readonly include: 'None' | 'Metadata' | 'Object'
}

const GROUP_VERSION = 'meta.k8s.io/v1'

/** Chooses among what the client accepts. @throws {ApiError} 406 when nothing of it can be had */
export function chooseForm(accept: string | undefined, includeObject: string | null): Form {
  if (includeObject && !['None', 'Metadata', 'Object'].includes(includeObject)) {
    const text = `includeObject: Invalid value: ${JSON.stringify(includeObject)}: must be 'Metadata', 'Object', 'None', or empty`
    throw new ApiError(400, 'BadRequest', `Unable to convert to Table as requested: ${text}`)
  }
  const include = includeObject === 'None' || includeObject === 'Object' ? includeObject : 'Metadata'
  for (const part of (accept || '*/*').split(',')) {
    const [type = '', ...parameters] = part.split(';').map(text => text.trim())
    const named = Object.fromEntries(parameters.map(text => text.split('=') as [string, string]))
    if (/^(application\/json|application\/\*|\*\/\*)$/.test(type)) {
      const as = named['as']?.replace(/List$/, '')
      if (!as) return { as: 'object', isYaml: false, include }
      const isKnown = as === 'Table' || as === 'PartialObjectMetadata'
      if (isKnown && named['g'] === 'meta.k8s.io' && named['v'] === 'v1') return { as, isYaml: false, include }
    }
    if (type === 'application/yaml' && !named['as']) return { as: 'object', isYaml: true, include }
  }
  const types = 'application/json, application/yaml, application/vnd.kubernetes.protobuf'
  if (/json|yaml/.test(accept ?? '')) throw new ApiError(406, 'NotAcceptable', `only the following media types are accepted: ${types}`)
  throw new ApiError(406, 'NotAcceptable', `406: Not Acceptable\n\nAvailable representations: ${types}`, {})
}

/** One object as JSON. */
export function renderObject(kind: Kind, revision: Pick<Revision, 'object' | 'json'>, form: Form): string {
  if (form.as === 'Table') return renderTable(kind, [revision], { resourceVersion: revision.object.metadata.resourceVersion }, form, true)
  if (form.as === 'PartialObjectMetadata') return JSON.stringify(partial(revision.object as Draft))
  return revision.json
}

/** A page as JSON. */
export function renderPage(kind: Kind, page: Page, form: Form): string {
  const metadata = {
    resourceVersion: page.resourceVersion,
    ...(page.continue && { continue: page.continue }),
    ...(page.remaining !== undefined && { remainingItemCount: page.remaining }),
  }
  if (form.as === 'Table') return renderTable(kind, page.revisions, metadata, form, true)
  if (form.as === 'PartialObjectMetadata') {
    const items = page.revisions.map(({ object }) => partial(object as Draft))
    return JSON.stringify({ kind: 'PartialObjectMetadataList', apiVersion: GROUP_VERSION, metadata, items })
  }
  // Items of a typed list carry no kind of their own. Every stored object's JSON begins with the same two fields.
  const skip = `"kind":"${kind.kind}","apiVersion":"${apiVersion(kind)}",`.length + 1
  const items = page.revisions.map(({ json }) => `{${json.slice(skip)}`).join(',')
  return `{"kind":"${kind.kind}List","apiVersion":"${apiVersion(kind)}","metadata":${JSON.stringify(metadata)},"items":[${items}]}`
}

/** The table that kubectl prints. @param withColumns a watch names the columns in its first event only */
export function renderTable(
  kind: Kind,
  revisions: readonly Pick<Revision, 'object'>[],
  metadata: object,
  form: Form,
  withColumns: boolean,
): string {
  const nowMs = Date.now()
  const columnDefinitions = withColumns
    ? kind.columns.map(({ name, type, format = '', wide, description }) => ({ name, type, format, description, priority: wide ? 1 : 0 }))
    : null
  const rows = revisions.map(({ object }) => {
    const draft = object as Draft
    const conditions = kind.rowConditions?.(draft) ?? []
    return {
      cells: kind.cells(draft, nowMs),
      ...(conditions.length > 0 && { conditions }),
      object: form.include === 'None' ? null : form.include === 'Object' ? draft : partial(draft),
    }
  })
  return JSON.stringify({ kind: 'Table', apiVersion: GROUP_VERSION, metadata, columnDefinitions, rows })
}

function partial({ metadata }: Draft) {
  return { kind: 'PartialObjectMetadata', apiVersion: GROUP_VERSION, metadata }
}
