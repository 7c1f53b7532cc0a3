import { RESOURCES } from '../../../kernel/kubernetes/objects.ts'
import { type FieldError, invalidValue, notSupported, required } from '../field-error.ts'
import type { Json } from '../schema/decode.ts'
import { AGE, age, column, NAME, wideColumn } from './columns.ts'
import type { Draft, Kind } from './kind.ts'
import { labelValueFaults, qualifiedNameFaults, subdomainFaults } from './names.ts'

export const node: Kind = {
  ...RESOURCES.nodes,
  singular: 'node',
  shortNames: ['no'],
  type: 'io.k8s.api.core.v1.Node',
  status: true,
  scale: false,
  deleteCollection: true,
  generation: false,
  nameFaults: subdomainFaults,
  defaults(object) {
    const spec = object.spec ?? {}
    if (spec['podCIDR'] && !spec['podCIDRs']) spec['podCIDRs'] = [spec['podCIDR']]
    const status = object.status
    if (status?.['capacity'] && !status['allocatable']) status['allocatable'] = { ...status['capacity'] }
  },
  prepareUpdate(next, previous) {
    next.status = previous.status ?? {}
  },
  prepareStatus(next, previous) {
    if (previous.spec) next.spec = previous.spec
  },
  validate,
  selectableFields: object => ({ 'spec.unschedulable': String(object.spec?.['unschedulable'] ?? false) }),
  columns: [
    NAME,
    column('Status', 'The status of the node'),
    column('Roles', 'The roles of the node'),
    AGE,
    column('Version', 'The version of its kubelet.'),
    wideColumn('Internal-IP', 'Its address within the cluster.'),
    wideColumn('External-IP', 'Its address outside of the cluster.'),
    wideColumn('OS-Image', 'Its operating system.'),
    wideColumn('Kernel-Version', 'Its kernel.'),
    wideColumn('Container-Runtime', 'What runs its containers.'),
  ],
  cells(object, now) {
    const details = (object.status?.['nodeInfo'] ?? {}) as Record<string, string>
    const kernel = details['kernelVersion'] || '<unknown>'
    return [
      object.metadata.name,
      condition(object),
      roles(object),
      age(object, now),
      details['kubeletVersion'] ?? '',
      address(object, 'InternalIP'),
      address(object, 'ExternalIP'),
      details['osImage'] || '<unknown>',
      details['architecture'] ? `${kernel} (${details['architecture']})` : kernel,
      details['containerRuntimeVersion'] || '<unknown>',
    ]
  },
}

const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute']

function validate({ spec = {} }: Draft): FieldError[] {
  return ((spec['taints'] ?? []) as Json[]).flatMap((taint, index) => {
    // The real server says metadata here, though taints are in the spec.
    const place = `metadata.taints[${index}]`
    const { key = '', value = '', effect = '' } = taint as Record<string, string>
    return [
      ...qualifiedNameFaults(key).map(fault => invalidValue(`${place}.key`, key, fault)),
      ...labelValueFaults(value).map(fault => invalidValue(`${place}.value`, value, fault)),
      ...(EFFECTS.includes(effect) ? [] : [effect ? notSupported(`${place}.effect`, effect, EFFECTS) : required(`${place}.effect`)]),
    ]
  })
}

function condition(object: Draft): string {
  const ready = ((object.status?.['conditions'] ?? []) as Json[]).find(({ type }) => type === 'Ready')
  const text = ready ? (ready['status'] === 'True' ? 'Ready' : 'NotReady') : 'Unknown'
  return object.spec?.['unschedulable'] ? `${text},SchedulingDisabled` : text
}

function roles(object: Draft): string {
  const prefix = 'node-role.kubernetes.io/'
  const names = Object.entries(object.metadata.labels ?? {}).flatMap(([key, value]) => {
    if (key.startsWith(prefix)) return key.length > prefix.length ? [key.slice(prefix.length)] : []
    return key === 'kubernetes.io/role' && value ? [value] : []
  })
  return [...new Set(names)].sort().join(',') || '<none>'
}

function address(object: Draft, type: string): string {
  const addresses = (object.status?.['addresses'] ?? []) as { type: string; address: string }[]
  return addresses.find(each => each.type === type)?.address ?? '<none>'
}
