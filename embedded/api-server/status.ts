import type { FieldError } from './field-error.ts'
import type { Kind } from './kinds/kind.ts'

interface Cause {
  reason?: string
  message?: string
  field?: string
}

/** The body of every answer that is no object, as `meta/v1` has it. */
export interface Status {
  kind: 'Status'
  apiVersion: 'v1'
  metadata: { continue?: string; resourceVersion?: string }
  status: 'Success' | 'Failure'
  message?: string
  reason?: string
  details?: { name?: string; group?: string; kind?: string; uid?: string; causes?: Cause[]; retryAfterSeconds?: number }
  code?: number
}

/** An answer other than success, thrown from wherever it is known and written in one place. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly status: Status & { code: number }

  constructor(code: number, reason: string, message: string, details?: Status['details']) {
    super(message)
    this.status = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message,
      ...(reason && { reason }),
      ...(details && { details }),
      code,
    }
  }
}

export function badRequest(message: string): ApiError {
  return new ApiError(400, 'BadRequest', message)
}

export function notFound(kind: Kind, name: string): ApiError {
  return new ApiError(404, 'NotFound', `${qualified(kind)} "${name}" not found`, about(kind, name))
}

/** @param isGoing the object of that name is being deleted */
export function alreadyExists(kind: Kind, name: string, isGoing: boolean): ApiError {
  const prefix = isGoing ? 'object is being deleted: ' : ''
  return new ApiError(409, 'AlreadyExists', `${prefix}${qualified(kind)} "${name}" already exists`, about(kind, name))
}

export function conflict(kind: Kind, name: string, detail: string): ApiError {
  return new ApiError(409, 'Conflict', `Operation cannot be fulfilled on ${qualified(kind)} "${name}": ${detail}`, about(kind, name))
}

/** What a write with an old resourceVersion gets. */
export const STALE = 'the object has been modified; please apply your changes to the latest version and try again'

export function forbidden(kind: Kind, name: string, detail: string, causes?: Cause[]): ApiError {
  const message = name ? `${qualified(kind)} "${name}" is forbidden: ${detail}` : `${qualified(kind)} is forbidden: ${detail}`
  return new ApiError(403, 'Forbidden', message, { ...about(kind, name), ...(causes && { causes }) })
}

export function invalid(kind: Pick<Kind, 'kind' | 'group'>, name: string, errors: readonly FieldError[]): ApiError {
  const texts = [...new Set(errors.map(error => `${error.field}: ${error.message}`))]
  const detail = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`
  return new ApiError(422, 'Invalid', `${kind.kind}${kind.group ? `.${kind.group}` : ''} "${name}" is invalid: ${detail}`, {
    ...(name && { name }),
    ...(kind.group && { group: kind.group }),
    ...(kind.kind && { kind: kind.kind }),
    causes: errors.map(({ reason, message, field }) => ({ reason, message, field })),
  })
}

export function methodNotAllowed(): ApiError {
  return new ApiError(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {})
}

export function unknownResource(): ApiError {
  return new ApiError(404, 'NotFound', 'the server could not find the requested resource', {})
}

export function expired(message: string): ApiError {
  return new ApiError(410, 'Expired', message)
}

/** For what Kubernetes has and this emulator has not: better than to pretend. */
export function notImplemented(what: string): ApiError {
  return new ApiError(501, 'NotImplemented', `The API emulator of embedded mode does not support ${what}`)
}

export function tooLargeVersion(version: number, current: number): ApiError {
  return new ApiError(504, 'Timeout', `Timeout: Too large resource version: ${version}, current: ${current}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  })
}

function qualified(kind: Kind): string {
  return kind.group ? `${kind.plural}.${kind.group}` : kind.plural
}

function about(kind: Kind, name: string): NonNullable<Status['details']> {
  return { ...(name && { name }), ...(kind.group && { group: kind.group }), kind: kind.plural }
}
