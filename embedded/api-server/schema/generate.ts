// Makes schema.json and openapi.json anew: the shapes of the kinds that the emulator serves, as Kubernetes itself has them.
//
//   node generate.ts OPENAPI_V2_FILE K8S_IO_API_DIR K8S_IO_APIMACHINERY_DIR
//
// The first is a real API server's /openapi/v2; the others are the Go modules k8s.io/api and k8s.io/apimachinery of the same version.
// OpenAPI says how lists merge; only the Go source says which fields are pointers, which are left out when empty, and what
// the types are called in error messages. Both files are derived from Kubernetes (Apache-2.0).
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

interface Definition {
  description?: string
  type?: string
  format?: string
  properties?: Record<string, Definition>
  required?: string[]
  items?: Definition
  additionalProperties?: Definition
  $ref?: string
  [extension: `x-kubernetes-${string}`]: unknown
}
interface GoField {
  name: string
  type: string
  omit: string
  /** The number of the field in protobuf; below an embedded struct, the numbers that lead to it. */
  wire: number[]
}

const [openapiFile = '', apiDir = '', machineryDir = ''] = process.argv.slice(2)
const openapi = JSON.parse(readFileSync(openapiFile, 'utf8')) as { definitions: Record<string, Definition> }

const PACKAGES: Record<string, string> = {
  'io.k8s.api.core.v1': join(apiDir, 'core/v1/types.go'),
  'io.k8s.api.apps.v1': join(apiDir, 'apps/v1/types.go'),
  'io.k8s.api.batch.v1': join(apiDir, 'batch/v1/types.go'),
  'io.k8s.api.autoscaling.v1': join(apiDir, 'autoscaling/v1/types.go'),
  'io.k8s.api.autoscaling.v2': join(apiDir, 'autoscaling/v2/types.go'),
  'io.k8s.api.discovery.v1': join(apiDir, 'discovery/v1/types.go'),
  'io.k8s.api.coordination.v1': join(apiDir, 'coordination/v1/types.go'),
  'io.k8s.api.networking.v1': join(apiDir, 'networking/v1/types.go'),
  'io.k8s.apimachinery.pkg.apis.meta.v1': join(machineryDir, 'pkg/apis/meta/v1/types.go'),
}
const ROOTS = [
  ...['Namespace', 'Node', 'Service', 'Secret', 'ConfigMap', 'Pod', 'Event', 'Endpoints', 'ServiceAccount', 'ResourceQuota', 'Binding'].map(
    kind => `io.k8s.api.core.v1.${kind}`,
  ),
  'io.k8s.api.apps.v1.Deployment',
  'io.k8s.api.apps.v1.ReplicaSet',
  'io.k8s.api.batch.v1.Job',
  'io.k8s.api.discovery.v1.EndpointSlice',
  'io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler',
  'io.k8s.api.autoscaling.v1.Scale',
  'io.k8s.api.coordination.v1.Lease',
  'io.k8s.api.networking.v1.Ingress',
  'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions',
  'io.k8s.apimachinery.pkg.apis.meta.v1.Status',
  'io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta',
]

const SCALARS: Record<string, string> = {
  string: 'string',
  bool: 'bool',
  int: 'int',
  int32: 'int32',
  int64: 'int64',
  uint32: 'uint32',
  float64: 'float64',
}
const SPECIAL: Record<string, string> = {
  'io.k8s.apimachinery.pkg.api.resource.Quantity': 'quantity',
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': 'intOrString',
  'io.k8s.apimachinery.pkg.apis.meta.v1.Time': 'time',
  'io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime': 'microTime',
  'io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1': 'raw',
  'io.k8s.apimachinery.pkg.runtime.RawExtension': 'raw',
}

const goTypes = new Map<string, { fields?: GoField[]; alias?: string }>()
for (const [pkg, file] of Object.entries(PACKAGES)) readGo(pkg, readFileSync(file, 'utf8'))

const types: Record<string, unknown> = {}
const definitions: Record<string, Definition> = {}
for (const root of ROOTS) visit(root)
writeFileSync(join(import.meta.dirname, 'schema.json'), `${lines(types)}\n`)
writeFileSync(join(import.meta.dirname, 'openapi.json'), `${lines(definitions)}\n`)

/** One definition a line, so that a new Kubernetes shows as a readable diff. */
function lines(table: Record<string, unknown>): string {
  const names = Object.keys(table).sort()
  return `{\n${names.map(name => `${JSON.stringify(name)}:${JSON.stringify(table[name])}`).join(',\n')}\n}`
}

function readGo(pkg: string, source: string): void {
  for (const [, name = '', body = ''] of source.matchAll(/^type (\w+) struct \{\n([\s\S]*?)^\}/gm)) {
    const fields: GoField[] = []
    for (const line of body.split('\n')) {
      const match = /^\t(?:(\w+)\s+)?(\S+)\s+`json:"([^"]*)"(.*)/.exec(line)
      if (!match) continue
      const [jsonName = '', ...options] = (match[3] ?? '').split(',')
      const omit = options.includes('omitzero') ? 'zero' : options.includes('omitempty') ? 'empty' : ''
      const wire = /protobuf:"\w+,(\d+),/.exec(match[4] ?? '')?.[1]
      fields.push({ name: jsonName === '-' ? '-' : jsonName, type: match[2] ?? '', omit, wire: wire ? [Number(wire)] : [] })
    }
    goTypes.set(`${pkg}.${name}`, { fields })
  }
  for (const [, name = '', alias = ''] of source.matchAll(/^type (\w+) ((?:map\[\w+\]|\[\])?[\w.]+)$/gm)) {
    if (alias !== 'struct') goTypes.set(`${pkg}.${name}`, { alias })
  }
}

function qualify(pkg: string, type: string): string {
  const dotted: Record<string, string> = {
    metav1: 'io.k8s.apimachinery.pkg.apis.meta.v1',
    v1: 'io.k8s.api.core.v1',
    corev1: 'io.k8s.api.core.v1',
    resource: 'io.k8s.apimachinery.pkg.api.resource',
    intstr: 'io.k8s.apimachinery.pkg.util.intstr',
    runtime: 'io.k8s.apimachinery.pkg.runtime',
    types: 'types',
  }
  const dot = type.indexOf('.')
  return dot < 0 ? `${pkg}.${type}` : `${dotted[type.slice(0, dot)] ?? type.slice(0, dot)}.${type.slice(dot + 1)}`
}

/** The fields of a struct with those of what it embeds. */
function fieldsOf(name: string): (GoField & { pkg: string })[] {
  const pkg = name.slice(0, name.lastIndexOf('.'))
  return (goTypes.get(name)?.fields ?? []).flatMap(field => {
    if (field.name === '-') return []
    if (field.name === '') {
      return fieldsOf(qualify(pkg, field.type)).map(inner => ({
        ...inner,
        wire: field.wire.length > 0 ? [...field.wire, ...inner.wire] : [],
      }))
    }
    return [{ ...field, pkg }]
  })
}

interface Shape {
  t: string
  ref?: string
  of?: Shape
  go: string
  atomic?: true
}

function shape(pkg: string, type: string): Shape {
  if (type.startsWith('*')) return shape(pkg, type.slice(1))
  if (type === '[]byte') return { t: 'bytes', go: '[]uint8' }
  if (type.startsWith('[]')) {
    const of = shape(pkg, type.slice(2))
    return { t: 'list', of, go: `[]${of.go}` }
  }
  const map = /^map\[(\w+)\](.+)$/.exec(type)
  if (map) {
    const of = shape(pkg, map[2] ?? '')
    const key = SCALARS[map[1] ?? ''] ? map[1] : `${short(pkg)}.${map[1]}`
    return { t: 'map', of, go: `map[${key}]${of.go}` }
  }
  if (SCALARS[type]) return { t: SCALARS[type] ?? '', go: type }
  const name = qualify(pkg, type)
  const display = `${short(name.slice(0, name.lastIndexOf('.')))}.${name.slice(name.lastIndexOf('.') + 1)}`
  if (SPECIAL[name]) return { t: SPECIAL[name] ?? '', go: display }
  if (name === 'types.UID' || name === 'types.NodeName') return { t: 'string', go: name }
  const known = goTypes.get(name)
  if (known?.alias) return { ...shape(name.slice(0, name.lastIndexOf('.')), known.alias), go: display }
  if (!known?.fields) throw new Error(`Cannot find the Go type "${name}"`)
  visit(name)
  // A struct that is owned whole, such as a label selector.
  return {
    t: 'object',
    ref: name,
    go: display,
    ...(openapi.definitions[name]?.['x-kubernetes-map-type'] === 'atomic' && { atomic: true as const }),
  }
}

function short(pkg: string): string {
  return pkg.slice(pkg.lastIndexOf('.') + 1)
}

function visit(name: string): void {
  if (types[name]) return
  const fields: Record<string, unknown> = {}
  types[name] = fields
  const definition = openapi.definitions[name]
  if (definition) definitions[name] = definition
  for (const ref of JSON.stringify(definition ?? {}).matchAll(/"#\/definitions\/([^"]+)"/g)) {
    const target = ref[1] ?? ''
    const known = openapi.definitions[target]
    if (known && (SPECIAL[target] || !known.properties)) definitions[target] = known
  }
  for (const field of fieldsOf(name)) {
    // An alpha field whose type lives in another group: no kind of ours can use it.
    if (/scheduling|node\./.test(field.type)) continue
    const property = definition?.properties?.[field.name]
    const { t, ref, of, go, atomic } = shape(field.pkg, field.type)
    const strategy = String(property?.['x-kubernetes-patch-strategy'] ?? '')
    fields[field.name] = {
      t,
      ...(ref && { ref }),
      ...(of && { of }),
      go,
      ...(field.type.startsWith('*') && { ptr: true }),
      ...(field.omit && { omit: field.omit }),
      ...(field.wire.length > 0 && { wire: field.wire }),
      ...(property?.['x-kubernetes-list-type'] ? { list: property['x-kubernetes-list-type'] } : {}),
      ...(property?.['x-kubernetes-list-map-keys'] ? { keys: property['x-kubernetes-list-map-keys'] } : {}),
      ...((atomic || property?.['x-kubernetes-map-type'] === 'atomic') && { atomic: true }),
      ...(strategy && { patch: strategy }),
      ...(property?.['x-kubernetes-patch-merge-key'] ? { mergeKey: property['x-kubernetes-patch-merge-key'] } : {}),
    }
  }
}
