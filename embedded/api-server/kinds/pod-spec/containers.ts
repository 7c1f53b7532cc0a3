import { duplicate, type FieldError, forbiddenField, invalidValue, missing, notSupported, required } from '../../field-error.ts'
import type { Json } from '../../schema/decode.ts'
import { compareQuantities } from '../../schema/quantity.ts'
import { configKeyFaults, labelFaults, portFaults, portNameFaults, qualifiedNameFaults, subdomainFaults } from '../names.ts'

const PULL_POLICIES = ['Always', 'IfNotPresent', 'Never']
const MESSAGE_POLICIES = ['File', 'FallbackToLogsOnError']
const PROTOCOLS = ['SCTP', 'TCP', 'UDP']
const FIELD_PATHS = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
]

/**
 * What is checked of one container.
 *
 * @param isInit it ends before the others start, so it has no probes
 * @param isPod it is a pod's own, not of a template, whose checks are laxer
 */
export function validateContainer(
  container: Json,
  path: string,
  volumes: ReadonlySet<string>,
  isInit: boolean,
  isPod: boolean,
): FieldError[] {
  const errors: FieldError[] = []
  const name = String(container['name'] ?? '')
  if (!name) errors.push(required(`${path}.name`))
  else errors.push(...labelFaults(name).map(fault => invalidValue(`${path}.name`, name, fault)))
  const image = String(container['image'] ?? '')
  if (!image) errors.push(required(`${path}.image`))
  else if (isPod && image.trim() !== image)
    errors.push(invalidValue(`${path}.image`, image, 'must not have leading or trailing whitespace'))
  errors.push(...oneOf(container['terminationMessagePolicy'], `${path}.terminationMessagePolicy`, MESSAGE_POLICIES))
  errors.push(...validatePorts(list(container['ports']), `${path}.ports`))
  errors.push(...validateEnv(list(container['env']), `${path}.env`))
  errors.push(...validateEnvFrom(list(container['envFrom']), `${path}.envFrom`))
  errors.push(...validateMounts(list(container['volumeMounts']), `${path}.volumeMounts`, volumes))
  errors.push(...oneOf(container['imagePullPolicy'], `${path}.imagePullPolicy`, PULL_POLICIES))
  errors.push(...validateResources((container['resources'] ?? {}) as Json, `${path}.resources`))
  for (const kind of ['livenessProbe', 'readinessProbe', 'startupProbe']) {
    const probe = container[kind] as Json | undefined
    if (!probe) continue
    if (isInit) errors.push(forbiddenField(`${path}.${kind}`, 'may not be set for init containers without restartPolicy=Always'))
    else errors.push(...validateProbe(probe, `${path}.${kind}`, kind))
  }
  const security = (container['securityContext'] ?? {}) as Json
  if (security['privileged'] && security['allowPrivilegeEscalation'] === false) {
    const text = 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true'
    errors.push(invalidValue(`${path}.securityContext`, security, text))
  }
  for (const hook of ['postStart', 'preStop']) {
    const handler = (container['lifecycle'] as Json | undefined)?.[hook] as Json | undefined
    if (handler) errors.push(...validateHandler(handler, `${path}.lifecycle.${hook}`, true))
  }
  return errors
}

function validatePorts(ports: readonly Json[], path: string): FieldError[] {
  const errors: FieldError[] = []
  const names = new Set<string>()
  for (const [index, port] of ports.entries()) {
    const place = `${path}[${index}]`
    const name = String(port['name'] ?? '')
    if (name) {
      const faults = portNameFaults(name)
      errors.push(...faults.map(fault => invalidValue(`${place}.name`, name, fault)))
      if (faults.length === 0 && names.has(name)) errors.push(duplicate(`${place}.name`, name))
      names.add(name)
    }
    const number = Number(port['containerPort'] ?? 0)
    if (number === 0) errors.push(required(`${place}.containerPort`))
    else errors.push(...portFaults(number).map(fault => invalidValue(`${place}.containerPort`, number, fault)))
    const host = port['hostPort'] as number | undefined
    if (host) errors.push(...portFaults(host).map(fault => invalidValue(`${place}.hostPort`, host, fault)))
    errors.push(...oneOf(port['protocol'], `${place}.protocol`, PROTOCOLS))
  }
  return errors
}

function validateEnv(env: readonly Json[], path: string): FieldError[] {
  return env.flatMap((variable, index) => {
    const place = `${path}[${index}]`
    const name = String(variable['name'] ?? '')
    const errors: FieldError[] = []
    if (!name) errors.push(required(`${place}.name`))
    else errors.push(...envNameFaults(name).map(fault => invalidValue(`${place}.name`, name, fault)))
    const from = variable['valueFrom'] as Json | undefined
    if (from) errors.push(...validateValueFrom(from, `${place}.valueFrom`, Boolean(variable['value'])))
    return errors
  })
}

function validateValueFrom(from: Json, path: string, hasValue: boolean): FieldError[] {
  const sources = Object.keys(from)
  if (sources.length === 0) {
    return [
      invalidValue(path, '', 'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`'),
    ]
  }
  const errors: FieldError[] = []
  const { fieldRef, configMapKeyRef, secretKeyRef } = from as { fieldRef?: Json; configMapKeyRef?: Json; secretKeyRef?: Json }
  if (fieldRef) errors.push(...validateFieldRef(fieldRef, `${path}.fieldRef`))
  for (const [field, reference] of [
    ['configMapKeyRef', configMapKeyRef],
    ['secretKeyRef', secretKeyRef],
  ] as const) {
    if (!reference) continue
    const key = String(reference['key'] ?? '')
    if (!reference['name']) errors.push(required(`${path}.${field}.name`))
    if (!key) errors.push(required(`${path}.${field}.key`))
    else errors.push(...configKeyFaults(key).map(fault => invalidValue(`${path}.${field}.key`, key, fault)))
  }
  if (hasValue) errors.push(invalidValue(path, '', 'may not be specified when `value` is not empty'))
  else if (sources.length > 1) errors.push(invalidValue(path, '', 'may not have more than one field specified at a time'))
  return errors
}

function validateFieldRef(reference: Json, path: string): FieldError[] {
  const fieldPath = String(reference['fieldPath'] ?? '')
  if (!fieldPath) return [required(`${path}.fieldPath`)]
  const subscript = /^metadata\.(labels|annotations)\['(.*)'\]$/.exec(fieldPath)
  if (subscript) return qualifiedNameFaults(subscript[2] ?? '').map(fault => invalidValue(path, subscript[2], fault))
  if (FIELD_PATHS.includes(fieldPath)) return []
  return [invalidValue(`${path}.fieldPath`, fieldPath, `error converting fieldPath: field label not supported: ${fieldPath}`)]
}

function validateEnvFrom(sources: readonly Json[], path: string): FieldError[] {
  return sources.flatMap((source, index) => {
    const place = `${path}[${index}]`
    const prefix = String(source['prefix'] ?? '')
    const errors = prefix ? envNameFaults(prefix).map(fault => invalidValue(`${place}.prefix`, prefix, fault)) : []
    const references = ['configMapRef', 'secretRef'].filter(field => source[field])
    for (const field of references) {
      const name = String((source[field] as Json)['name'] ?? '')
      if (!name) errors.push(required(`${place}.${field}.name`))
      else errors.push(...subdomainFaults(name).map(fault => invalidValue(`${place}.${field}.name`, name, fault)))
    }
    if (references.length === 0) errors.push(invalidValue(path, '', 'must specify one of: `configMapRef` or `secretRef`'))
    if (references.length > 1) errors.push(invalidValue(path, '', 'may not have more than one field specified at a time'))
    return errors
  })
}

function validateMounts(mounts: readonly Json[], path: string, volumes: ReadonlySet<string>): FieldError[] {
  const errors: FieldError[] = []
  const places = new Set<string>()
  for (const [index, mount] of mounts.entries()) {
    const place = `${path}[${index}]`
    const name = String(mount['name'] ?? '')
    const mountPath = String(mount['mountPath'] ?? '')
    if (!name) errors.push(required(`${place}.name`))
    if (!volumes.has(name)) errors.push(missing(`${place}.name`, name))
    if (!mountPath) errors.push(required(`${place}.mountPath`))
    if (places.has(mountPath)) errors.push(invalidValue(`${place}.mountPath`, mountPath, 'must be unique'))
    places.add(mountPath)
  }
  return errors
}

function validateResources(resources: Json, path: string): FieldError[] {
  const limits = (resources['limits'] ?? {}) as Record<string, string>
  const requests = (resources['requests'] ?? {}) as Record<string, string>
  const errors: FieldError[] = []
  for (const [field, amounts] of [
    ['limits', limits],
    ['requests', requests],
  ] as const) {
    for (const [name, amount] of Object.entries(amounts)) {
      const place = `${path}.${field}[${name}]`
      if (!name.includes('/') && !/^(cpu|memory|ephemeral-storage|hugepages-.+)$/.test(name)) {
        errors.push(invalidValue(`${path}.${field}[${name}]`, name, 'must be a standard resource type or fully qualified'))
        errors.push(invalidValue(`${path}.${field}[${name}]`, name, 'must be a standard resource for containers'))
      }
      if (amount.startsWith('-')) errors.push(invalidValue(place, amount, 'must be greater than or equal to 0'))
    }
  }
  for (const [name, request] of Object.entries(requests)) {
    const limit = limits[name]
    if (limit !== undefined && compareQuantities(request, limit) > 0) {
      errors.push(invalidValue(`${path}.requests`, request, `must be less than or equal to ${name} limit of ${limit}`))
    }
  }
  return errors
}

function validateProbe(probe: Json, path: string, kind: string): FieldError[] {
  const errors = validateHandler(probe, path, false)
  for (const field of ['initialDelaySeconds', 'timeoutSeconds', 'periodSeconds', 'successThreshold', 'failureThreshold']) {
    const value = Number(probe[field] ?? 0)
    if (value < 0) errors.push(invalidValue(`${path}.${field}`, value, 'must be greater than or equal to 0'))
  }
  const grace = probe['terminationGracePeriodSeconds'] as number | undefined
  if (grace !== undefined && grace <= 0) errors.push(invalidValue(`${path}.terminationGracePeriodSeconds`, grace, 'must be greater than 0'))
  if (kind !== 'readinessProbe' && probe['successThreshold'] !== 1) {
    errors.push(invalidValue(`${path}.successThreshold`, probe['successThreshold'], 'must be 1'))
  }
  if (kind === 'readinessProbe' && grace !== undefined) {
    errors.push(invalidValue(`${path}.terminationGracePeriodSeconds`, grace, 'must not be set for readinessProbes'))
  }
  return errors
}

const HANDLERS = ['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep']

function validateHandler(handler: Json, path: string, isHook: boolean): FieldError[] {
  const given = HANDLERS.filter(kind => handler[kind])
  if (given.length === 0) return [required(path, 'must specify a handler type')]
  const [first] = given
  const errors: FieldError[] = []
  const { exec, httpGet, tcpSocket } = handler as { exec?: Json; httpGet?: Json; tcpSocket?: Json }
  if (first === 'exec' && list(exec?.['command']).length === 0) errors.push(required(`${path}.exec.command`))
  if (first === 'httpGet' && httpGet) {
    if (!httpGet['path']) errors.push(required(`${path}.httpGet.path`))
    errors.push(...portErrors(httpGet['port'], `${path}.httpGet.port`))
    errors.push(...oneOf(httpGet['scheme'], `${path}.httpGet.scheme`, ['HTTP', 'HTTPS']))
  }
  if (first === 'tcpSocket' && tcpSocket) errors.push(...portErrors(tcpSocket['port'], `${path}.tcpSocket.port`))
  if (isHook && first === 'grpc') errors.push(forbiddenField(`${path}.grpc`, 'may not be used in a lifecycle hook'))
  errors.push(...given.slice(1).map(kind => forbiddenField(`${path}.${kind}`, 'may not specify more than 1 handler type')))
  return errors
}

function portErrors(port: unknown, path: string): FieldError[] {
  const faults = typeof port === 'number' ? portFaults(port) : portNameFaults(String(port))
  return faults.map(fault => invalidValue(path, port, fault))
}

function oneOf(value: unknown, path: string, values: readonly string[]): FieldError[] {
  if (!value) return [required(path)]
  return values.includes(String(value)) ? [] : [notSupported(path, value, values)]
}

/** Since 1.32 nearly anything goes: printable ASCII without `=`. */
function envNameFaults(name: string): string[] {
  return /^[ -<>-~]+$/.test(name)
    ? []
    : ["a valid environment variable name must consist only of printable ASCII characters other than '='"]
}

function list(value: unknown): Json[] {
  return Array.isArray(value) ? (value as Json[]) : []
}
