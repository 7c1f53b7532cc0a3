import { apiVersion } from '../../kernel/kubernetes/objects.ts'
import { KINDS } from './kinds/registry.ts'
import type { Parsed } from './read-object.ts'
import { decodeProtobuf } from './schema/protobuf.ts'
import { scanJson } from './schema/scan.ts'
import { ApiError, badRequest } from './status.ts'

/** Media types in which objects come. */
const OBJECT_TYPES = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf']

/**
 * Reads an object from a body.
 *
 * @param contentType as in the header; absent means JSON
 * @throws {ApiError} 400 for what cannot be read, 415 for another media type
 */
export async function parseObject(body: Buffer, contentType: string | undefined): Promise<Parsed> {
  const type = (contentType ?? 'application/json').split(';')[0]!.trim().toLowerCase()
  if (type === 'application/json' || type === '') return parseJson(body.toString())
  if (type === 'application/yaml') return parseYaml(body.toString())
  if (type === 'application/vnd.kubernetes.protobuf') return parseProtobuf(body)
  throw new ApiError(
    415,
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${OBJECT_TYPES.join(', ')}`,
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
    return { value, duplicates: scanJson(body).duplicates.map(path => `duplicate field ${JSON.stringify(path)}`) }
  } catch (error) {
    throw badRequest(`json parse error: ${(error as Error).message}`)
  }
}

/** YAML is what `kubectl apply --server-side` sends, and JSON is YAML too. */
export async function parseYaml(body: string): Promise<Parsed> {
  if (/^\s*\{/.test(body)) return parseJson(body)
  const { LineCounter, parseDocument } = await import('yaml')
  const lines = new LineCounter()
  // YAML 1.1, in which `y` and `off` are booleans, but without its numbers to the base of 60 and its dates, which Go leaves as text.
  const document = parseDocument(body, {
    version: '1.1',
    lineCounter: lines,
    customTags: tags =>
      tags.filter(tag => typeof tag === 'string' || !(tag.tag.endsWith(':timestamp') || ('format' in tag && tag.format === 'TIME'))),
  })
  const doubled = document.errors.filter(({ code }) => code === 'DUPLICATE_KEY')
  const fault = document.errors.find(({ code }) => code !== 'DUPLICATE_KEY')
  if (fault) throw badRequest(`yaml: ${fault.message.split('\n')[0]}`)
  try {
    // Through JSON, so that depth and types are those of JSON.
    const { value } = parseJson(JSON.stringify(document.toJS({ maxAliasCount: 0 })) ?? 'null')
    const duplicates = doubled.map(({ pos: [start] }) => {
      const key = body.slice(start).split(/[:\n]/)[0]!.trim()
      return `line ${lines.linePos(start).line}: key ${JSON.stringify(key)} already set in map`
    })
    return { value, duplicates }
  } catch (error) {
    if (error instanceof ApiError) throw error
    throw badRequest(`yaml: ${(error as Error).message}`)
  }
}

function parseProtobuf(body: Buffer): Parsed {
  try {
    return { value: decodeProtobuf(body, typeFor), duplicates: [] }
  } catch (error) {
    throw badRequest((error as Error).message)
  }
}

function typeFor(version: string, kind: string): string | undefined {
  if (kind === 'DeleteOptions') return 'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions'
  if (kind === 'Scale') return 'io.k8s.api.autoscaling.v1.Scale'
  if (kind === 'Binding') return 'io.k8s.api.core.v1.Binding'
  return KINDS.find(each => each.kind === kind && apiVersion(each) === version)?.type
}
