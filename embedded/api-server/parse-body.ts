import type { Parsed } from './read-object.ts'
import { scanJson } from './schema/scan.ts'
import { ApiError, badRequest } from './status.ts'

/** Media types in which objects come. */
const OBJECT_TYPES = ['application/json', 'application/yaml']

/**
 * Reads an object from a body.
 *
 * @param contentType as in the header; absent means JSON
 * @throws {ApiError} 400 for what cannot be read, 415 for another media type
 */
export async function parseObject(body: string, contentType: string | undefined): Promise<Parsed> {
  const type = (contentType ?? 'application/json').split(';')[0]!.trim().toLowerCase()
  if (type === 'application/json' || type === '') return parseJson(body)
  if (type === 'application/yaml') return parseYaml(body)
  const accepted = [...OBJECT_TYPES, 'application/vnd.kubernetes.protobuf'].join(', ')
  throw new ApiError(
    415,
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${accepted}`,
  )
}

export function parseJson(body: string): Parsed {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch (error) {
    throw badRequest(`couldn't get version/kind; json parse error: ${(error as Error).message}`)
  }
  try {
    return { value, duplicates: scanJson(body).duplicates }
  } catch (error) {
    throw badRequest(`json parse error: ${(error as Error).message}`)
  }
}

/** YAML is what `kubectl apply --server-side` sends, and JSON is YAML too. */
export async function parseYaml(body: string): Promise<Parsed> {
  if (/^\s*\{/.test(body)) return parseJson(body)
  const { parseDocument } = await import('yaml')
  const document = parseDocument(body, { uniqueKeys: false, maxAliasCount: 0 } as object)
  const [fault] = document.errors
  if (fault) throw badRequest(`yaml: ${fault.message.split('\n')[0]}`)
  try {
    // Through JSON, so that depth and types are those of JSON.
    return parseJson(JSON.stringify(document.toJS({ maxAliasCount: 0 })) ?? 'null')
  } catch (error) {
    if (error instanceof ApiError) throw error
    throw badRequest(`yaml: ${(error as Error).message}`)
  }
}
