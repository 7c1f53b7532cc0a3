import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { IncomingHttpHeaders } from 'node:http'
import { join } from 'node:path'
import { apiVersion } from '../../kernel/kubernetes/objects.ts'
import type { Kind } from './kinds/kind.ts'
import { KINDS } from './kinds/registry.ts'

export interface OpenApiAnswer {
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

/** Read when first asked for: only kubectl wants it. */
let definitions: Record<string, unknown> | undefined

/** Answers `/openapi/v2` and `/openapi/v3`: the shapes of all kinds, and which parameters their verbs take. */
export function openApi(path: string, _headers: IncomingHttpHeaders): OpenApiAnswer | undefined {
  const json = (value: unknown) => ({ body: JSON.stringify(value), headers: { 'content-type': 'application/json' } })
  if (path === '/openapi/v2') return json(versionTwo())
  const groups = Map.groupBy(KINDS, kind => (kind.group ? `apis/${apiVersion(kind)}` : 'api/v1'))
  if (path === '/openapi/v3') {
    const paths = Object.fromEntries(
      [...groups].map(([name, kinds]) => {
        const hash = createHash('sha512')
          .update(JSON.stringify(versionThree(kinds)))
          .digest('hex')
          .toUpperCase()
        return [name, { serverRelativeURL: `/openapi/v3/${name}?hash=${hash}` }]
      }),
    )
    return json({ paths })
  }
  const kinds = groups.get(path.slice('/openapi/v3/'.length))
  return kinds && json(versionThree(kinds))
}

function load(): Record<string, unknown> {
  definitions ??= JSON.parse(readFileSync(join(import.meta.dirname, 'schema/openapi.json'), 'utf8')) as Record<string, unknown>
  return definitions
}

const INFO = { title: 'Kubernetes', version: 'v1.37.2' }

function versionTwo() {
  const paths = Object.assign({}, ...KINDS.map(kind => pathsOf(kind, '#/definitions/')))
  return { swagger: '2.0', info: INFO, paths, definitions: load() }
}

function versionThree(kinds: readonly Kind[]) {
  const paths = Object.assign({}, ...kinds.map(kind => pathsOf(kind, '#/components/schemas/')))
  const schemas = JSON.parse(JSON.stringify(reachable(kinds)).replaceAll('"#/definitions/', '"#/components/schemas/'))
  return { openapi: '3.0.0', info: INFO, paths, components: { schemas } }
}

/** What the kinds of one group are made of. */
function reachable(kinds: readonly Kind[]): Record<string, unknown> {
  const all = load()
  const found: Record<string, unknown> = {}
  const queue = kinds.map(kind => kind.type)
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (name in found || !all[name]) continue
    found[name] = all[name]
    for (const [, next = ''] of JSON.stringify(all[name]).matchAll(/"#\/definitions\/([^"]+)"/g)) queue.push(next)
  }
  return found
}

function pathsOf(kind: Kind, prefix: string) {
  const root = kind.group ? `/apis/${apiVersion(kind)}` : '/api/v1'
  const base = kind.namespaced ? `${root}/namespaces/{namespace}/${kind.plural}` : `${root}/${kind.plural}`
  const parameter = (name: string) => ({ name, in: 'query', schema: { type: 'string', uniqueItems: true }, type: 'string' })
  const write = [parameter('dryRun'), parameter('fieldManager'), parameter('fieldValidation')]
  const operation = (action: string, parameters: readonly object[]) => ({
    operationId: `${action}${kind.kind}`,
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': { group: kind.group, version: kind.version, kind: kind.kind },
    parameters,
    responses: {
      200: {
        description: 'OK',
        ...(prefix === '#/definitions/'
          ? { schema: { $ref: prefix + kind.type } }
          : { content: { 'application/json': { schema: { $ref: prefix + kind.type } } } }),
      },
    },
  })
  return {
    [base]: { get: operation('list', [parameter('labelSelector'), parameter('fieldSelector')]), post: operation('post', write) },
    [`${base}/{name}`]: {
      get: operation('get', []),
      put: operation('put', write),
      patch: operation('patch', [...write, parameter('force')]),
      delete: operation('delete', [parameter('dryRun')]),
    },
  }
}
