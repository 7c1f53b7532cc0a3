import { duplicate, type FieldError, forbiddenField, invalidValue, notSupported, required } from '../../field-error.ts'
import type { Json } from '../../schema/decode.ts'
import { labelFaults, labelValueFaults, qualifiedNameFaults, subdomainFaults } from '../names.ts'
import { validateContainer } from './containers.ts'

const RESTART_POLICIES = ['Always', 'OnFailure', 'Never']
const DNS_POLICIES = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None']
const SECONDS_MAX = 2_147_483_647

/** What the real server checks of a pod spec, in its order (`ValidatePodSpec`), as far as this platform's pods go. */
export function validatePodSpec(spec: Json, path: string, isPod: boolean): FieldError[] {
  const errors: FieldError[] = []
  const volumes = validateVolumes(list(spec['volumes']), `${path}.volumes`, errors)
  const containers = list(spec['containers'])
  if (containers.length === 0) errors.push(required(`${path}.containers`))
  const names = new Set<string>()
  for (const [field, group] of [
    ['containers', containers],
    ['initContainers', list(spec['initContainers'])],
  ] as const) {
    for (const [index, container] of group.entries()) {
      const place = `${path}.${field}[${index}]`
      errors.push(
        ...validateContainer(container, place, volumes, field === 'initContainers' && container['restartPolicy'] !== 'Always', isPod),
      )
      const name = String(container['name'] ?? '')
      if (names.has(name)) errors.push(duplicate(`${place}.name`, name))
      names.add(name)
    }
  }
  errors.push(...hostPortConflicts(containers, `${path}.containers`))
  const restart = spec['restartPolicy']
  if (!RESTART_POLICIES.includes(String(restart))) errors.push(notSupported(`${path}.restartPolicy`, restart, RESTART_POLICIES))
  const dns = spec['dnsPolicy']
  if (!DNS_POLICIES.includes(String(dns))) errors.push(notSupported(`${path}.dnsPolicy`, dns, DNS_POLICIES))
  errors.push(...validateLabels(spec['nodeSelector'], `${path}.nodeSelector`))
  errors.push(...names253(spec, path, ['serviceAccountName', 'nodeName', 'priorityClassName', 'runtimeClassName']))
  errors.push(...tolerationErrors(list(spec['tolerations']), `${path}.tolerations`))
  const deadline = spec['activeDeadlineSeconds'] as number | undefined
  if (deadline !== undefined && (deadline < 1 || deadline > SECONDS_MAX)) {
    errors.push(invalidValue(`${path}.activeDeadlineSeconds`, deadline, `must be between 1 and ${SECONDS_MAX}, inclusive`))
  }
  for (const field of ['hostname', 'subdomain']) {
    const name = spec[field] as string | undefined
    if (name) errors.push(...labelFaults(name).map(fault => invalidValue(`${path}.${field}`, name, fault)))
  }
  return errors
}

/** What is checked of the template of a Deployment, ReplicaSet or Job. */
export function validateTemplate(template: Json, path: string): FieldError[] {
  const metadata = (template['metadata'] ?? {}) as Json
  const errors = validateLabels(metadata['labels'], `${path}.labels`)
  for (const key of Object.keys((metadata['annotations'] ?? {}) as object)) {
    errors.push(...qualifiedNameFaults(key.toLowerCase()).map(fault => invalidValue(`${path}.annotations`, key, fault)))
  }
  const spec = (template['spec'] ?? {}) as Json
  errors.push(...validatePodSpec(spec, `${path}.spec`, false))
  if (list(spec['ephemeralContainers']).length > 0) {
    errors.push(forbiddenField(`${path}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template'))
  }
  return errors
}

/** Faults of a label map. */
export function validateLabels(labels: unknown, path: string): FieldError[] {
  return Object.entries((labels ?? {}) as Record<string, string>).flatMap(([key, value]) => [
    ...qualifiedNameFaults(key).map(fault => invalidValue(path, key, fault)),
    ...labelValueFaults(value).map(fault => invalidValue(path, value, fault)),
  ])
}

const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute']

function tolerationErrors(tolerations: readonly Json[], path: string): FieldError[] {
  return tolerations.flatMap((toleration, index) => {
    const place = `${path}[${index}]`
    const { key = '', operator = '', effect = '', value = '' } = toleration as Record<string, string>
    const errors = key ? qualifiedNameFaults(key).map(fault => invalidValue(`${place}.key`, key, fault)) : []
    if (!key && operator !== 'Exists') {
      const text = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
      errors.push(invalidValue(`${place}.operator`, operator, text))
    }
    if (toleration['tolerationSeconds'] !== undefined && effect !== 'NoExecute') {
      errors.push(invalidValue(`${place}.effect`, effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"))
    }
    if (operator === 'Exists' && value)
      errors.push(invalidValue(`${place}.operator`, value, "value must be empty when `operator` is 'Exists'"))
    else if (operator === 'Equal' || operator === '') {
      errors.push(...labelValueFaults(value).map(fault => invalidValue(`${place}.operator`, value, fault)))
    } else if (operator !== 'Exists') errors.push(notSupported(`${place}.operator`, operator, ['Equal', 'Exists']))
    if (effect && !EFFECTS.includes(effect)) errors.push(notSupported(`${place}.effect`, effect, EFFECTS))
    return errors
  })
}

/** Files of a volume stay below it. */
function itemErrors(items: readonly Json[], path: string): FieldError[] {
  return items.flatMap((item, index) => {
    const place = `${path}[${index}]`
    const file = String(item['path'] ?? '')
    const errors: FieldError[] = []
    if (!item['key']) errors.push(required(`${place}.key`))
    if (!file) errors.push(required(`${place}.path`))
    if (file.startsWith('/')) errors.push(invalidValue(`${place}.path`, file, 'must be a relative path'))
    if (file.split('/').includes('..')) errors.push(invalidValue(`${place}.path`, file, "must not contain '..'"))
    if (file.startsWith('..') && !file.startsWith('../')) errors.push(invalidValue(`${place}.path`, file, "must not start with '..'"))
    const mode = item['mode'] as number | undefined
    if (mode !== undefined && (mode < 0 || mode > 0o777)) errors.push(invalidValue(`${place}.mode`, mode, MODE_MESSAGE))
    return errors
  })
}

const MODE_MESSAGE = 'must be a number between 0 and 0777 (octal), both inclusive'

/** Two containers of a pod cannot have one port of the node. */
function hostPortConflicts(containers: readonly Json[], path: string): FieldError[] {
  const errors: FieldError[] = []
  const seen = new Set<string>()
  for (const [index, container] of containers.entries()) {
    for (const [at, port] of list(container['ports']).entries()) {
      if (!port['hostPort']) continue
      const text = `${port['protocol']}/${port['hostIP'] ?? ''}/${port['hostPort']}`
      if (seen.has(text)) errors.push(duplicate(`${path}[${index}].ports[${at}].hostPort`, text))
      seen.add(text)
    }
  }
  return errors
}

function validateVolumes(volumes: readonly Json[], path: string, errors: FieldError[]): ReadonlySet<string> {
  const names = new Set<string>()
  for (const [index, volume] of volumes.entries()) {
    const place = `${path}[${index}]`
    const name = String(volume['name'] ?? '')
    const sources = Object.keys(volume).filter(key => key !== 'name')
    const faultsBefore = errors.length
    if (sources.length === 0) errors.push(required(place, 'must specify a volume type'))
    for (const source of sources.slice(1)) errors.push(forbiddenField(`${place}.${source}`, 'may not specify more than 1 volume type'))
    if (!name) errors.push(required(`${place}.name`))
    else errors.push(...labelFaults(name).map(fault => invalidValue(`${place}.name`, name, fault)))
    if (names.has(name)) errors.push(duplicate(`${place}.name`, name))
    const { secret, configMap, hostPath } = volume as { secret?: Json; configMap?: Json; hostPath?: Json }
    if (secret && !secret['secretName']) errors.push(required(`${place}.secret.secretName`))
    for (const [field, source] of Object.entries({ secret, configMap })) {
      if (source) errors.push(...itemErrors(list(source['items']), `${place}.${field}.items`))
    }
    if (configMap && !configMap['name']) errors.push(required(`${place}.configMap.name`))
    if (hostPath && !hostPath['path']) errors.push(required(`${place}.hostPath.path`))
    // A volume with a fault is none that a mount or another volume can meet.
    if (errors.length === faultsBefore) names.add(name)
  }
  return names
}

function names253(spec: Json, path: string, fields: readonly string[]): FieldError[] {
  return fields.flatMap(field => {
    const name = spec[field] as string | undefined
    return name ? subdomainFaults(name).map(fault => invalidValue(`${path}.${field}`, name, fault)) : []
  })
}

function list(value: unknown): Json[] {
  return Array.isArray(value) ? (value as Json[]) : []
}
