import type { IncomingHttpHeaders } from 'node:http'
import type { Exchange } from './api.ts'
import type { DeleteRequest } from './delete.ts'
import { integerParameter, readBody } from './http-request.ts'
import type { Draft, Kind } from './kinds/kind.ts'
import { parseObject } from './parse-body.ts'
import { type FieldValidation, type Parsed, readObject } from './read-object.ts'
import { chooseForm, type Form } from './render.ts'
import { badRequest, invalid } from './status.ts'
import type { WriteOptions } from './write.ts'

/** The form in which a request wants its answer. @throws {ApiError} 406 */
export function formOf({ request, url }: Exchange): Form {
  return chooseForm(request.headers.accept, url.searchParams.get('includeObject'))
}

/** The options of a write: dry run, and who writes. @throws {ApiError} 422 */
export function writeOptions({ request, url, warn }: Exchange): WriteOptions {
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

/** How a write wants unknown fields to be met. @throws {ApiError} 422 */
export function fieldValidation(url: URL, method: string | undefined): FieldValidation {
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

/** The object in a request's body. @throws {ApiError} 400, 413 or 415 */
export async function readDraft({ request, url, warn }: Exchange, kind: Kind): Promise<Draft> {
  const validation = fieldValidation(url, request.method)
  const body = await readBody(request)
  const parsed = await parseObject(body, request.headers['content-type'])
  return readObject(kind, parsed, validation, warn)
}

/** How a delete is to go, from its body and its query. @throws {ApiError} 400 */
export async function readDeleteRequest({ request, url }: Exchange): Promise<{ request: DeleteRequest; dryRun: boolean }> {
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
