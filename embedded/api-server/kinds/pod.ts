import { RESOURCES } from '../../../kernel/kubernetes/objects.ts'
import { type FieldError, forbiddenField, invalidValue } from '../field-error.ts'
import type { Json } from '../schema/decode.ts'
import { AGE, column, NAME, wideColumn } from './columns.ts'
import type { Draft, Kind } from './kind.ts'
import { labelFaults, subdomainFaults } from './names.ts'
import { podCells } from './pod-cells.ts'
import { defaultPodSpec } from './pod-spec/defaults.ts'
import { qualityOfService } from './pod-spec/quality-of-service.ts'
import { validatePodUpdate } from './pod-spec/update.ts'
import { validatePodSpec } from './pod-spec/validate.ts'
import { podWarnings } from './pod-spec/warnings.ts'

export const pod: Kind = {
  ...RESOURCES.pods,
  singular: 'pod',
  shortNames: ['po'],
  categories: ['all'],
  type: 'io.k8s.api.core.v1.Pod',
  status: true,
  scale: false,
  deleteCollection: true,
  returnsDeleted: true,
  generation: 'spec',
  nameFaults: subdomainFaults,
  defaults,
  prepareCreate(object) {
    admit(object)
    object.status = { phase: 'Pending', qosClass: qualityOfService(object.spec ?? {}), ...gated(object) }
  },
  admit: refuse,
  prepareUpdate(next, previous) {
    if (next.spec) next.spec['priority'] ??= previous.spec?.['priority']
    admit(next)
    next.status = previous.status ?? {}
  },
  prepareStatus(next, previous) {
    if (previous.spec) next.spec = previous.spec
    if (previous.metadata.ownerReferences) next.metadata.ownerReferences = previous.metadata.ownerReferences
    else delete next.metadata.ownerReferences
    const status = (next.status ??= {})
    status['qosClass'] ||= previous.status?.['qosClass']
    syncIps(status)
  },
  validate,
  validateCreate: ({ spec }) =>
    spec?.['ephemeralContainers'] ? [forbiddenField('spec.ephemeralContainers', 'cannot be set on create')] : [],
  validateUpdate: validatePodUpdate,
  selectableFields: object => ({
    'spec.nodeName': String(object.spec?.['nodeName'] ?? ''),
    'spec.restartPolicy': String(object.spec?.['restartPolicy'] ?? ''),
    'spec.schedulerName': String(object.spec?.['schedulerName'] ?? ''),
    'spec.serviceAccountName': String(object.spec?.['serviceAccountName'] ?? ''),
    'spec.hostNetwork': String(object.spec?.['hostNetwork'] ?? false),
    'status.phase': String(object.status?.['phase'] ?? ''),
    'status.podIP': String(object.status?.['podIP'] ?? ''),
    'status.nominatedNodeName': String(object.status?.['nominatedNodeName'] ?? ''),
  }),
  warnings(object) {
    const faults = object.metadata.name ? labelFaults(object.metadata.name) : []
    const text = "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended"
    return [...(faults.length > 0 ? [`${text}: [${faults.join(' ')}]`] : []), ...podWarnings(object.spec ?? {}, 'spec')]
  },
  columns: [
    NAME,
    column('Ready', 'The aggregate readiness state of this pod for accepting traffic.'),
    column('Status', 'The aggregate status of the containers in this pod.'),
    column(
      'Restarts',
      'The number of times the containers in this pod have been restarted and when the last container in this pod has restarted.',
    ),
    AGE,
    wideColumn('IP', 'Its address.'),
    wideColumn('Node', 'Where it runs.'),
    wideColumn('Nominated Node', 'Where it may run once others have gone.'),
    wideColumn('Readiness Gates', 'How many of its further conditions hold.'),
  ],
  cells: podCells,
  rowConditions(object) {
    const phase = object.status?.['phase']
    if (phase === 'Succeeded')
      return [{ type: 'Completed', status: 'True', reason: 'Succeeded', message: 'The pod has completed successfully.' }]
    if (phase === 'Failed') return [{ type: 'Completed', status: 'True', reason: 'Failed', message: 'The pod failed.' }]
    return []
  },
}

function defaults(object: Draft): void {
  const spec = (object.spec ??= {})
  defaultPodSpec(spec)
  if (Number(spec['terminationGracePeriodSeconds']) < 0) spec['terminationGracePeriodSeconds'] = 1
  for (const container of [...list(spec['containers']), ...list(spec['initContainers'])]) {
    const resources = container['resources'] as Json | undefined
    if (!resources?.['limits']) continue
    resources['requests'] = { ...(resources['limits'] as object), ...(resources['requests'] as object | undefined) }
  }
  spec['enableServiceLinks'] ??= true
  if (object.status) syncIps(object.status)
}

/** What the priority and runtime-class plug-ins refuse: there are no such classes here. */
function refuse({ spec = {} }: Draft): string | undefined {
  const { priority, preemptionPolicy, priorityClassName, overhead } = spec
  if (priorityClassName) return `no PriorityClass with name ${priorityClassName} was found`
  if (priority) {
    return `the integer value of priority (${priority}) must not be provided in pod spec; priority admission controller computed 0 from the given PriorityClass name`
  }
  if (preemptionPolicy !== 'PreemptLowerPriority') {
    return `the string value of PreemptionPolicy (${preemptionPolicy}) must not be provided in pod spec; priority admission controller computed PreemptLowerPriority from the given PriorityClass name`
  }
  return overhead ? 'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead' : undefined
}

/** A pod that others hold back is told to be so from the start. */
function gated({ spec = {}, metadata }: Draft): Json {
  if (list(spec['schedulingGates']).length === 0) return {}
  const message = 'Scheduling is blocked due to non-empty scheduling gates'
  const times = { lastProbeTime: null, lastTransitionTime: metadata.creationTimestamp }
  return { conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated', message, ...times }] }
}

const UNREACHABLE_SECONDS = 300

/** What the admission plug-ins that are on by default add: priority, and tolerations for a node that is away. */
function admit(object: Draft): void {
  const spec = object.spec ?? {}
  spec['priority'] ??= 0
  spec['preemptionPolicy'] ??= 'PreemptLowerPriority'
  const tolerations = list(spec['tolerations'])
  for (const key of ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']) {
    const known = tolerations.some(each => (each['key'] === key || !each['key']) && (!each['effect'] || each['effect'] === 'NoExecute'))
    if (!known) tolerations.push({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: UNREACHABLE_SECONDS })
  }
  spec['tolerations'] = tolerations
}

/** `podIP` and `podIPs[0]` are one. */
function syncIps(status: Json): void {
  const ips = list(status['podIPs'])
  if (status['podIP'] && ips[0]?.['ip'] !== status['podIP']) status['podIPs'] = [{ ip: status['podIP'] }]
  else if (!status['podIP'] && ips[0]) status['podIP'] = ips[0]['ip']
}

function validate(object: Draft): FieldError[] {
  const spec = object.spec ?? {}
  const errors = validatePodSpec(spec, 'spec', true)
  const grace = Number(spec['terminationGracePeriodSeconds'])
  if (grace < 0) errors.push(invalidValue('spec.terminationGracePeriodSeconds', grace, 'must be greater than or equal to 0'))
  return errors
}

function list(value: unknown): Json[] {
  return Array.isArray(value) ? (value as Json[]) : []
}
